/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MX_SEA_KINSHIP_H
#define MX_SEA_KINSHIP_H

#include "sea/analysis.h"

/*
 * The evidence that the two objects are not versions of one program, malloc'ed, or NULL: one line
 * for people. Asked once the functions are judged; the last parts of @paths count as the names.
 * Where the evidence is not clear they are taken for versions; what makes that doubtful is then
 * added to the notes.
 */
char *sea_unrelated(struct sea_analysis *a, const char *const paths[2]);

#endif
