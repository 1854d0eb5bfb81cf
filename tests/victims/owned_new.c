/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of owned.h. */
#define NEW 1

#include "owned.h"
