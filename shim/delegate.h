/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI runtime that does the work. */
#ifndef MX_SHIM_DELEGATE_H
#define MX_SHIM_DELEGATE_H

#include "base/err.h"
#include "base/str.h"
#include "oci/config.h"
#include "shim/cmdline.h"

/* Becomes the delegate, with the command line as it came. Returns only on failure. */
int delegate_exec(const struct config *config, const struct cmdline *line, struct err *err);

/*
 * Runs the delegate with @argv and waits for it; signals that the shim is sent go to it. Its exit
 * status, or 128 + the signal that ended it, is put into *@ret_status. The container's first
 * process is the delegate's child and never the shim's, so it is adopted by whoever has asked the
 * kernel for that (conmon, containerd's shim).
 */
MUST_CHECK int delegate_run(
	const struct config *config, char **argv, int *ret_status, struct err *err);

/* 1 if the delegate has a container of the command line's id, 0 if not. Says nothing to anybody. */
MUST_CHECK int delegate_knows(
	const struct config *config, const struct cmdline *line, struct err *err);

/* What the delegate prints if it is asked by @word alone ("--version"). False: it fails. */
bool delegate_tells(const struct config *config, const char *word, struct str *ret_text);

#endif
