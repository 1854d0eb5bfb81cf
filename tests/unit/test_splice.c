/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The splice on a real program with a library and a plug-in of its own (tests/unit/splice), built
 * here in several ways: a run whose functions are exchanged between rounds must print, round by
 * round, what the version prints whose functions ran.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "rem/safe.h"
#include "rem/splice.h"
#include "rem/unwind.h"
#include "tap.h"

#define ROUNDS	  10
#define SECONDS	  60
#define FLAGS_MAX 256

static const char *folder;

/* Rounds after which the functions are exchanged. */
static bool is_exchange(int round)
{
	return round == 1 || round == 3 || round == 6;
}

struct run {
	struct tracee t;
	const char *name;
	int side;
	struct sea_map *map;
	struct objects_cache *files;
	struct unwinder *unwinder;
	struct grafts *grafts;
	struct splice *splice;
	bool in;
	int round, unsafe, unwound;
	bool other[ROUNDS]; /* the round ran on the other version's functions */
	int rc;		    /* of the first call that failed */
	struct err err;
	char inside[2][128]; /* why it was not safe inside: own functions, those put in */
	long safe_ns;	     /* the quickest look */
	int status;
};

__attribute__((format(printf, 1, 2))) static bool shell(const char *fmt, ...)
{
	cleanup_free char *cmd = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&cmd, fmt, ap) < 0)
		exit(1);
	va_end(ap);
	return system(cmd) == 0;
}

static void read_text(const char *name, const char *file, struct str *out)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", folder, name, file);
	struct err err;

	if (io_read_file(path, 1 << 20, out, &err) < 0)
		str_printf(out, "(%s)", err.text);
}

/* Both versions, in old/ and new/, and their map. */
static bool build(const char *name, const char *flags, bool stripped)
{
	cleanup_free char *here = xstrdup(__FILE__);
	const char *src = dirname(here), *build_dir = getenv("BUILD");

	for (int v = 0; v < 2; v++) {
		cleanup_free char *dir = xasprintf("%s/%s/%s", folder, name, v ? "new" : "old");

		if (!shell("mkdir -p %s && cd %s/splice && "
			   "for m in lib plugin; do cc -O2 -DV=%d -fPIC -shared "
			   "-Wl,-soname,$m.so -o %s/$m.so $m.c || exit 1; done && "
			   "cc -O2 -D_GNU_SOURCE -DV=%d %s -o %s/prog prog.c %s/lib.so "
			   "-Wl,-rpath,'$ORIGIN'",
			    dir, src, v, dir, v, flags, dir, dir))
			return false;
		if (stripped && !shell("strip %s/prog %s/lib.so %s/plugin.so", dir, dir, dir))
			return false;
	}
	return shell("%s/mx analyze -o %s/%s/map %s/%s/old %s/%s/new >%s/%s/report 2>&1",
		build_dir ? build_dir : "build", folder, name, folder, name, folder, name, folder,
		name);
}

/* Runs version @v to its end, untraced, and keeps what it prints. */
static bool run_native(const char *name, int v)
{
	const char *side = v ? "new" : "old";

	return shell("cd %s/%s/%s && timeout %d env -i PATH=/bin sh -c "
		     "'trap \"\" USR1 USR2; exec ./prog ./plugin.so' >../native.%s",
		folder, name, side, SECONDS, side);
}

static char *path_of(void *arg, const struct sea_map_object *pair, int side)
{
	const struct run *r = arg;

	return xasprintf("%s/%s/%s/%s", folder, r->name, side ? "new" : "old",
		sea_map_string(r->map, pair->path[side]));
}

static long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000l + ts.tv_nsec;
}

static int is_safe(struct run *r, struct objects *objects, struct err *err)
{
	long began = now_ns();
	int rc = safe_point(r->unwinder, r->map, objects, r->splice, &r->t, err);

	began = now_ns() - began;
	if (!r->safe_ns || began < r->safe_ns)
		r->safe_ns = began;
	return rc;
}

/* Stopped at a safe point: the first time they are put in, later only led to or not. */
static int exchange(struct run *r, const struct objects *objects)
{
	const struct splice_files files = { path_of, r };
	struct tracee *const all[] = { &r->t };
	struct splice *dup;
	int rc;

	if (!r->splice) {
		rc = splice_put(r->grafts, r->map, objects, all, 1, &files, &r->splice, &r->err);
	} else if (!splice_covers(r->splice, objects)) {
		return err_set(&r->err, ENOTSUP, "an object was loaded since");
	} else {
		dup = splice_dup(r->splice);
		splice_free(r->splice);
		r->splice = dup;
		rc = splice_switch(r->splice, all, 1, !r->in, &r->err);
	}
	if (rc == 0)
		r->in = !r->in;
	return rc;
}

