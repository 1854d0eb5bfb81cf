/* SPDX-License-Identifier: Apache-2.0 */
/* The old version. victim-flags: -static */
#define NEW 0
#include "canary.h"
