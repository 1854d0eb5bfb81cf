/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of alike.h. */
#define NEW 1

#include "alike.h"
