/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of unread.h. */
#define NEW 1

#include "unread.h"
