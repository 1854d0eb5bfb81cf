/* SPDX-License-Identifier: Apache-2.0 */
#define CRASHES 1
#include "marked.h"
