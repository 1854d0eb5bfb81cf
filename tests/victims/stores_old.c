/* SPDX-License-Identifier: Apache-2.0 */
/* See stores.h: it never crashes. */
#include "stores.h"

static void begin(const char *line)
{
}
