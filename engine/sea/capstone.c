/* SPDX-License-Identifier: Apache-2.0 */
#include "sea/capstone.h"

/*
 * Each architecture of the static library is reached through these two functions, by a table that
 * cs_open(3) and cs_option(3) look into. What is defined here is not taken from the library.
 */
#define WITHOUT(arch)                                                                              \
	cs_err arch##_global_init(void *handle);                                                   \
	cs_err arch##_option(void *handle, cs_opt_type type, size_t value);                        \
	cs_err arch##_global_init(void *handle)                                                    \
	{                                                                                          \
		return CS_ERR_ARCH;                                                                \
	}                                                                                          \
	cs_err arch##_option(void *handle, cs_opt_type type, size_t value)                         \
	{                                                                                          \
		return CS_ERR_ARCH;                                                                \
	}

WITHOUT(AArch64)
WITHOUT(ARM)
WITHOUT(EVM)
WITHOUT(M680X)
WITHOUT(M68K)
WITHOUT(Mips)
WITHOUT(PPC)
WITHOUT(Sparc)
WITHOUT(SystemZ)
WITHOUT(TMS320C64x)
WITHOUT(XCore)

cs_err capstone_open(csh *ret_cs)
{
	return cs_open(CS_ARCH_X86, CS_MODE_64, ret_cs);
}
