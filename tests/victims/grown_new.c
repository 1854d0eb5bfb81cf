/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of grown.h. */
#define NEW 1

#include "grown.h"
