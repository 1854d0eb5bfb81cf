/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of unread.h. */
#define NEW 0

#include "unread.h"
