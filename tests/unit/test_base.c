/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/io.h"
#include "base/list.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "tap.h"

static const char *folder;

static void test_err(void)
{
	char longer[ERR_TEXT_MAX * 2];
	struct err err = { 0 };

	is_int(err_set(&err, ENOENT, "no %s", "cat"), -ENOENT, "err_set returns the code");
	is_str(err.text, "no cat", "and sets the text");
	is_int(err_context(&err, "in the %s", "house"), -ENOENT, "context keeps the code");
	is_str(err.text, "in the house: no cat", "and comes first");
	is_int(err_errno(&err, EACCES, "open %s", "it"), -EACCES, "err_errno");
	is_str(err.text, "open it: Permission denied", "names the error");
	is_int(err_set(NULL, EIO, "x"), -EIO, "nobody who wants the text");
	is_int(err_errno(NULL, EIO, "x"), -EIO, "nor here");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, EIO, "%s", longer);
	is_int(strlen(err.text), ERR_TEXT_MAX - 1, "a text that is too long is cut");
	err_context(&err, "context");
	ok(strncmp(err.text, "context: xxx", 12) == 0 && strlen(err.text) == ERR_TEXT_MAX - 1,
		"context of a long text");
	err_context(&err, "%s", longer);
	ok(memchr(err.text, 0, ERR_TEXT_MAX) != NULL, "a long context is terminated");
}

static void test_str(void)
{
	cleanup_str struct str s = STR_INIT;
	char *expect = xmalloc(30001);

	is_str(str_text(&s), "", "nothing yet");
	str_puts(&s, "one");
	str_putc(&s, ',');
	str_printf(&s, "%d-%s", 2, "three");
	is_str(s.data, "one,2-three", "pieces");
	is_int(s.len, 11, "length");
	str_reset(&s);
	is_str(str_text(&s), "", "emptied");
	str_append(&s, "a\0b", 3);
	ok(s.len == 3 && memcmp(s.data, "a\0b", 4) == 0, "NULs are kept, one more follows");
	str_append(&s, NULL, 0);
	is_int(s.len, 3, "nothing appended");
	str_reset(&s);
	for (int i = 0; i < 10000; i++) {
		str_printf(&s, "%03d", i % 1000);
		snprintf(expect + 3 * i, 4, "%03d", i % 1000);
	}
	ok(s.len == 30000 && strcmp(s.data, expect) == 0, "it grows");
	free(expect);
	ok(str_starts("abc", "ab") && !str_starts("ab", "abc") && str_starts("", ""), "starts");
	ok(str_ends("abc", "bc") && !str_ends("bc", "abc") && str_ends("", ""), "ends");
}

static void test_numbers(void)
{
	static const char *const bad[] = { "", " 1", "+1", "1 ", "1x", "x", "0x10", "--1", "\t1",
		"99999999999999999999", "-99999999999999999999" };
	long n = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(str_to_long(bad[i], LONG_MIN, LONG_MAX, &n) == -EINVAL && n == 77,
			"'%s' is no number", bad[i]);
	ok(str_to_long("12", 1, 12, &n) == 0 && n == 12, "the largest allowed");
	ok(str_to_long("13", 1, 12, &n) == -EINVAL && n == 12, "too large");
	ok(str_to_long("-5", -5, 0, &n) == 0 && n == -5, "negative");
	ok(str_to_long("-6", -5, 0, &n) == -EINVAL, "too small");
}

struct item {
	int n;
	struct list link;
};

static void test_list(void)
{
	struct item item[4];
	struct list head;
	int sum = 0, last = -1;

	list_init(&head);
	ok(list_is_empty(&head), "empty");
	for (int i = 0; i < 4; i++) {
		item[i].n = i;
		list_append(&head, &item[i].link);
	}
	list_for_each (pos, &head) {
		struct item *it = container_of(pos, struct item, link);

		if (it->n != last + 1)
			sum = -1000;
		last = it->n;
		sum += it->n;
	}
	is_int(sum, 6, "in order");
	list_for_each_safe (pos, &head) {
		struct item *it = container_of(pos, struct item, link);

		if (it->n % 2)
			list_remove(pos);
	}
	sum = 0;
	list_for_each (pos, &head)
		sum += container_of(pos, struct item, link)->n;
	is_int(sum, 2, "odd ones removed during the walk");
	list_remove(&item[1].link);
	list_remove(&item[0].link);
	list_remove(&item[2].link);
	ok(list_is_empty(&head), "removing twice does no harm");
}

