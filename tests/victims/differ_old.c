/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of differ.h. */
#define NEW 0

#include "differ.h"
