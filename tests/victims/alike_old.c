/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of alike.h. */
#define NEW 0

#include "alike.h"
