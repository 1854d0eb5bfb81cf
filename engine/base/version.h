/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MX_BASE_VERSION_H
#define MX_BASE_VERSION_H

#define MX_VERSION "0.1.0"

#endif
