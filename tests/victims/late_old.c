/* SPDX-License-Identifier: Apache-2.0 */
#define CRASHES 1
#define PARTS	0
#include "late.h"
