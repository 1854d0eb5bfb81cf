/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/eventlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/xalloc.h"

struct eventlog {
	int fd; /* -1: no file */
	bool verbose;
	char *path;
	atomic_bool complained;
	atomic_uint_fast64_t lost;
	void (*listen)(void *arg, const char *line, size_t len);
	void *listen_arg;
	pthread_mutex_t lock;
	unsigned awaited;  /* events that others are to come after */
	struct list queue; /* of struct waiting: those others, oldest first */
};

struct waiting {
	struct list link;
	struct event_out ev;
	void (*fn)(void *arg); /* in an event's place, or NULL */
	void *arg;
};

int eventlog_open(const char *path, bool verbose, struct eventlog **ret_log, struct err *err)
{
	cleanup_close int fd = -1;
	struct eventlog *log;

	if (path) {
		/* O_NONBLOCK: a pipe that nobody reads must not hold up the programs. */
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			0644);
		if (fd < 0)
			return err_errno(err, errno, "event log %s", path);
	}
	log = xzalloc(sizeof(*log));
	log->verbose = verbose;
	log->path = path ? xstrdup(path) : NULL;
	log->fd = take_fd(&fd);
	pthread_mutex_init(&log->lock, NULL);
	list_init(&log->queue);
	*ret_log = log;
	return 0;
}

void eventlog_listen(
	struct eventlog *log, void (*fn)(void *arg, const char *line, size_t len), void *arg)
{
	log->listen = fn;
	log->listen_arg = arg;
}

static void put_out_waiting(struct eventlog *log);

void eventlog_close(struct eventlog *log)
{
	if (!log)
		return;
	put_out_waiting(log);
	if (log->fd >= 0)
		close(log->fd);
	free(log->path);
	free(log);
}

uint64_t eventlog_lost(const struct eventlog *log)
{
	return log ? atomic_load(&log->lost) : 0;
}

static void put_time(struct jsonw *w)
{
	cleanup_str struct str stamp = STR_INIT;
	struct timespec now;

	clock_read(CLOCK_REALTIME, &now);
	str_put_utc(&stamp, now.tv_sec);
	str_printf(&stamp, ".%06ldZ", now.tv_nsec / 1000);
	jsonw_kv_str(w, "time", str_text(&stamp));
}

void eventlog_begin(struct eventlog *log, struct event_out *ev, const char *name)
{
	*ev = (struct event_out){ .log = log, .json = STR_INIT, .line = STR_INIT };
	if (!log)
		return;
	jsonw_init(&ev->w, &ev->json, false);
	jsonw_object_begin(&ev->w);
	put_time(&ev->w);
	jsonw_kv_str(&ev->w, "event", name);
	str_printf(&ev->line, "mx: %s", name);
}

/* Text of its own line: spaces and quotes are fine, control characters are not. */
static void put_printable(struct str *line, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p >= ' ' && *p < 0x7f)
			str_putc(line, *p);
		else
			str_printf(line, "\\x%02x", (uint8_t)*p);
	}
}

/* A field's value: it cannot garble a terminal or forge a field, quoted where it is not plain. */
static void put_plain(struct str *line, const char *data, size_t len)
{
	struct jsonw w;
	bool plain = len > 0;

	for (size_t i = 0; i < len && plain; i++)
		plain = data[i] > ' ' && data[i] < 0x7f && data[i] != '"' && data[i] != '\\';
	if (plain) {
		str_append(line, data, len);
		return;
	}
	jsonw_init(&w, line, false);
	jsonw_bytes(&w, data, len);
}

static void put_key(struct event_out *ev, const char *key)
{
	jsonw_key(&ev->w, key);
	str_printf(&ev->line, " %s%s%s=", ev->prefix ? ev->prefix : "", ev->prefix ? "." : "", key);
}

void event_version(struct event_out *ev, const char *version, int pid, int64_t seq)
{
	if (!ev->log)
		return;
	if (version) {
		jsonw_kv_str(&ev->w, "version", version);
		str_printf(&ev->line, " %s", version);
	}
	if (pid)
		event_int(ev, "pid", pid);
	if (seq >= 0)
		event_int(ev, "seq", seq);
}

void event_bytes(struct event_out *ev, const char *key, const void *data, size_t len)
{
	if (!ev->log)
		return;
	put_key(ev, key);
	jsonw_bytes(&ev->w, data, len);
	put_plain(&ev->line, data, len);
}

void event_str(struct event_out *ev, const char *key, const char *text)
{
	if (text)
		event_bytes(ev, key, text, strlen(text));
}

void event_printf(struct event_out *ev, const char *key, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	if (!ev->log)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	event_str(ev, key, text);
}

void event_int(struct event_out *ev, const char *key, int64_t n)
{
	if (!ev->log)
		return;
	put_key(ev, key);
	jsonw_int(&ev->w, n);
	str_printf(&ev->line, "%" PRId64, n);
}

