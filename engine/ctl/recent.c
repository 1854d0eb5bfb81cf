/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/xalloc.h"

#define LINES_MAX 1024u
#define BYTES_MAX (2u << 20)

struct line {
	char *text;
	size_t len;
};

struct recent {
	pthread_mutex_t lock;
	struct line lines[LINES_MAX]; /* number n is at n % LINES_MAX */
	uint64_t first, next;
	size_t bytes;
	int fd;
};

struct recent *recent_new(void)
{
	struct recent *r = xzalloc(sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return r;
}

static void drop_oldest(struct recent *r)
{
	struct line *line = &r->lines[r->first++ % LINES_MAX];

	r->bytes -= line->len;
	free(take_ptr(line->text));
}

void recent_free(struct recent *r)
{
	if (!r)
		return;
	while (r->first < r->next)
		drop_oldest(r);
	if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void recent_add(struct recent *r, const char *line, size_t len)
{
	struct line copy = { xmemdup(line, len), len };
	const uint64_t one = 1;

	pthread_mutex_lock(&r->lock);
	while (r->next > r->first &&
		(r->next - r->first >= LINES_MAX || r->bytes + len > BYTES_MAX))
		drop_oldest(r);
	r->lines[r->next++ % LINES_MAX] = copy;
	r->bytes += len;
	pthread_mutex_unlock(&r->lock);
	/* EAGAIN: it is readable already. */
	(void)!write(r->fd, &one, sizeof(one));
}

uint64_t recent_get(struct recent *r, uint64_t *seq, size_t room, struct str *out)
{
	size_t begin = out->len;
	uint64_t lost = 0;

	pthread_mutex_lock(&r->lock);
	if (*seq < r->first) {
		lost = r->first - *seq;
		*seq = r->first;
	}
	while (*seq < r->next && out->len - begin < room) {
		const struct line *line = &r->lines[(*seq)++ % LINES_MAX];

		str_append(out, line->text, line->len);
		str_putc(out, '\n');
	}
	pthread_mutex_unlock(&r->lock);
	return lost;
}

int recent_fd(const struct recent *r)
{
	return r->fd;
}

void recent_seen(struct recent *r)
{
	uint64_t n;

	(void)!read(r->fd, &n, sizeof(n));
}
