/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of grown.h. */
#define NEW 0

#include "grown.h"