void event_hex(struct event_out *ev, const char *key, uint64_t n)
{
	if (!ev->log)
		return;
	put_key(ev, key);
	jsonw_hex(&ev->w, n);
	str_printf(&ev->line, "0x%" PRIx64, n);
}

void event_bool(struct event_out *ev, const char *key, bool b)
{
	if (!ev->log)
		return;
	put_key(ev, key);
	jsonw_bool(&ev->w, b);
	str_puts(&ev->line, b ? "yes" : "no");
}

void event_list_begin(struct event_out *ev, const char *key)
{
	if (!ev->log)
		return;
	jsonw_key(&ev->w, key);
	jsonw_array_begin(&ev->w);
	str_printf(&ev->below, "mx:   %s:\n", key);
}

void event_list_add(struct event_out *ev, const char *text)
{
	if (!ev->log)
		return;
	jsonw_str(&ev->w, text);
	str_puts(&ev->below, "mx:     ");
	put_printable(&ev->below, text);
	str_putc(&ev->below, '\n');
}

void event_list_end(struct event_out *ev)
{
	if (ev->log)
		jsonw_array_end(&ev->w);
}

void event_object_begin(struct event_out *ev, const char *key)
{
	if (!ev->log)
		return;
	jsonw_key(&ev->w, key);
	jsonw_object_begin(&ev->w);
	ev->prefix = key;
}

void event_object_end(struct event_out *ev)
{
	if (!ev->log)
		return;
	jsonw_object_end(&ev->w);
	ev->prefix = NULL;
}

/* One write: O_APPEND then keeps the lines of several threads and engines whole. */
static int write_line(int fd, const struct str *s)
{
	ssize_t n;

	do
		n = write(fd, s->data, s->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < s->len)
		return -ENOSPC;
	return 0;
}

static void note_loss(struct eventlog *log, int code)
{
	atomic_fetch_add(&log->lost, 1);
	if (atomic_exchange(&log->complained, true))
		return;
	fprintf(stderr, "mx: event log %s: %s; events are being lost\n", log->path, strerror(code));
}

void event_quiet(struct event_out *ev)
{
	ev->quiet = true;
}

void event_precede(struct event_out *ev)
{
	if (!ev->log)
		return;
	ev->precedes = true;
	pthread_mutex_lock(&ev->log->lock);
	ev->log->awaited++;
	pthread_mutex_unlock(&ev->log->lock);
}

static void discard(struct event_out *ev)
{
	str_free(&ev->json);
	str_free(&ev->line);
	str_free(&ev->below);
	ev->log = NULL;
}

/* Frees what it holds. */
static void put_out(struct event_out *ev)
{
	int rc;

	if (ev->log->listen)
		ev->log->listen(ev->log->listen_arg, ev->json.data, ev->json.len);
	str_putc(&ev->json, '\n');
	str_putc(&ev->line, '\n');
	str_append(&ev->line, ev->below.data, ev->below.len);
	if (ev->log->fd >= 0) {
		rc = write_line(ev->log->fd, &ev->json);
		if (rc < 0)
			note_loss(ev->log, -rc);
	}
	/* Where stderr is gone there is nobody to tell. */
	if (ev->log->verbose && !ev->quiet)
		(void)!write_line(STDERR_FILENO, &ev->line);
	discard(ev);
}

static void put_out_waiting(struct eventlog *log)
{
	list_for_each_safe (at, &log->queue) {
		struct waiting *w = container_of(at, struct waiting, link);

		list_remove(at);
		if (w->fn)
			w->fn(w->arg);
		else
			put_out(&w->ev);
		free(w);
	}
}

/* One less that others wait for. */
static void is_out_locked(struct eventlog *log)
{
	if (--log->awaited == 0)
		put_out_waiting(log);
}

void event_end(struct event_out *ev)
{
	struct eventlog *log = ev->log;
	const bool precedes = ev->precedes;

	if (!log)
		return;
	jsonw_object_end(&ev->w);
	pthread_mutex_lock(&log->lock);
	if (log->awaited && !precedes) {
		struct waiting *w = xzalloc(sizeof(*w));

		w->ev = *ev;
		list_append(&log->queue, &w->link);
		ev->log = NULL;
	} else {
		put_out(ev);
		if (precedes)
			is_out_locked(log);
	}
	pthread_mutex_unlock(&log->lock);
}

void event_cancel(struct event_out *ev)
{
	struct eventlog *log = ev->log;

	if (log && ev->precedes) {
		pthread_mutex_lock(&log->lock);
		is_out_locked(log);
		pthread_mutex_unlock(&log->lock);
	}
	discard(ev);
}

void eventlog_when_out(struct eventlog *log, void (*fn)(void *arg), void *arg)
{
	struct waiting *w;

	if (!log) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&log->lock);
	if (log->awaited) {
		w = xzalloc(sizeof(*w));
		w->fn = fn;
		w->arg = arg;
		list_append(&log->queue, &w->link);
	} else {
		fn(arg);
	}
	pthread_mutex_unlock(&log->lock);
}
