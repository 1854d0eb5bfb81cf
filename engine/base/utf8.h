/* SPDX-License-Identifier: Apache-2.0 */
/* Text that comes from elsewhere need not be UTF-8. */
#ifndef MX_BASE_UTF8_H
#define MX_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Length of the well-formed UTF-8 sequence of several bytes at @s (Unicode 15, table 3-7: no
 * surrogates, nothing overlong, nothing above U+10FFFF), 0 where there is none within @len bytes;
 * its code point in *@ret_code.
 */
size_t utf8_decode(const uint8_t *s, size_t len, uint32_t *ret_code);

#endif