static void test_files(void)
{
	cleanup_free char *path = xasprintf("%s/file", folder);
	cleanup_free char *none = xasprintf("%s/none", folder);
	cleanup_free char *inside = xasprintf("%s/none/x", folder);
	cleanup_str struct str s = STR_INIT;
	struct stat st = { 0 };
	struct err err = { 0 };
	int p[2];

	is_int(io_replace_file(path, "first", 5, 0640, &err), 0, "new file");
	is_int(io_replace_file(path, "second\0!", 8, 0600, &err), 0, "replaced");
	is_int(io_read_file(path, 8, &s, &err), 0, "exactly as large as allowed");
	ok(s.len == 8 && memcmp(s.data, "second\0!", 9) == 0, "read back, NUL included");
	stat(path, &st);
	is_int(st.st_mode & 07777, 0600, "mode");
	is_int(io_read_file(path, 7, &s, &err), -EFBIG, "larger than allowed");
	ok(strstr(err.text, path) != NULL, "the path is named: %s", err.text);
	is_int(io_read_file(none, 10, &s, &err), -ENOENT, "no file");
	is_int(io_replace_file(inside, "x", 1, 0600, &err), -ENOENT, "no folder");
	is_int(io_read_file(folder, 10, &s, &err), -EISDIR, "a folder");
	unlink(path);
	ok(rmdir(folder) == 0, "nothing else was left behind");

	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	str_reset(&s);
	is_int(io_write_all(p[1], "abc", 3), 0, "write");
	close(p[1]);
	is_int(io_read_fd(p[0], 100, &s, &err), 0, "read to the end");
	is_str(s.data, "abc", "of a pipe");
	close(p[0]);
	is_int(io_write_all(-1, "x", 1), -EBADF, "no descriptor");
	is_int(io_write_all(-1, "x", 0), 0, "nothing to write");
}

static void test_alloc(void)
{
	char *s = xasprintf("%s-%d", "a", 1), *t = xstrndup("abcdef", 3), *u = xmemdup("x", 2);
	int status;
	pid_t pid;

	is_str(s, "a-1", "xasprintf");
	is_str(t, "abc", "xstrndup");
	is_str(u, "x", "xmemdup");
	free(s);
	free(t);
	free(u);
	pid = fork();
	if (pid == 0) {
		fclose(stderr);
		free(xreallocarray(NULL, SIZE_MAX / 4, 8));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status), "an array whose size overflows ends the program");
}

static void test_cleanup(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), taken;
	char *p = xstrdup("x"), *q;

	{
		cleanup_close UNUSED int owned = fd;
	}
	ok(fcntl(fd, F_GETFD) < 0 && errno == EBADF, "closed at the end of the scope");
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	taken = take_fd(&fd);
	ok(fd == -1 && fcntl(taken, F_GETFD) >= 0, "take_fd hands it on");
	close(taken);
	q = take_ptr(p);
	ok(p == NULL && *q == 'x', "take_ptr hands it on");
	free(q);
}

/* As the C library has it: each half day of 1970 to 2104, at a moving second. */
static void test_utc(void)
{
	int wrong = 0;

	for (int64_t t = 0; t < INT64_C(4260000000); t += 43199) {
		cleanup_str struct str s = STR_INIT;
		char text[32];
		time_t at = t;
		struct tm tm;

		str_put_utc(&s, t);
		gmtime_r(&at, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		wrong += strcmp(str_text(&s), text) != 0;
	}
	ok(wrong == 0, "times of day are written as gmtime_r(3) has them");
}

int main(void)
{
	folder = tap_folder();
	test_err();
	test_str();
	test_utc();
	test_numbers();
	test_list();
	test_files();
	test_alloc();
	test_cleanup();
	return tap_done();
}
