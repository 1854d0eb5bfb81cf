/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of again.h. */
#define NEW 0

#include "again.h"
