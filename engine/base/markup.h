/* SPDX-License-Identifier: Apache-2.0 */
/* Text in HTML and XML. */
#ifndef MX_BASE_MARKUP_H
#define MX_BASE_MARKUP_H

#include "base/str.h"

/*
 * Appends @text (NULL: nothing) as text or as an attribute's value. Control characters, and bytes
 * that are no UTF-8, are no characters there: a question mark stands for each.
 */
void str_put_markup(struct str *out, const char *text);

#endif
