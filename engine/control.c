/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>

#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "base/xalloc.h"
#include "ctl/recent.h"
#include "ctl/server.h"
#include "ctl/wire.h"
#include "oci/json.h"

/* Of what somebody else has to say for the log. */
#define TEXT_MAX 1000

struct control {
	struct ctl_server *server;
	struct recent *recent;
	struct eventlog *log;
	struct director *director;
	char *app, *log_path;
	bool has_socket;
};

/* One kind of request. */
struct verb {
	const char *name;
	/* Appends fields to the answer; an error text becomes the answer instead. */
	int (*answer)(struct control *c, const struct json *request, struct ctl_conn *conn,
		struct jsonw *w, struct err *err);
};

static void on_event(void *arg, const char *line, size_t len)
{
	struct control *c = arg;

	recent_add(c->recent, line, len);
}

int control_open(const char *path, const char *app, const char *log_path, struct eventlog *log,
	struct control **ret_control, struct err *err)
{
	struct control *c = xzalloc(sizeof(*c));
	int rc;

	c->recent = recent_new();
	rc = ctl_server_open(path, c->recent, &c->server, err);
	if (rc < 0) {
		recent_free(c->recent);
		free(c);
		return rc;
	}
	c->has_socket = path != NULL;
	c->app = xstrdup(app);
	c->log_path = log_path ? xstrdup(log_path) : NULL;
	c->log = log;
	eventlog_listen(log, on_event, c);
	*ret_control = c;
	return 0;
}

static int answer_status(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	jsonw_key(w, "status");
	jsonw_object_begin(w);
	jsonw_kv_str(w, "app", c->app);
	jsonw_kv_int(w, "pid", getpid());
	jsonw_kv_str(w, "engine", MX_VERSION);
	jsonw_kv_str(w, "log", c->log_path);
	jsonw_kv_uint(w, "log_lost", eventlog_lost(c->log));
	director_put_status(c->director, w);
	jsonw_object_end(w);
	return 0;
}

static int answer_figures(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	jsonw_key(w, "figures");
	jsonw_object_begin(w);
	director_put_figures(c->director, w);
	jsonw_object_end(w);
	return 0;
}

/* The answer is followed by the events that are still in memory, or by all that come. */
static int answer_events(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	cleanup_str struct str lines = STR_INIT;
	uint64_t seq = 0, from = 0;

	if (json_is_true(json_get(request, "follow"))) {
		ctl_follow(conn, 0);
		return 0;
	}
	(void)recent_get(c->recent, &seq, CTL_ANSWER_MAX / 2, &lines);
	jsonw_key(w, "events");
	jsonw_array_begin(w);
	while (from < lines.len) {
		char *end = memchr(lines.data + from, '\n', lines.len - from);

		*end = '\0';
		jsonw_str(w, lines.data + from);
		from = end + 1 - lines.data;
	}
	jsonw_array_end(w);
	return 0;
}

static int answer_promote(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	return director_decide(c->director, DECIDE_PROMOTE, "operator", err);
}

static int answer_abort(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	return director_decide(c->director, DECIDE_ABORT, "operator", err);
}

static int answer_switch(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	return director_switch(c->director, "operator", err);
}

static int answer_restart(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	const char *version = json_string(json_get(request, "version"));

	if (!version || (strcmp(version, "old") != 0 && strcmp(version, "new") != 0))
		return err_set(err, EINVAL, "\"version\" must be \"old\" or \"new\"");
	return director_restart(c->director, version, "operator", err);
}

static int answer_pause(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	return director_pause(c->director, "operator", err);
}

static int answer_resume(struct control *c, const struct json *request, struct ctl_conn *conn,
	struct jsonw *w, struct err *err)
{
	return director_resume(c->director, "operator", err);
}

/* The operator's program, or webhook, was not told of an event: mx events. */
static int answer_notify_failed(struct control *c, const struct json *request,
	struct ctl_conn *conn, struct jsonw *w, struct err *err)
{
	const char *text = json_string(json_get(request, "text"));
	struct event_out ev;

	if (!text || strlen(text) > TEXT_MAX)
		return err_set(err, EINVAL, "\"text\" is no text of at most %d bytes", TEXT_MAX);
	eventlog_begin(c->log, &ev, "notify-failed");
	event_str(&ev, "text", text);
	event_end(&ev);
	return 0;
}

