/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "compare/steady.h"
#include "mxm/mxm.h"
#include "rem/unwind.h"

/* Stacks are looked at for so many calls; it takes far longer than the call itself. */
#define UNWOUND_MAX 50000
#define FRAMES_MAX  12
#define IDS_MAX	    65536
/* What is random before a program's entry is the same in every run. */
#define SEED 0x6d78636f6d706172ul

struct recorder {
	const struct record_config *config;
	pthread_mutex_t lock;
	struct trace *trace;
	struct unwinder *unwinder;
	struct mxm *mxm;
	int sock;
	FILE *file;
	size_t bytes;
	uint32_t room;
	uint32_t *pending; /* by thread: the call that has no result yet, plus one */
	int64_t *ids;
	size_t nids;
	int64_t begun;
	bool closed, root_ended;
	int last_crash;
};

static void say(struct recorder *r, char word)
{
	/* EPIPE: the starter is gone, and this process with it (PR_SET_PDEATHSIG). */
	(void)!io_write_all(r->sock, &word, 1);
}

/* Which thread the tuple is; -1: an unknown one. Births are few and late ones are asked for most.
 */
static int64_t thread_of(const struct recorder *r, uint64_t tuple)
{
	for (uint32_t i = r->trace->nthreads; i-- > 0;) {
		if (r->trace->threads[i].tuple == tuple)
			return i;
	}
	return -1;
}

static void add_id(struct recorder *r, int64_t id)
{
	for (size_t i = 0; i < r->nids; i++) {
		if (r->ids[i] == id)
			return;
	}
	if (r->nids == IDS_MAX)
		return;
	r->ids = xreallocarray(r->ids, r->nids + 1, sizeof(*r->ids));
	r->ids[r->nids++] = id;
}

static void on_born(void *arg, uint64_t tuple, uint64_t parent, bool thread, pid_t id)
{
	struct recorder *r = arg;
	struct trace *t = r->trace;
	struct trace_thread *made, *by;
	int64_t p;

	pthread_mutex_lock(&r->lock);
	p = thread_of(r, parent);
	if (r->closed || t->nthreads == TRACE_THREADS_MAX || (p < 0 && t->nthreads)) {
		t->cut |= !r->closed;
		pthread_mutex_unlock(&r->lock);
		return;
	}
	t->threads = xreallocarray(t->threads, t->nthreads + 1, sizeof(*t->threads));
	r->pending = xreallocarray(r->pending, t->nthreads + 1, sizeof(*r->pending));
	r->pending[t->nthreads] = 0;
	made = &t->threads[t->nthreads];
	*made = (struct trace_thread){
		.tuple = tuple, .id = id, .parent = p < 0 ? 0 : (uint32_t)p
	};
	by = &t->threads[made->parent];
	if (p < 0)
		made->name = xstrdup("1");
	else
		made->name = xasprintf("%s%c%u", by->name, thread ? ':' : '.',
			thread ? ++by->nthreads : ++by->nprocesses);
	t->nthreads++;
	add_id(r, id);
	pthread_mutex_unlock(&r->lock);
}

