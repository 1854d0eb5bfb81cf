/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of libcs.h. */
#define NEW 0

#include "libcs.h"
