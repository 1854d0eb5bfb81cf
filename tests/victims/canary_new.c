/* SPDX-License-Identifier: Apache-2.0 */
/* The new version crashes on "crash", and says something else to "differ". victim-flags: -static */
#define NEW 1
#include "canary.h"
