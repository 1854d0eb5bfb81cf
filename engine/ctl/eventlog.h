/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event log: what the engine did and why, for people and for programs.
 *
 * In a file it is JSON lines, one object an event:
 *	{"time":"2024-05-01T12:00:00.123456Z","event":"crash","version":"new","pid":12,"seq":345,...}
 * `time` (RFC 3339, UTC, microseconds) and `event` are always there and come first. Strings may
 * hold any bytes; base/jsonw.h says how they are written. On stderr the same event is one readable
 * line:
 *	mx: crash new pid=12 seq=345 signal=SIGSEGV
 *
 * Usable from several threads: the event under construction belongs to the thread that began it,
 * and each event is written with a single write(2), so lines never mix, not even those of two
 * engines that append to one file. A write that fails is reported once on stderr and counted; it
 * never stops the engine and never blocks later events.
 *
 *	struct event_out ev;
 *
 *	eventlog_begin(log, &ev, "crash");
 *	event_version(&ev, "new", pid, seq);
 *	event_str(&ev, "signal", "SIGSEGV");
 *	event_end(&ev);
 */
#ifndef MX_CTL_EVENTLOG_H
#define MX_CTL_EVENTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/jsonw.h"
#include "base/str.h"

struct eventlog;

/* An event under construction: on the stack of whoever reports it, from begin to end. */
struct event_out {
	struct eventlog *log; /* NULL: nobody listens, every call on it does nothing */
	struct str json;
	struct str line;  /* the readable form's first line */
	struct str below; /* and the lines below it */
	bool quiet;
	bool precedes;
	const char *prefix; /* key of the object that is open, or NULL */
	struct jsonw w;
};

/*
 * @path: file to append to, made with mode 0644 where it does not exist, or NULL for none; "-" is
 * no special name. @verbose: also write the readable form to stderr. The caller owns *@ret_log.
 */
MUST_CHECK int eventlog_open(
	const char *path, bool verbose, struct eventlog **ret_log, struct err *err);

/*
 * Every event, as the line of JSON that the file gets but without the line feed, is also given to
 * @fn, on the thread that made it; @fn must be short. Set before the first event.
 */
void eventlog_listen(
	struct eventlog *log, void (*fn)(void *arg, const char *line, size_t len), void *arg);

/* No thread may hold an event of it. @log may be NULL. */
void eventlog_close(struct eventlog *log);

/* How many events could not be written. */
uint64_t eventlog_lost(const struct eventlog *log);

/* Begins event @name. @log may be NULL. Each begin is followed by event_end() or event_cancel(). */
void eventlog_begin(struct eventlog *log, struct event_out *ev, const char *name);

/* Which version it happened in ("old", "new"; NULL: none), its process (0: none) and the stream's
 * sequence number (negative: none). */
void event_version(struct event_out *ev, const char *version, int pid, int64_t seq);

void event_str(
	struct event_out *ev, const char *key, const char *text); /* NULL: the field is left out */
void event_bytes(struct event_out *ev, const char *key, const void *data, size_t len);
void event_printf(struct event_out *ev, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void event_int(struct event_out *ev, const char *key, int64_t n);
void event_hex(struct event_out *ev, const char *key, uint64_t n);
void event_bool(struct event_out *ev, const char *key, bool b);

/* A list of strings. In the readable form each is a line of its own below the event. */
void event_list_begin(struct event_out *ev, const char *key);
void event_list_add(struct event_out *ev, const char *text);
void event_list_end(struct event_out *ev);

/* A nested object of the fields between; readable form: key.field=value. One level only. */
void event_object_begin(struct event_out *ev, const char *key);
void event_object_end(struct event_out *ev);

/* It is for programs: not shown on stderr. */
void event_quiet(struct event_out *ev);
/*
 * It takes a while until it is complete: what other threads end meanwhile is written after it, so
 * that the log has the order in which the events began.
 */
void event_precede(struct event_out *ev);
/* Writes the event and frees what it holds. */
void event_end(struct event_out *ev);
/*
 * Calls @fn when every event that was ended before is written: now, or on the thread that ends the
 * one that they are to come after, or in eventlog_close(). It is short, and leaves the log alone.
 */
void eventlog_when_out(struct eventlog *log, void (*fn)(void *arg), void *arg);
/* Frees it unwritten. */
void event_cancel(struct event_out *ev);

#endif
