/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of ways.h. */
#define NEW 0

#include "ways.h"
