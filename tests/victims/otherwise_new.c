/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of otherwise.h. */
#define NEW 1

#include "otherwise.h"
