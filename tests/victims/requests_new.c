/* SPDX-License-Identifier: Apache-2.0 */
/* The new version of requests.h. */
#define NEW 1

#include "requests.h"