static const struct verb verbs[] = {
	{ "status", answer_status },
	{ "figures", answer_figures },
	{ "events", answer_events },
	{ "promote", answer_promote },
	{ "abort", answer_abort },
	{ "pause", answer_pause },
	{ "resume", answer_resume },
	{ "switch", answer_switch },
	{ "restart", answer_restart },
	{ "notify-failed", answer_notify_failed },
};

static void put_error(struct str *out, const char *text, const char *code)
{
	struct jsonw w;

	str_reset(out);
	jsonw_init(&w, out, false);
	jsonw_object_begin(&w);
	jsonw_kv_int(&w, "mx", CTL_PROTOCOL);
	jsonw_kv_bool(&w, "ok", false);
	jsonw_kv_str(&w, "error", text);
	jsonw_kv_str(&w, "code", code);
	jsonw_object_end(&w);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* Only what this protocol knows may be in a request: a misspelt word must not pass for done. */
static int check_request(const struct json *request, const char **ret_code, struct err *err)
{
	long long protocol;

	*ret_code = CTL_CODE_BAD;
	if (json_type(request) != JSON_OBJECT)
		return err_set(err, EINVAL, "a request is a JSON object");
	if (json_integer(json_get(request, "mx"), 0, 1000000, &protocol) < 0)
		return err_set(err, EINVAL, "\"mx\", the protocol's version, is missing");
	if (protocol != CTL_PROTOCOL) {
		*ret_code = CTL_CODE_VERSION;
		return err_set(
			err, EPROTO, "this engine speaks version %d of the protocol", CTL_PROTOCOL);
	}
	for (size_t i = 0; i < json_count(request); i++) {
		const char *key = json_key_at(request, i);

		if (strcmp(key, "mx") != 0 && strcmp(key, "do") != 0 &&
			strcmp(key, "follow") != 0 && strcmp(key, "version") != 0 &&
			strcmp(key, "text") != 0)
			return err_set(err, EINVAL, "a request has no \"%.100s\"", key);
	}
	if (json_get(request, "follow") && json_type(json_get(request, "follow")) != JSON_BOOL)
		return err_set(err, EINVAL, "\"follow\" is true or false");
	return 0;
}

static void on_request(void *arg, struct ctl_conn *conn, const char *line, size_t len)
{
	struct control *c = arg;
	cleanup_json struct json *request = NULL;
	cleanup_str struct str out = STR_INIT;
	const char *code = CTL_CODE_BAD, *name;
	const struct verb *verb;
	struct jsonw w;
	struct err err;
	int rc = json_parse(line, len, &request, &err);

	if (rc == 0)
		rc = check_request(request, &code, &err);
	name = json_string(json_get(request, "do"));
	verb = find_verb(name);
	if (rc == 0 && !verb)
		rc = err_set(&err, EINVAL,
			name ? "there is no request \"%.100s\"" : "\"do\" is missing", name);
	if (rc == 0) {
		jsonw_init(&w, &out, false);
		jsonw_object_begin(&w);
		jsonw_kv_int(&w, "mx", CTL_PROTOCOL);
		jsonw_kv_bool(&w, "ok", true);
		code = CTL_CODE_REFUSED;
		rc = verb->answer(c, request, conn, &w, &err);
		jsonw_object_end(&w);
	}
	if (rc < 0)
		put_error(&out, err.text, code);
	ctl_answer(conn, &out);
}

static void on_tick(void *arg)
{
	struct control *c = arg;

	director_tick(c->director);
}

static const struct ctl_ops ops = { .request = on_request, .tick = on_tick };

int control_start(struct control *c, struct director *d, struct err *err)
{
	c->director = d;
	return ctl_server_start(c->server, &ops, c, err);
}

static void log_figures(struct control *c)
{
	cleanup_str struct str text = STR_INIT;
	struct event_out ev;
	struct jsonw w;

	jsonw_init(&w, &text, false);
	jsonw_object_begin(&w);
	director_put_status(c->director, &w);
	director_put_figures(c->director, &w);
	jsonw_object_end(&w);
	eventlog_begin(c->log, &ev, "figures");
	event_quiet(&ev);
	event_str(&ev, "json", str_text(&text));
	event_end(&ev);
}

void control_close(struct control *c)
{
	if (!c)
		return;
	if (c->director && c->has_socket)
		log_figures(c);
	ctl_server_close(c->server);
	eventlog_listen(c->log, NULL, NULL);
	recent_free(c->recent);
	free(c->app);
	free(c->log_path);
	free(c);
}
