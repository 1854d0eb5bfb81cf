/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error that a failing function hands to its caller. A function that can fail returns 0 or
 * -errno, is MUST_CHECK, and takes `struct err *err` last. The layer that fails sets the text;
 * callers put context before it. The storage is the caller's and of fixed size.
 */
#ifndef MX_BASE_ERR_H
#define MX_BASE_ERR_H

#include "base/cleanup.h"

#define ERR_TEXT_MAX 1024

struct err {
	int code; /* a positive errno value, 0 where nothing was set */
	char text[ERR_TEXT_MAX];
};

/* Sets @err to errno value @code (positive) and a text; returns -@code. @err may be NULL. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set(), with ": strerror(@code)" appended to the text. */
int err_errno(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts context before the text: "context: text". Returns -err->code. */
int err_context(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
