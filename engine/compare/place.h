/* SPDX-License-Identifier: Apache-2.0 */
/* Where the versions start: a directory that is as it was, each time, under one name. */
#ifndef MX_COMPARE_PLACE_H
#define MX_COMPARE_PLACE_H

#include "base/err.h"

struct place;

/* @files: a directory of which each version finds a copy there; NULL: it is empty. */
MUST_CHECK int place_new(const char *files, struct place **ret, struct err *err);
/* Removes it, and all that is in it. */
void place_free(struct place *place);

/* Makes it as new. */
MUST_CHECK int place_prepare(struct place *place, struct err *err);
const char *place_path(const struct place *place);

#endif
