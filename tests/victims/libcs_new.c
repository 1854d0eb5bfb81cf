/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of libcs.h. */
#define NEW 1

#include "libcs.h"
