/* SPDX-License-Identifier: Apache-2.0 */
#define CRASHES 0
#include "vforked.h"
