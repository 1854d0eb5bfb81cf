/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of otherwise.h. */
#define NEW 0

#include "otherwise.h"
