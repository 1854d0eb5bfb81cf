/* SPDX-License-Identifier: Apache-2.0 */
/* The notes of a core file: everything but memory. */
#ifndef MX_REM_CORE_NOTES_H
#define MX_REM_CORE_NOTES_H

#include "base/err.h"
#include "base/str.h"
#include "rem/core.h"
#include "rem/maps.h"

/* Appends the notes of the process to @out, in the order in which the kernel writes them. */
MUST_CHECK int core_notes(
	const struct core_request *req, const struct maps *maps, struct str *out, struct err *err);

#endif
