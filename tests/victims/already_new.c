/* SPDX-License-Identifier: Apache-2.0 */
#define NEW 1
#include "already.h"
