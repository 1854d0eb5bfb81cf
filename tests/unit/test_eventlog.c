/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "ctl/eventlog.h"
#include "tap.h"

static const char *dir;
static char path[300];

static void report_crash(struct eventlog *log)
{
	struct event_out ev;

	eventlog_begin(log, &ev, "crash");
	event_version(&ev, "new", 12, 345);
	event_str(&ev, "signal", "SIGSEGV");
	event_hex(&ev, "address", 0x10);
	event_str(&ev, "nothing", NULL);
	event_printf(&ev, "call", "write(%d, \"a b\\n\", 4)", 3);
	event_bool(&ev, "leader", true);
	event_object_begin(&ev, "registers");
	event_hex(&ev, "rip", 0x401000);
	event_object_end(&ev);
	event_list_begin(&ev, "backtrace");
	event_list_add(&ev, "main+0x12");
	event_list_add(&ev, "evil\n\x1b[2J");
	event_list_end(&ev);
	event_end(&ev);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void test_order(void)
{
	int told = 0;
	cleanup_str struct str text = STR_INIT;
	struct event_out slow, slower, quick;
	struct eventlog *log;
	struct err err;

	unlink(path);
	ok(eventlog_open(path, false, &log, &err) == 0, "open");
	eventlog_begin(log, &slow, "slow");
	event_precede(&slow);
	eventlog_begin(log, &slower, "slower");
	event_precede(&slower);
	eventlog_begin(log, &quick, "quick");
	event_end(&quick);
	eventlog_when_out(log, count, &told);
	event_str(&slow, "signal", "SIGSEGV");
	event_end(&slow);
	ok(told == 0, "nor is it said that it were");
	ok(io_read_file(path, 1 << 20, &text, &err) == 0 && !strstr(str_text(&text), "quick"),
		"what is ended while another one is awaited is not written");
	event_cancel(&slower);
	ok(told == 1, "it is said when it is");
	eventlog_when_out(log, count, &told);
	ok(told == 2, "and at once where nothing is awaited");
	str_reset(&text);
	ok(io_read_file(path, 1 << 20, &text, &err) == 0 && strstr(text.data, "quick") &&
			strstr(text.data, "\"slow\",\"signal\"") < strstr(text.data, "quick"),
		"it comes after those that began before");
	ok(!strstr(text.data, "slower"), "one that was given up is not waited for");
	eventlog_begin(log, &slow, "last");
	event_precede(&slow);
	eventlog_begin(log, &quick, "waiting");
	event_end(&quick);
	event_end(&slow);
	str_reset(&text);
	ok(io_read_file(path, 1 << 20, &text, &err) == 0 &&
			strstr(text.data, "last") < strstr(text.data, "waiting"),
		"and again");
	eventlog_close(log);
}

static void test_fields(void)
{
	cleanup_str struct str text = STR_INIT;
	struct eventlog *log;
	struct err err;
	char *after;

	ok(eventlog_open(path, false, &log, &err) == 0, "open");
	report_crash(log);
	ok(io_read_file(path, 1 << 20, &text, &err) == 0, "one event written");
	ok(strncmp(text.data, "{\"time\":\"20", 11) == 0, "the time comes first");
	ok(strlen(text.data) > 38 && memcmp(text.data + 35, "Z\",", 3) == 0,
		"microseconds, UTC: %.38s", text.data);
	after = strstr(text.data, "\"event\"");
	is_str(after ? after : "",
		"\"event\":\"crash\",\"version\":\"new\",\"pid\":12,\"seq\":345,"
		"\"signal\":\"SIGSEGV\",\"address\":\"0x10\",\"call\":\"write(3, \\\"a b\\\\n\\\", "
		"4)\","
		"\"leader\":true,\"registers\":{\"rip\":\"0x401000\"},"
		"\"backtrace\":[\"main+0x12\",\"evil\\n\\u001b[2J\"]}\n",
		"the fields");
	eventlog_close(log);
}

static void test_readable(void)
{
	cleanup_str struct str text = STR_INIT;
	char other[300];
	struct eventlog *log;
	struct err err;
	int saved, fd;

	snprintf(other, sizeof(other), "%s/stderr", dir);
	fd = open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	saved = dup(2);
	dup2(fd, 2);
	ok(eventlog_open(NULL, true, &log, &err) == 0, "a log without a file");
	report_crash(log);
	dup2(saved, 2);
	close(saved);
	close(fd);
	ok(io_read_file(other, 1 << 20, &text, &err) == 0, "stderr was written");
	is_str(text.data,
		"mx: crash new pid=12 seq=345 signal=SIGSEGV address=0x10 "
		"call=\"write(3, \\\"a b\\\\n\\\", 4)\" leader=yes registers.rip=0x401000\n"
		"mx:   backtrace:\n"
		"mx:     main+0x12\n"
		"mx:     evil\\x0a\\x1b[2J\n",
		"the readable form");
	unlink(other);
	eventlog_close(log);
}

static void test_nobody_listens(void)
{
	struct event_out ev;

	eventlog_begin(NULL, &ev, "start");
	event_int(&ev, "n", 1);
	event_list_begin(&ev, "l");
	event_list_add(&ev, "x");
	event_list_end(&ev);
	event_end(&ev);
	ok(ev.json.data == NULL, "an event without a log costs nothing");
}

#define THREADS 4
#define EVENTS	500

static void *many(void *arg)
{
	for (int i = 0; i < EVENTS; i++) {
		struct event_out ev;

		eventlog_begin(arg, &ev, "tick");
		event_int(&ev, "i", i);
		event_printf(&ev, "padding", "%0*d", i, 0);
		event_end(&ev);
	}
	return NULL;
}

static void test_threads(void)
{
	char cmd[600];
	pthread_t thread[THREADS];
	struct eventlog *log;
	struct err err;

	unlink(path);
	ok(eventlog_open(path, false, &log, &err) == 0, "open again");
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, many, log);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	is_int(eventlog_lost(log), 0, "nothing lost");
	eventlog_close(log);
	snprintf(cmd, sizeof(cmd),
		"python3 -c 'import json,sys; n=[json.loads(l)[\"event\"] for l in "
		"open(sys.argv[1])]; "
		"sys.exit(n != [\"tick\"] * %d)' %s",
		THREADS * EVENTS, path);
	is_int(system(cmd), 0, "each line of four threads is one event");
}

static void test_failures(void)
{
	struct eventlog *log = (void *)1;
	struct err err = { 0 };
	char missing[300];
	int saved, null;

	snprintf(missing, sizeof(missing), "%s/no/such/folder", dir);
	ok(eventlog_open(missing, false, &log, &err) == -ENOENT, "a folder that does not exist");
	ok(log == (void *)1 && strstr(err.text, missing), "untouched result, path named");
	ok(eventlog_open("/dev/full", false, &log, &err) == 0, "open /dev/full");
	saved = dup(2);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null, 2);
	report_crash(log);
	report_crash(log);
	dup2(saved, 2);
	close(saved);
	close(null);
	is_int(eventlog_lost(log), 2, "a full disk is counted and survived");
	eventlog_close(log);
}

int main(void)
{
	dir = tap_folder();
	snprintf(path, sizeof(path), "%s/log", dir);
	test_fields();
	test_order();
	test_readable();
	test_nobody_listens();
	test_threads();
	test_failures();
	unlink(path);
	rmdir(dir);
	return tap_done();
}
