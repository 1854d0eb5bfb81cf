/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of again.h. */
#define NEW 1

#include "again.h"