/* The order of births is the same in every run, within a parent; the name says which it is. */
static int64_t on_steady_id(void *arg, int64_t id)
{
	struct recorder *r = arg;
	int64_t known = id < 0 ? -id : id, steady = 0;

	pthread_mutex_lock(&r->lock);
	for (uint32_t i = r->trace->nthreads; i-- > 0 && !steady;) {
		const char *name = r->trace->threads[i].name;

		if (r->trace->threads[i].id != known)
			continue;
		for (steady = 7; *name; name++)
			steady = (steady * 31 + *name) & 0x3fffffff;
	}
	pthread_mutex_unlock(&r->lock);
	if (!steady)
		return id;
	return id < 0 ? -steady : steady;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The C library and the loader make calls for others. */
static bool is_for_others(const struct unwind_frame *frame, const struct sys_row *row)
{
	const char *name = base_name(frame->object);

	if (str_starts(name, "libc.so") || str_starts(name, "libc-2") ||
		str_starts(name, "libc.musl") || str_starts(name, "ld-") ||
		str_starts(name, "libpthread") || strcmp(name, "[vdso]") == 0)
		return true;
	/* Linked in statically. */
	return str_starts(frame->function, "__") || str_starts(frame->function, "_IO_") ||
	       (row && strncmp(frame->function, row->name, strlen(frame->function)) == 0 &&
		       frame->function[0]);
}

/* The innermost function that is the program's, or of a library that is not the C library. */
static char *issuer(struct recorder *r, struct tracee *t, const struct sys_row *row)
{
	struct unwind_frame frames[FRAMES_MAX];
	struct err err;
	int n = unwinder_backtrace(r->unwinder, t, NULL, NULL, frames, FRAMES_MAX, &err), at = 0;

	if (n <= 0)
		return xstrdup("");
	while (at < n - 1 && is_for_others(&frames[at], row))
		at++;
	if (is_for_others(&frames[at], NULL))
		at = 0;
	if (frames[at].function[0])
		return xstrdup(frames[at].function);
	return frames[at].object[0]
		       ? xasprintf("%s+%#lx", base_name(frames[at].object), frames[at].object_addr)
		       : xstrdup("");
}

static size_t read_of(void *ctx, uint64_t addr, void *buf, size_t len)
{
	return tracee_read_some(ctx, raddr(addr), buf, len);
}

/*
 * What waits for the outside is told by what it waits on: its timeout is what is left until the
 * next thing that the program has to do. False: it is no such call.
 */
static bool make_waiting_key(struct str *key, const struct mxm_asked *asked)
{
	const uint64_t *a = asked->args;

	switch (asked->nr) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		str_append(key, &a[0], 4);
		str_append(key, &a[2], 4);
		return true;
	case SYS_poll: /* descriptors and events, their number, the timeout */
	case SYS_ppoll:
		str_append(key, str_text(asked->in),
			asked->in->len < 8 * (a[1] & 0xffff) ? asked->in->len
							     : 8 * (a[1] & 0xffff));
		return true;
	case SYS_select:
	case SYS_pselect6:
		str_append(key, &a[0], 4);
		return true;
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
		return true;
	}
	return false;
}

static void make_key(struct recorder *r, const struct mxm_asked *asked, struct trace_call *c)
{
	const struct steady_run run = {
		.ids = r->ids, .nids = r->nids, .begun = r->begun, .now = time(NULL)
	};
	cleanup_str struct str key = STR_INIT, payload = STR_INIT;
	struct foreseen_bytes bytes;

	/* As if all of it had been moved. */
	c->call.answered = true;
	c->call.result = INT64_MAX;
	if (make_waiting_key(&key, asked)) {
		;
	} else if (foresee_bytes(&c->call, &bytes) && bytes.write &&
		   steady_text(&payload, bytes.data, bytes.len, &run)) {
		/* The normal form has the length too, which is another with another id. */
		str_append(&key, &bytes.fd, sizeof(bytes.fd));
		str_append(&key, payload.data, payload.len);
	} else {
		steady_bytes(&key, str_text(asked->in), asked->in->len, &run);
	}
	c->call.answered = false;
	c->call.result = 0;
	c->key_len = key.len;
	c->key = xmemdup(str_text(&key), key.len + 1);
}

static void record(struct recorder *r, const struct mxm_asked *asked, uint32_t thread)
{
	struct trace *t = r->trace;
	cleanup_str struct str text = STR_INIT;
	struct trace_call *c;

	if (t->ncalls == r->room) {
		r->room = r->room ? r->room * 2 : 1024;
		t->calls = xreallocarray(t->calls, r->room, sizeof(*t->calls));
	}
	c = &t->calls[t->ncalls];
	*c = (struct trace_call){ .thread = thread,
		.call = { .row = asked->row,
			.nr = asked->nr,
			.issued = asked->issued,
			.flow = asked->flow } };
	memcpy(c->call.args, asked->args, sizeof(c->call.args));
	str_append(&c->call.in, asked->in->data, asked->in->len);
	make_key(r, asked, c);
	sys_print_call(&text, asked->row, asked->nr, asked->args, NULL, read_of, asked->tracee);
	c->text = xstrdup(str_text(&text));
	c->function = t->ncalls < UNWOUND_MAX ? issuer(r, asked->tracee, asked->row) : xstrdup("");
	r->bytes += c->call.in.len + c->key_len + text.len + sizeof(*c);
	r->pending[thread] = ++t->ncalls;
}

