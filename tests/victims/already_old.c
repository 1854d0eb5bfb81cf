/* SPDX-License-Identifier: Apache-2.0 */
#define NEW 0
#include "already.h"
