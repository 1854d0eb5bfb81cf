/* SPDX-License-Identifier: Apache-2.0 */
#define WAITS 1
#include "heldup.h"