static void on_asked(void *arg, const struct mxm_asked *asked)
{
	struct recorder *r = arg;
	int64_t thread;

	pthread_mutex_lock(&r->lock);
	thread = thread_of(r, asked->tuple);
	if (!r->closed && thread >= 0) {
		r->pending[thread] = 0;
		if (r->trace->ncalls == TRACE_CALLS_MAX || r->bytes > TRACE_BYTES_MAX)
			r->trace->cut = true;
		else
			record(r, asked, (uint32_t)thread);
	}
	pthread_mutex_unlock(&r->lock);
}

static void on_answered(void *arg, uint64_t tuple, int64_t result)
{
	struct recorder *r = arg;
	struct trace_call *c;
	int64_t thread;

	pthread_mutex_lock(&r->lock);
	thread = thread_of(r, tuple);
	if (!r->closed && thread >= 0 && r->pending[thread]) {
		c = &r->trace->calls[r->pending[thread] - 1];
		c->call.result = result;
		c->call.answered = true;
		r->pending[thread] = 0;
		if (c->call.nr == SYS_getppid || c->call.nr == SYS_getpgrp ||
			c->call.nr == SYS_getpgid || c->call.nr == SYS_getsid)
			add_id(r, result);
	}
	pthread_mutex_unlock(&r->lock);
}

