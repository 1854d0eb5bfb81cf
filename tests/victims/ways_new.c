/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of ways.h. */
#define NEW 1

#include "ways.h"
