/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets in the file system, of any length. */
#ifndef MX_CTL_ADDRESS_H
#define MX_CTL_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

/*
 * The address of the socket at @path. A path that does not fit in one goes by its folder, which is
 * opened: *@ret_dir must stay open until the address was used; it is -1 where it is not needed.
 */
MUST_CHECK int address_of(
	const char *path, struct sockaddr_un *ret_address, int *ret_dir, struct err *err);

#endif