static void *on_crashed(void *arg, const struct mxm_crash *crash)
{
	struct recorder *r = arg;

	pthread_mutex_lock(&r->lock);
	if (!r->closed && crash->sig != SIGKILL) {
		r->last_crash = crash->sig;
		r->trace->end = TRACE_CRASHED;
		r->trace->status = crash->sig;
		free(r->trace->crash_function);
		r->trace->crash_function = crash->tracee ? issuer(r, crash->tracee, NULL) : NULL;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* There is one version only. */
static int on_diverged(void *arg, const struct mxm_divergence *divergence)
{
	return MXM_STOP;
}

static void on_unsupported(void *arg, int version, pid_t pid, const char *call, const char *why)
{
}

static bool on_dropped(void *arg, int version, int leads, bool was_leader)
{
	return false;
}

static void on_ruled(void *arg, const struct mxm_ruling *ruling)
{
}

static void on_entered(void *arg)
{
	say(arg, RECORD_ENTERED);
}

static void on_runs(void *arg, int version, pid_t pid)
{
}

static void on_note(void *arg, const char *event, int version, pid_t pid, const char *text)
{
	struct recorder *r = arg;
	struct trace *t = r->trace;

	/* Of two versions' difference this says nothing. */
	if (strcmp(event, "rdrand-not-masked") == 0 || strcmp(event, "layout-differs") == 0)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->closed && !t->note)
		t->note = xasprintf("%s: %s", event, text);
	pthread_mutex_unlock(&r->lock);
}

static void on_ended(void *arg, int status)
{
	struct recorder *r = arg;
	struct trace *t = r->trace;

	pthread_mutex_lock(&r->lock);
	if (!r->closed && !r->root_ended) {
		r->root_ended = true;
		if (WIFEXITED(status)) {
			t->end = TRACE_EXITED;
			t->status = WEXITSTATUS(status);
		} else if (!(r->last_crash && r->last_crash == WTERMSIG(status))) {
			t->end = TRACE_KILLED;
			t->status = WTERMSIG(status);
		}
	}
	pthread_mutex_unlock(&r->lock);
}

static const struct mxm_ops ops = {
	.crashed = on_crashed,
	.diverged = on_diverged,
	.ruled = on_ruled,
	.unsupported = on_unsupported,
	.dropped = on_dropped,
	.entered = on_entered,
	.runs = on_runs,
	.note = on_note,
	.ended = on_ended,
	.asked = on_asked,
	.answered = on_answered,
	.born = on_born,
	.steady_id = on_steady_id,
};

/* Whoever comes second waits for the end of the process. */
static void __attribute__((noreturn)) finish(struct recorder *r)
{
	uint64_t ok = 0;
	struct err err;

	pthread_mutex_lock(&r->lock);
	r->closed = true;
	fwrite(&ok, sizeof(ok), 1, r->file);
	if (trace_write(r->trace, r->file, &err) == 0)
		say(r, RECORD_DONE);
	/* PTRACE_O_EXITKILL ends what is left of the program. */
	_exit(0);
}

static void __attribute__((noreturn)) fail(struct recorder *r, const struct err *err)
{
	uint64_t code = (uint64_t)err->code;

	fwrite(&code, sizeof(code), 1, r->file);
	fwrite(err->text, 1, strlen(err->text), r->file);
	fflush(r->file);
	say(r, RECORD_DONE);
	_exit(0);
}

/* Is @pid a process that this one traces? Its id could be another's by now. */
static bool is_traced(pid_t pid)
{
	cleanup_str struct str text = STR_INIT;
	char path[64];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (io_read_file(path, 65536, &text, NULL) < 0)
		return false;
	line = strstr(str_text(&text), "\nTracerPid:");
	if (!line)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%ld", strtol(line + 11, NULL, 10));
	return access(path, F_OK) == 0;
}

/*
 * The first process alone, as a user would; a program that has become a daemon by all that is left.
 * To the first thread: the kernel gives a process's signal to any thread that is not stopped.
 */
static void terminate(struct recorder *r)
{
	pthread_mutex_lock(&r->lock);
	r->trace->asked_to_end = true;
	for (uint32_t i = 0; i < r->trace->nthreads; i++) {
		const struct trace_thread *t = &r->trace->threads[i];
		const char *colon = strrchr(t->name, ':');

		if (!(colon && !strchr(colon, '.')) && is_traced((pid_t)t->id))
			syscall(SYS_tgkill, (pid_t)t->id, (pid_t)t->id, SIGTERM);
		if (i == 0 && !r->root_ended)
			break;
	}
	pthread_mutex_unlock(&r->lock);
}

static void *listener(void *arg)
{
	struct recorder *r = arg;
	char word;

	while (read(r->sock, &word, 1) == 1) {
		if (word == RECORD_TERM)
			terminate(r);
		else if (word == RECORD_FINISH)
			finish(r);
	}
	return NULL;
}

void recorder_main(const struct record_config *config, int sock, FILE *file)
{
	struct recorder r = { .config = config, .sock = sock, .file = file, .begun = time(NULL) };
	struct mxm_config mxm = {
		.nversions = 1,
		.versions = { { config->name, config->program, config->argv, config->root } },
		.sync = MXM_STREAM,
		.survive = 1ul << (SIGSEGV - 1),
		.shared_paths = config->shared_paths,
		.cwd = config->root ? config->cwd : NULL,
		.seed = SEED,
		.sigmask = config->sigmask,
	};
	pthread_t thread;
	struct err err;

	r.trace = xzalloc(sizeof(*r.trace));
	r.trace->end = TRACE_LEFT;
	r.unwinder = unwinder_new();
	pthread_mutex_init(&r.lock, NULL);
	add_id(&r, getpid());
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (!config->root && config->cwd && chdir(config->cwd) < 0) {
		err_errno(&err, errno, "%s", config->cwd);
		fail(&r, &err);
	}
	if (mxm_start(&mxm, &ops, &r, &r.mxm, &err) < 0)
		fail(&r, &err);
	if (pthread_create(&thread, NULL, listener, &r)) {
		err_set(&err, EAGAIN, "cannot start a thread");
		fail(&r, &err);
	}
	mxm_join(r.mxm);
	finish(&r);
}
