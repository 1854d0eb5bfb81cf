/* SPDX-License-Identifier: Apache-2.0 */
/* The old version of requests.h. */
#define NEW 0

#include "requests.h"
