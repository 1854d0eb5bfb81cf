/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of owned.h. */
#define NEW 0

#include "owned.h"
