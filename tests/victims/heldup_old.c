/* SPDX-License-Identifier: Apache-2.0 */
#define WAITS 0
#include "heldup.h"