/* From inside a function that differs, through whatever was put in, to the bottom. */
static bool unwinds(struct run *r)
{
	struct unwind_frame f[32];
	struct err err;
	int n = unwinder_backtrace(r->unwinder, &r->t, splice_find, r->splice, f, 32, &err);

	for (int i = 0; i < n; i++) {
		if (f[i].guessed)
			return false;
		if (i + 2 < n && strcmp(f[i].function, "halt_inside") == 0 &&
			(strcmp(f[i + 1].function, "show") != 0 ||
				strcmp(f[i + 2].function, "main") != 0))
			return false;
	}
	return n > 3 && f[n - 1].outermost;
}

static void at_point(struct run *r, int sig)
{
	cleanup_objects struct objects objects = { 0 };
	struct err err = { 0 };
	int rc;

	if (r->rc < 0)
		return;
	r->rc = objects_find(r->files, r->map, &r->t, &objects, &r->err);
	if (r->rc < 0)
		return;
	rc = is_safe(r, &objects, &err);
	if (sig == SIGUSR2) {
		r->unsafe += rc == -EAGAIN;
		r->unwound += unwinds(r);
		snprintf(r->inside[r->in], sizeof(r->inside[0]), "%.120s", err.text);
		return;
	}
	if (rc == 0 && is_exchange(r->round))
		rc = exchange(r, &objects);
	else
		r->err = err;
	r->rc = rc;
	if (++r->round < ROUNDS)
		r->other[r->round] = r->in;
}

static void run_child(const struct run *r)
{
	cleanup_free char *dir = xasprintf("%s/%s/%s", folder, r->name, r->side ? "new" : "old");
	const char *argv[] = { "./prog", "./plugin.so", NULL }, *envp[] = { "PATH=/bin", NULL };
	int fd;

	alarm(SECONDS);
	if (chdir(dir) < 0)
		_exit(98);
	fd = open("../spliced", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, 1) < 0)
		_exit(98);
	execve(argv[0], (char **)argv, (char **)envp);
	_exit(98);
}

static void start(struct run *r)
{
	int gate[2];
	char c;

	if (pipe2(gate, O_CLOEXEC) < 0)
		exit(1);
	r->t.tid = r->t.tgid = fork();
	if (r->t.tid == 0) {
		close(gate[1]);
		/* Until the parent traces us. */
		if (read(gate[0], &c, 1) == 0)
			run_child(r);
		_exit(99);
	}
	close(gate[0]);
	if (tracee_seize(r->t.tid, &r->err) < 0) {
		printf("Bail out! %s\n", r->err.text);
		exit(1);
	}
	close(gate[1]);
}

static void show_crash(struct run *r)
{
	struct unwind_frame f[8];
	struct err err;
	int n = unwind_backtrace(&r->t, f, 8, &err);

	for (int i = 0; i < n; i++) {
		cleanup_str struct str line = STR_INIT;

		unwind_print_frame(&line, &f[i]);
		printf("# crashed in %s\n", str_text(&line));
	}
}

static void follow(struct run *r)
{
	struct stop stop;

	while (tracee_wait_for(r->t.tid, &stop) == 0 && stop.kind != STOP_GONE) {
		int sig = stop.kind == STOP_SIGNAL ? stop.sig : 0;

		if (stop.kind == STOP_EXEC) {
			r->t.mm = mm_open(r->t.tid);
			r->t.mm->no_gateway = true;
			r->rc = tracee_map_gateway(&r->t, &r->err);
		} else if (sig == SIGUSR1 || sig == SIGUSR2) {
			at_point(r, sig);
			sig = 0;
		} else if (sig == SIGSEGV || sig == SIGILL || sig == SIGBUS) {
			show_crash(r);
		}
		tracee_resume(&r->t, RESUME_RUN, sig);
	}
	r->status = stop.status;
	if (r->t.mm)
		mm_put(r->t.mm);
}

/* Version @side, whose functions are exchanged with the other's. */
static struct run run_spliced(const char *name, int side)
{
	struct run r = { .name = name, .side = side };
	cleanup_free char *map = xasprintf("%s/%s/map", folder, name);

