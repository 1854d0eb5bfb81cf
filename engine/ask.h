/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a running engine and its answer; and what verbs make of failures. */
#ifndef MX_ASK_H
#define MX_ASK_H

#include "ctl/client.h"
#include "oci/json.h"
#include "target.h"

/* Exit statuses of the verbs about a run. */
enum {
	ASK_HEALTHY = 0,
	ASK_ERROR = 1,
	ASK_UNHEALTHY = 3, /* diverged, degraded */
	ASK_TIMEOUT = 4,
	ASK_NOBODY = 5, /* no such container, no engine at that socket */
};

/*
 * Sends @request ({"mx":1,"do":...}) and gives the answer, an object whose "ok" is true. An answer
 * of "ok":false is -EREMOTEIO with the engine's own words in @err.
 */
MUST_CHECK int ask(const struct target *target, int timeout_ms, const char *request,
	struct json **ret_answer, struct err *err);

/* The same on a connection that stays open, for more lines to come. */
MUST_CHECK int ask_on(struct ctl_client *client, int timeout_ms, const char *request,
	struct json **ret_answer, struct err *err);

/* The exit status for a failure -errno. */
int ask_exit_status(int rc);

/*
 * The options that these verbs share: --control, --timeout, --mx-conf, --log. For the switch behind
 * getopt_long(3), with the values below as `val`. -EINVAL: a bad value; -ENOENT: none of these.
 */
enum { ASK_OPT_CONTROL = 1000, ASK_OPT_TIMEOUT, ASK_OPT_MX_CONF, ASK_OPT_LOG };
#define ASK_CONTROL_OPTION                                                                         \
	{                                                                                          \
		"control", 1, NULL, ASK_OPT_CONTROL                                                \
	}
#define ASK_TIMEOUT_OPTION                                                                         \
	{                                                                                          \
		"timeout", 1, NULL, ASK_OPT_TIMEOUT                                                \
	}
#define ASK_MX_CONF_OPTION                                                                         \
	{                                                                                          \
		"mx-conf", 1, NULL, ASK_OPT_MX_CONF                                                \
	}
#define ASK_LOG_OPTION                                                                             \
	{                                                                                          \
		"log", 1, NULL, ASK_OPT_LOG                                                        \
	}
#define ASK_TIMEOUT_DEFAULT 10000
MUST_CHECK int ask_option(struct target_options *o, int opt, const char *arg);

#endif
