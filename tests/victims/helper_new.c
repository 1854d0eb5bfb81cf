/* SPDX-License-Identifier: Apache-2.0 */
#define CRASHES
#include "helper_old.c"
