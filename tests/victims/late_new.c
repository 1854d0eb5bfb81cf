/* SPDX-License-Identifier: Apache-2.0 */
#define CRASHES 0
#define PARTS	1
#include "late.h"
