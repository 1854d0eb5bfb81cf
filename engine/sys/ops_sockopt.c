/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/ops.h"

#include <asm/unistd_64.h>

#include "sys/rows.h"

/* The same number is another option at another level: a key has both. */
#define OPTION(level, name) ((uint64_t)(level) << 32 | (name))

#define SO_ATTACH_FILTER	 OPTION(1, 26)
#define SO_ATTACH_REUSEPORT_CBPF OPTION(1, 51)
#define SO_PEERPIDFD		 OPTION(1, 77)
#define IPT_SO_SET_REPLACE	 OPTION(0, 64)
#define IP6T_SO_SET_REPLACE	 OPTION(41, 64)
#define TCP_ZEROCOPY_RECEIVE	 OPTION(6, 35)
#define PACKET_RX_RING		 OPTION(263, 5)
#define PACKET_TX_RING		 OPTION(263, 13)
#define PACKET_FANOUT_DATA	 OPTION(263, 22)

#define OPS_FN	    find_set
#define OPS_CALL    setsockopt
#define OPS_DEF	    "sys/setsockopt.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

#define OPS_FN	    find_get
#define OPS_CALL    getsockopt
#define OPS_DEF	    "sys/getsockopt.def"
#define OPS_KEY(op) (op)
#include "sys/optable.inc"

const struct sys_row *sys_sockopt_find(
	bool set, uint64_t level, uint64_t name, struct sys_ops *ret_all)
{
	uint64_t key = OPTION((uint32_t)level, (uint32_t)name);

	return set ? find_set(key, ret_all) : find_get(key, ret_all);
}
