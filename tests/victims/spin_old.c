/* SPDX-License-Identifier: Apache-2.0 */
#define CRASH_AT 5
#include "spin.h"
