/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MX_SEA_OUTLOOK_H
#define MX_SEA_OUTLOOK_H

#include "sea/analysis.h"

/* Appends lines for people: safe points, and what could stand in after a crash. */
void sea_describe_outlook(const struct sea_analysis *a, struct str *out);

/* main, as the entry code hands it to the C library; SEA_NONE where it does not. */
uint32_t sea_find_main(const struct sea_image *im);

#endif
