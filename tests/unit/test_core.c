/* SPDX-License-Identifier: Apache-2.0 */
/* A core file that we write is one that gdb understands. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "rem/core.h"
#include "rem/maps.h"
#include "tap.h"
#include "traced.h"

/* What gdb is asked for. */
int core_answer = 42;
char *core_heap;
void core_inner(int how), core_outer(int how);
static const char *folder;

__attribute__((noinline)) void core_inner(int how)
{
	core_answer = 4711 + how;
	__asm__ volatile("movl $1, 0x10" ::: "memory");
	core_answer++;
}

__attribute__((noinline)) void core_outer(int how)
{
	core_inner(how);
	core_answer++;
}

static void crash(void *arg)
{
	char *big = mmap(NULL, 1ul << 30, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	signal(SIGSEGV, SIG_DFL);
	core_heap = strdup("a string on the heap");
	big[1 << 29] = 1;
	core_outer(1);
}

/* Runs gdb's @commands on the core file, returns what it said. */
static char *gdb(const char *core, const char *commands)
{
	cleanup_free char *cmd = xasprintf(
		"gdb -nx -q -batch -iex 'set auto-load no' %s /proc/%d/exe %s 2>&1 </dev/null",
		commands, getpid(), core);
	FILE *out = popen(cmd, "re");
	struct str text = STR_INIT;
	char line[512];

	while (out && fgets(line, sizeof(line), out))
		str_puts(&text, line);
	if (out)
		pclose(out);
	return text.data ? text.data : xstrdup("");
}

static void has(const char *text, const char *want, const char *what)
{
	if (!ok(strstr(text, want) != NULL, "%s", what))
		printf("# wanted: %s\n# in:\n%s\n", want, text);
}

static int write_core(const char *path, uint64_t max, uint64_t *ret_bytes, struct err *err)
{
	struct tracee t = traced_start(crash, NULL);
	struct core_thread threads[2] = { { .tid = t.tid }, { .tid = t.tid + 1 } };
	struct core_request req = {
		.tracee = &t, .threads = threads, .nthreads = 2, .sig = SIGSEGV, .max_bytes = max
	};
	siginfo_t info;
	int rc;

	threads[0].regs = *tracee_regs(&t);
	threads[1].regs = threads[0].regs;
	if (tracee_get_siginfo(&t, &info) == 0)
		req.info = &info;
	rc = core_write(path, &req, ret_bytes, err);
	traced_end(&t);
	return rc;
}

static void test_gdb(void)
{
	cleanup_free char *path = xasprintf("%s/core", folder), *said = NULL;
	uint64_t bytes = 0;
	struct stat st = { 0 };
	struct err err = { 0 };

	if (!ok(write_core(path, 0, &bytes, &err) == 0, "written"))
		printf("# %s\n", err.text);
	stat(path, &st);
	is_int(st.st_mode & 07777, 0600, "for nobody else to read");
	ok(bytes > 8192 && bytes < 64 << 20, "%lu bytes of memory", (unsigned long)bytes);
	ok(st.st_blocks * 512ul < 128ul << 20, "a reservation of 1 GiB takes %lu KiB of disk",
		(unsigned long)st.st_blocks / 2);
	said = gdb(path, "-ex bt -ex 'p core_answer' -ex 'p core_heap' -ex 'p $_siginfo.si_signo' "
			 "-ex 'p $_siginfo._sifields._sigfault.si_addr' -ex 'info sharedlibrary' "
			 "-ex 'info threads' -ex 'info proc mappings' -ex 'info auxv'");
	has(said, "signal SIGSEGV", "gdb: the signal");
	has(said, "#0  core_inner (how=", "gdb: the innermost frame");
	has(said, "#1  ", "gdb: a second one");
	has(said, "in core_outer (how=", "gdb: is its caller");
	has(said, " main (", "gdb: down to main");
	has(said, "= 4712", "gdb: a variable's value");
	has(said, "\"a string on the heap\"", "gdb: the heap");
	has(said, "= 11", "gdb: siginfo");
	has(said, "(void *) 0x10", "gdb: the address");
	has(said, "libc.so.6", "gdb: the shared libraries");
	has(said, "LWP", "gdb: the threads");
	has(said, "AT_ENTRY", "gdb: the auxiliary vector");
	ok(!strstr(said, "Failed to read") && !strstr(said, "warning"), "gdb: no complaint");
	unlink(path);
}

static void test_limit(void)
{
	cleanup_free char *path = xasprintf("%s/small", folder), *said = NULL;
	uint64_t bytes = 0;
	struct err err = { 0 };

	ok(write_core(path, 100000, &bytes, &err) == 0, "written with a limit");
	ok(bytes > 90000 && bytes <= 100000, "which is kept: %lu", (unsigned long)bytes);
	said = gdb(path, "-ex bt");
	has(said, "core_inner (how=", "gdb: the backtrace is there");
	unlink(path);
}

static void test_failures(void)
{
	cleanup_free char *path = xasprintf("%s/no/such/folder", folder), *cmd = NULL;
	uint64_t bytes = 99;
	struct err err = { 0 };

	is_int(write_core(path, 0, &bytes, &err), -ENOENT, "no folder");
	ok(strstr(err.text, path) && bytes == 99, "the path is named, the result untouched");
	free(path);
	/* A folder at the name that it is to get. */
	path = xasprintf("%s/taken", folder);
	mkdir(path, 0700);
	ok(write_core(path, 0, &bytes, &err) < 0, "a name that is taken by a folder");
	rmdir(path);
	cmd = xasprintf("ls -A %s | grep -q .", folder);
	ok(system(cmd) != 0, "nothing is left behind");
}

static void test_maps(void)
{
	struct maps maps = { 0 };
	struct err err = { 0 };
	const struct map *m;

	is_int(maps_parse("00400000-00401000 r-xp 00001000 fe:01 77   /a b (deleted)\n"
			  "7ffc0000-7ffd0000 rw-p 00000000 00:00 0 \n",
		       &maps, &err),
		0, "two maps");
	is_int(maps.count, 2, "are counted");
	m = maps_find(&maps, 0x400fff);
	ok(m && m->exec && !m->write && m->offset == 0x1000 && m->ino == 77, "the first");
	is_str(m ? m->path : "", "/a b (deleted)", "a path with a space");
	m = maps_find(&maps, 0x7ffc0000);
	ok(m && m->write && m->path[0] == '\0', "one without a path");
	ok(!maps_find(&maps, 0x401000) && !maps_find(&maps, 0) && !maps_find(&maps, -1ull),
		"addresses that are not mapped");
	maps_free(&maps);
	is_int(maps_parse("", &maps, &err), 0, "no map at all");
	maps_free(&maps);
	is_int(maps_parse("garbage\n", &maps, &err), -EINVAL, "no map");
	is_int(maps_parse("5000-4000 rw-p 00000000 00:00 0\n", &maps, &err), -EINVAL, "backwards");
	is_int(maps_parse("4000-5000 rw-p 00000000 00:00\n", &maps, &err), -EINVAL, "cut");
	is_int(maps_parse("4000-5000 rw-p\n00000000 00:00 0\n", &maps, &err), -EINVAL, "in two");
	is_int(maps_parse("4000-5000 rw-px 00000000 00:00 0\n", &maps, &err), -EINVAL,
		"too many letters");
	is_int(maps_parse("4000-10000000000005000 rw-p 00000000 00:00 0\n", &maps, &err), -EINVAL,
		"past the last address");
	is_int(maps_parse("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]",
		       &maps, &err),
		0, "without the line's end");
	is_str(maps.count == 1 ? maps.map[0].path : "", "[vsyscall]", "a path at the text's end");
	maps_free(&maps);
	is_int(maps_read(getpid(), &maps, &err), 0, "our own");
	m = maps_find(&maps, (uintptr_t)&maps);
	is_str(m ? m->path : "", "[stack]", "our stack");
	maps_free(&maps);
}

int main(void)
{
	folder = tap_folder();
	test_maps();
	test_failures();
	if (system("command -v gdb >/dev/null") == 0) {
		test_gdb();
		test_limit();
	} else {
		tap_skip("no gdb");
	}
	rmdir(folder);
	return tap_done();
}