	if (sea_map_open(map, &r.map, &r.err) < 0) {
		ok(false, "%s: the map opens: %s", name, r.err.text);
		r.rc = -EINVAL;
		return r;
	}
	r.files = objects_cache_new();
	r.unwinder = unwinder_new();
	r.grafts = grafts_new();
	start(&r);
	follow(&r);
	splice_free(r.splice);
	grafts_free(r.grafts);
	unwinder_free(r.unwinder);
	objects_cache_free(r.files);
	sea_map_close(r.map);
	return r;
}

/* What a run printed in round @n. */
static char *round_of(const char *text, int n)
{
	cleanup_free char *from = xasprintf("round %d\n", n);
	cleanup_free char *to = xasprintf("round %d\n", n + 1);
	const char *begin = strstr(text, from), *end;

	if (!begin)
		return xstrdup("");
	end = strstr(begin, to);
	return end ? xstrndup(begin, end - begin) : xstrdup(begin);
}

/* Each round as the version prints it whose functions ran. */
static void check_output(const struct run *r)
{
	cleanup_str struct str old = STR_INIT, new = STR_INIT, spliced = STR_INIT;

	read_text(r->name, "native.old", &old);
	read_text(r->name, "native.new", &new);
	read_text(r->name, "spliced", &spliced);
	for (int n = 0; n < ROUNDS; n++) {
		int v = r->other[n] ? !r->side : r->side;
		cleanup_free char *want = round_of(str_text(v ? &new : &old), n);
		cleanup_free char *got = round_of(str_text(&spliced), n);

		is_str(got, want, "%s, %s: round %d is the %s version's", r->name,
			r->side ? "new" : "old", n, v ? "new" : "old");
	}
}

static void show_refusals(const char *name)
{
	shell("sed 's/^/# /' %s/%s/report", folder, name);
}

/* The functions of one version and of the other take turns. */
static void test_turns(const char *name, const char *flags, bool stripped)
{
	if (!ok(build(name, flags, stripped), "%s: builds and is analysed", name))
		return;
	ok(run_native(name, 0) && run_native(name, 1), "%s: both run", name);
	for (int side = 0; side < 2; side++) {
		struct run r = run_spliced(name, side);

		if (!ok(r.rc == 0, "%s, side %d: exchanged: %s", name, side,
			    r.rc < 0 ? r.err.text : "three times"))
			show_refusals(name);
		is_int(r.status, 0, "%s, side %d: runs to its end", name, side);
		is_int(r.unsafe, ROUNDS, "%s, side %d: never safe inside", name, side);
		is_int(r.unwound, ROUNDS, "%s, side %d: the stack is found there", name, side);
		printf("# inside: %s\n# inside: %s\n# %ld ns a look\n", r.inside[0], r.inside[1],
			r.safe_ns);
		ok(strstr(r.inside[0], "differs") && strstr(r.inside[1], "put in"),
			"%s, side %d: and it is said why", name, side);
		check_output(&r);
	}
}

/* Nothing is put in, and the program does not notice. */
static void test_refused(const char *name, const char *flags, bool stripped, int side)
{
	struct run r;

	if (!ok(build(name, flags, stripped), "%s: builds and is analysed", name))
		return;
	ok(run_native(name, 0) && run_native(name, 1), "%s: both run", name);
	r = run_spliced(name, side);
	is_int(r.rc, -ENOTSUP, "%s: refused: %s", name, r.err.text);
	is_int(r.status, 0, "%s: runs to its end all the same", name);
	check_output(&r);
}

/* A plug-in that is loaded when the other version's functions are in already. */
static void test_late(void)
{
	struct run r;

	if (!ok(build("late", "-DLATE", false), "late: builds and is analysed"))
		return;
	r = run_spliced("late", 0);
	is_int(r.rc, -ENOTSUP, "late: what was loaded since is noticed: %s", r.err.text);
	is_int(r.status, 0, "late: runs to its end all the same");
}

int main(void)
{
	folder = tap_folder();
	test_turns("plain", "", false);
	test_turns("stripped", "", true);
	test_turns("added-data", "-DADDED_DATA", false);
	test_turns("fixed", "-no-pie", false);
	test_refused("absolute", "-fno-pie -no-pie", false, 0);
	test_refused("struct", "-DGROWN_STRUCT", false, 0);
	test_refused("struct-stripped", "-DGROWN_STRUCT", true, 1);
	test_refused("tls", "-DGROWN_TLS", false, 0);
	test_refused("import", "-DNEW_IMPORT", false, 0);
	test_late();
	if (!tap_failed)
		shell("rm -r %s", folder);
	return tap_done();
}
