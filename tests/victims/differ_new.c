/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of differ.h. */
#define NEW 1

#include "differ.h"
