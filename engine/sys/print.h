/* SPDX-License-Identifier: Apache-2.0 */
/* Printing of one call, divided over print*.c. Private to engine/sys. */
#ifndef MX_SYS_PRINT_H
#define MX_SYS_PRINT_H

#include "sys/names.h"
#include "sys/sys.h"

#define PRINT_BYTES 32 /* of a buffer or a string; then "..." */
#define PRINT_ITEMS 16 /* of an array; then "..." */

struct printer {
	struct str *out;
	const struct sys_row *row;
	const uint64_t *args;
	const int64_t *result; /* NULL: the call has not returned */
	sys_read_fn *read;
	void *ctx;
};

/* True when all @len bytes at @addr could be read. */
bool print_fetch(const struct printer *p, uint64_t addr, void *buf, size_t len);

void print_addr(struct str *out, uint64_t addr);
/* In quotes and with escapes; @cut: there is more than @len bytes. */
void print_quoted(struct str *out, const void *bytes, size_t len, bool cut);
/* @len bytes of memory at @addr, or the address where they cannot be read. */
void print_bytes(const struct printer *p, uint64_t addr, uint64_t len);
void print_string(const struct printer *p, uint64_t addr, size_t most);

/* Arrays and structs that point to more memory. */
void print_strings(const struct printer *p, uint64_t addr);
void print_iovec(const struct printer *p, uint64_t addr, uint64_t count, uint64_t bytes);
void print_message(const struct printer *p, uint64_t addr, bool out, uint64_t bytes);
void print_messages(const struct printer *p, uint64_t addr, uint64_t count, bool out);
void print_sockaddr(const struct printer *p, uint64_t addr, uint64_t len);
void print_polls(const struct printer *p, uint64_t addr, uint64_t count);
void print_fdset(const struct printer *p, uint64_t addr, uint64_t bits);
void print_epoll_events(const struct printer *p, uint64_t addr, uint64_t count);

/* Decoders, see sys_show_fn. */
void show_sigset(struct str *out, const void *bytes, size_t len);
void show_sigaction(struct str *out, const void *bytes, size_t len);
void show_sigevent(struct str *out, const void *bytes, size_t len);
void show_siginfo(struct str *out, const void *bytes, size_t len);
void show_sockaddr(struct str *out, const void *bytes, size_t len);

#endif
