/* SPDX-License-Identifier: Apache-2.0 */
/* The old version: numbers the lines of its input. */
#define NEW 0
#include "lines.h"
