/* SPDX-License-Identifier: Apache-2.0 */
/* An event of the log as a line for people. The log comes out of a container: it is not trusted. */
#ifndef MX_OCI_EVENTTEXT_H
#define MX_OCI_EVENTTEXT_H

#include "oci/json.h"

/*
 * Appends "12:00:00.123456 crash version=new signal=SIGSEGV" and a line feed; lists are put on
 * lines of their own below it, long objects are cut. Control characters come out escaped.
 */
void eventtext_put(const struct json *event, struct str *out);

#endif
