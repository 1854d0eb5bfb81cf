/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a version starts: a directory that is as it was, each time, and has the same name for every
 * version, whatever root it has.
 */
#ifndef MX_COMPARE_PLACE_H
#define MX_COMPARE_PLACE_H

#include "base/err.h"

struct place;

/*
 * @root: real path of the root that it is made in, NULL: the caller's. @files: a directory of which
 * the version finds a copy there; NULL: it is empty. Places of different roots get one name.
 */
MUST_CHECK int place_new(const char *root, const char *files, struct place **ret, struct err *err);
/* Removes it, and all that is in it. */
void place_free(struct place *place);

/* Makes it as new. */
MUST_CHECK int place_prepare(struct place *place, struct err *err);
/* As the program sees it, and as the caller does. */
const char *place_path(const struct place *place);
const char *place_outside(const struct place *place);

#endif
