/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded by dlopen(3). */
#include <stdio.h>
#include <string.h>

#ifndef V
#define V 0
#endif

int plugin_run(int x);
int plugin_log(const char *text);

static char last[32];

int plugin_log(const char *text)
{
	snprintf(last, sizeof(last), "%s", text);
	return (int)strlen(last);
}

int plugin_run(int x)
{
#if V
	return plugin_log(x & 1 ? "odd, said anew" : "even, said anew") + x;
#else
	return plugin_log(x & 1 ? "odd" : "even") + x * 2;
#endif
}
