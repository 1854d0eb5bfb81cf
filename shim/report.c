/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "oci/json.h"

off_t report_mark(const struct cmdline *line)
{
	struct stat st;

	if (!line->log)
		return -1;
	if (stat(line->log, &st) < 0)
		return 0;
	return S_ISREG(st.st_mode) ? st.st_size : -1;
}

static void put_time(char *text, size_t size)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* What a caller has put into an annotation cannot begin a line of its own, or garble a terminal. */
static void put_printable(struct str *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			str_printf(out, "\\x%02x", (unsigned char)*p);
		else
			str_putc(out, *p);
	}
}

static void put_line(const struct cmdline *line, const char *text, struct str *out)
{
	cleanup_json struct json *j = NULL;
	char stamp[32];

	put_time(stamp, sizeof(stamp));
	if (line->log_format && strcmp(line->log_format, "json") == 0) {
		j = json_new(JSON_OBJECT);
		json_set(j, "msg", json_new_string(text));
		json_set(j, "level", json_new_string("error"));
		json_set(j, "time", json_new_string(stamp));
		json_print(j, out);
		str_putc(out, '\n');
	} else {
		str_printf(out, "%s: %s\n", stamp, text);
	}
}

void report_error(const struct cmdline *line, off_t mark, const char *text)
{
	cleanup_str struct str out = STR_INIT, plain = STR_INIT;
	cleanup_close int fd = -1;

	put_printable(&plain, text);
	fprintf(stderr, "%s\n", str_text(&plain));
	if (!line->log)
		return;
	put_line(line, str_text(&plain), &out);
	fd = open(line->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0) {
		fprintf(stderr, "mx-shim: open %s: %m\n", line->log);
		return;
	}
	if ((mark >= 0 && ftruncate(fd, mark) < 0) || io_write_all(fd, out.data, out.len) < 0)
		fprintf(stderr, "mx-shim: write %s: %m\n", line->log);
}

void report_warning(const char *text)
{
	fprintf(stderr, "mx-shim: warning: %s\n", text);
}
