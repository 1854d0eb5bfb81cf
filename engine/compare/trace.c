/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MAGIC	  0x6d78747261636531ul
#define BLOCK_MAX (64u << 20)

void trace_free(struct trace *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->ncalls; i++) {
		str_free(&t->calls[i].call.in);
		free(t->calls[i].key);
		free(t->calls[i].text);
		free(t->calls[i].function);
	}
	for (uint32_t i = 0; i < t->nthreads; i++)
		free(t->threads[i].name);
	free(t->calls);
	free(t->threads);
	free(t->crash_function);
	free(t->note);
	free(t);
}

static void put(FILE *f, uint64_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static void put_bytes(FILE *f, const void *data, size_t len)
{
	put(f, len);
	if (len)
		fwrite(data, 1, len, f);
}

/* NULL and "" are different. */
static void put_text(FILE *f, const char *text)
{
	put(f, text != NULL);
	if (text)
		put_bytes(f, text, strlen(text));
}

int trace_write(const struct trace *t, FILE *f, struct err *err)
{
	put(f, MAGIC);
	put(f, t->end);
	put(f, (uint32_t)t->status);
	put(f, t->asked_to_end);
	put(f, t->cut);
	put_text(f, t->crash_function);
	put_text(f, t->note);
	put(f, t->nthreads);
	for (uint32_t i = 0; i < t->nthreads; i++) {
		put_text(f, t->threads[i].name);
		put(f, t->threads[i].parent);
	}
	put(f, t->ncalls);
	for (uint32_t i = 0; i < t->ncalls; i++) {
		const struct trace_call *c = &t->calls[i];

		put(f, c->thread);
		put(f, c->call.nr);
		put(f, c->call.issued);
		fwrite(c->call.args, sizeof(c->call.args), 1, f);
		put_bytes(f, str_text(&c->call.in), c->call.in.len);
		put(f, (uint64_t)c->call.result);
		put(f, c->call.answered);
		put(f, (unsigned char)c->call.flow);
		put_bytes(f, c->key, c->key_len);
		put_text(f, c->text);
		put_text(f, c->function);
	}
	put(f, MAGIC);
	if (fflush(f) || ferror(f))
		return err_errno(err, EIO, "the trace cannot be written");
	return 0;
}

/* A reader that fails once fails for good. */
struct reader {
	FILE *f;
	bool bad;
};

static uint64_t get(struct reader *r, uint64_t max)
{
	uint64_t v = 0;

	if (r->bad || fread(&v, sizeof(v), 1, r->f) != 1 || v > max) {
		r->bad = true;
		return 0;
	}
	return v;
}

static char *get_bytes(struct reader *r, size_t *ret_len)
{
	size_t len = get(r, BLOCK_MAX);
	char *data = xmalloc(len + 1);

	if (!r->bad && len && fread(data, 1, len, r->f) != len)
		r->bad = true;
	if (r->bad)
		len = 0;
	data[len] = '\0';
	*ret_len = len;
	return data;
}

static char *get_text(struct reader *r)
{
	size_t len;

	return get(r, 1) ? get_bytes(r, &len) : NULL;
}

static void get_call(struct reader *r, const struct trace *t, struct trace_call *c)
{
	size_t len;

	c->thread = get(r, t->nthreads ? t->nthreads - 1 : 0);
	c->call.nr = get(r, UINT64_MAX);
	c->call.issued = get(r, UINT64_MAX);
	if (!r->bad && fread(c->call.args, sizeof(c->call.args), 1, r->f) != 1)
		r->bad = true;
	c->call.in.data = get_bytes(r, &len);
	c->call.in.len = len;
	c->call.in.room = len + 1;
	c->call.result = (int64_t)get(r, UINT64_MAX);
	c->call.answered = get(r, 1);
	c->call.flow = (char)get(r, 127);
	c->key = get_bytes(r, &c->key_len);
	c->text = get_text(r);
	c->function = get_text(r);
	r->bad |= !c->text || !c->function;
	c->call.row = sys_resolve(c->call.nr, c->call.args);
}

int trace_read(FILE *f, struct trace **ret, struct err *err)
{
	struct reader r = { .f = f };
	struct trace *t = xzalloc(sizeof(*t));
	uint32_t n;

	r.bad = get(&r, MAGIC) != MAGIC;
	t->end = get(&r, TRACE_LEFT);
	t->status = (int)get(&r, UINT32_MAX);
	t->asked_to_end = get(&r, 1);
	t->cut = get(&r, 1);
	t->crash_function = get_text(&r);
	t->note = get_text(&r);
	n = get(&r, TRACE_THREADS_MAX);
	t->threads = xzalloc((n + 1) * sizeof(*t->threads));
	for (; t->nthreads < n && !r.bad; t->nthreads++) {
		t->threads[t->nthreads].name = get_text(&r);
		t->threads[t->nthreads].parent = get(&r, t->nthreads);
		r.bad |= !t->threads[t->nthreads].name;
	}
	n = get(&r, t->nthreads ? TRACE_CALLS_MAX : 0);
	t->calls = xzalloc((n + 1) * sizeof(*t->calls));
	for (; t->ncalls < n && !r.bad; t->ncalls++)
		get_call(&r, t, &t->calls[t->ncalls]);
	if (r.bad || get(&r, MAGIC) != MAGIC) {
		trace_free(t);
		return err_set(err, EPROTO, "the recorder ended before its trace was complete");
	}
	*ret = t;
	return 0;
}

void trace_print_end(struct str *out, const struct trace *t)
{
	switch (t->end) {
	case TRACE_EXITED:
		str_printf(out, "exits with status %d", t->status);
		break;
	case TRACE_KILLED:
		str_printf(out, "is ended by %s", sys_signal_name(t->status));
		break;
	case TRACE_CRASHED:
		str_printf(out, "crashes with %s", sys_signal_name(t->status));
		if (t->crash_function && *t->crash_function)
			str_printf(out, " in %s", t->crash_function);
		break;
	case TRACE_LEFT:
		str_puts(out, "does not end by itself");
		break;
	}
}
