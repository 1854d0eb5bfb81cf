/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MX_SEA_TYPES_H
#define MX_SEA_TYPES_H

#include "sea/analysis.h"

/*
 * Compares the debug information of the two files and refuses the functions that use a type whose
 * layout differs. Returns whether there was any to compare.
 */
bool sea_judge_types(struct sea_analysis *a, const char *const paths[2]);

/*
 * In the child: appends lines of fields separated by tabs to @out, "E" last.
 * T name old-size new-size what: a type that differs; F side address type: a function that uses
 * one; V side address size type: a variable that is one or points to one; N: a side without debug
 * information.
 */
void sea_read_types(const char *const paths[2], struct str *out);

/* Enters such lines into @a; whatever @text holds (the child may have been taken over). */
void sea_take_types(struct sea_analysis *a, char *text);

#endif
