/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"

int ask_on(struct ctl_client *client, int timeout_ms, const char *request, struct json **ret_answer,
	struct err *err)
{
	cleanup_json struct json *answer = NULL;
	const char *line, *text;
	int rc = ctl_client_send(client, request, err);

	if (rc == 0)
		rc = ctl_client_line(client, timeout_ms, &line, err);
	if (rc < 0)
		return rc;
	if (!line)
		return err_set(err, ECONNRESET, "the engine has hung up");
	rc = json_parse(line, strlen(line), &answer, err);
	if (rc < 0)
		return err_context(err, "the engine's answer");
	if (json_is_true(json_get(answer, "ok"))) {
		*ret_answer = take_ptr(answer);
		return 0;
	}
	text = json_string(json_get(answer, "error"));
	return err_set(err, EREMOTEIO, "%s", text ? text : "the engine's answer makes no sense");
}

int ask(const struct target *target, int timeout_ms, const char *request, struct json **ret_answer,
	struct err *err)
{
	cleanup_ctl_client struct ctl_client *client = NULL;
	int rc;

	if (!target->socket)
		return err_set(err, ENOENT, "%s does not run any more", target->id);
	rc = ctl_client_open(target->socket, timeout_ms, &client, err);
	return rc < 0 ? rc : ask_on(client, timeout_ms, request, ret_answer, err);
}

int ask_exit_status(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
		return ASK_TIMEOUT;
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET:
		return ASK_NOBODY;
	}
	return ASK_ERROR;
}

int ask_option(struct target_options *o, int opt, const char *arg)
{
	long seconds;

	switch (opt) {
	case ASK_OPT_CONTROL:
		o->control = arg;
		return 0;
	case ASK_OPT_MX_CONF:
		o->mx_conf = arg;
		return 0;
	case ASK_OPT_LOG:
		o->log = arg;
		return 0;
	case ASK_OPT_TIMEOUT:
		if (str_to_long(arg, 1, 86400, &seconds) < 0)
			return -EINVAL;
		o->timeout_ms = (int)seconds * 1000;
		return 0;
	}
	return -ENOENT;
}
