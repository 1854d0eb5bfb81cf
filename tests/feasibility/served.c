/* SPDX-License-Identifier: Apache-2.0 */
/*
 * served PORT: a small server of keys and values, in as many revisions as a year might bring. What
 * a revision changes stands between #if REVISION >= N, #else and #endif, which scripts/feasibility
 * resolves: each revision is a file of its own. Most changes are what most changes are: checks,
 * other algorithms, renamed things. Some add calls that only look, some change what the world sees.
 */
#define REVISIONS 26
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#if REVISION >= 2
#define KEY_MAX	  64
#define VALUE_MAX 256
#else
#define KEY_MAX	  32
#define VALUE_MAX 128
#endif

struct entry {
	struct entry *next;
	char key[KEY_MAX];
	char value[VALUE_MAX];
#if REVISION >= 12
	unsigned long hits;
#endif
};

#if REVISION >= 5
#define BUCKETS 64
static struct entry *buckets[BUCKETS];
#else
static struct entry *entries;
#endif

static unsigned count;
static volatile sig_atomic_t stop;
#if REVISION >= 15
static time_t started;
#endif

static void on_term(int sig)
{
	stop = 1;
}

#if REVISION >= 5
static unsigned hash(const char *key)
{
#if REVISION >= 9
	unsigned h = 2166136261u;
#else
	unsigned h = 5381;
#endif

	for (; *key; key++)
#if REVISION >= 9
		h = (h ^ (unsigned char)*key) * 16777619u;
#else
		h = h * 33 + (unsigned char)*key;
#endif
	return h % BUCKETS;
}
#endif

static struct entry **find(const char *key)
{
#if REVISION >= 5
	struct entry **at = &buckets[hash(key)];
#else
	struct entry **at = &entries;
#endif

	while (*at && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	return at;
}

static void put(const char *key, const char *value)
{
	struct entry **at = find(key);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
#if REVISION >= 3
		if (!*at)
			return;
#endif
		snprintf((*at)->key, KEY_MAX, "%s", key);
		count++;
	}
	snprintf((*at)->value, VALUE_MAX, "%s", value);
}

static int drop(const char *key)
{
	struct entry **at = find(key), *gone = *at;

	if (!gone)
		return 0;
	*at = gone->next;
#if REVISION >= 4
	free(gone);
#endif
	count--;
	return 1;
}

/* Writes all of it. */
static void say(int fd, const char *text)
{
#if REVISION >= 22
	struct iovec v[2] = { { (void *)text, strlen(text) }, { "\n", 1 } };

	if (writev(fd, v, 2) < 0)
		perror("writev");
#else
	char line[VALUE_MAX + 16];
	size_t len = snprintf(line, sizeof(line), "%s\n", text), done = 0;

	while (done < len) {
		ssize_t n = write(fd, line + done, len - done);

#if REVISION >= 6
		if (n < 0 && errno == EINTR)
			continue;
#endif
		if (n < 0)
			return;
		done += n;
	}
#endif
}

static void put_file(FILE *f, const struct entry *e)
{
#if REVISION >= 20
	fprintf(f, "set %s %s\n", e->key, e->value);
#else
	fprintf(f, "%s=%s\n", e->key, e->value);
#endif
}

static int save(const char *name)
{
#if REVISION >= 17
	FILE *f = fopen("store.new", "w");
#else
	FILE *f = fopen(name, "w");
#endif

	if (!f)
		return -1;
#if REVISION >= 5
	for (int i = 0; i < BUCKETS; i++)
		for (struct entry *e = buckets[i]; e; e = e->next)
			put_file(f, e);
#else
	for (struct entry *e = entries; e; e = e->next)
		put_file(f, e);
#endif
#if REVISION >= 13
	if (fflush(f) || ferror(f)) {
		fclose(f);
		return -1;
	}
#endif
	if (fclose(f) != 0)
		return -1;
#if REVISION >= 17
	if (rename("store.new", name) < 0)
		return -1;
#endif
	return 0;
}

static void serve_line(int fd, char *line)
{
	char *verb = strtok(line, " \r\n"), *key = strtok(NULL, " \r\n"),
	     *value = strtok(NULL, "\r\n"), text[64];
	struct entry **at;

	if (!verb) {
		say(fd, "error");
		return;
	}
#if REVISION >= 7
	if (key && strlen(key) >= KEY_MAX) {
		say(fd, "error");
		return;
	}
#endif
	if (strcmp(verb, "set") == 0 && key && value) {
		put(key, value);
		say(fd, "ok");
	} else if (strcmp(verb, "get") == 0 && key) {
		at = find(key);
#if REVISION >= 12
		if (*at)
			(*at)->hits++;
#endif
		say(fd, *at ? (*at)->value : "none");
	} else if (strcmp(verb, "del") == 0 && key) {
		say(fd, drop(key) ? "ok" : "none");
	} else if (strcmp(verb, "count") == 0) {
		snprintf(text, sizeof(text), "%u", count);
		say(fd, text);
	} else if (strcmp(verb, "save") == 0) {
		say(fd, save("store") == 0 ? "ok" : "error");
#if REVISION >= 18
	} else if (strcmp(verb, "ping") == 0) {
		say(fd, "pong");
#endif
	} else {
#if REVISION >= 25
		say(fd, "error: no such verb");
#else
		say(fd, "error");
#endif
	}
}

#if REVISION >= 10
struct client {
	int fd;
	size_t len;
	char buf[1024];
};

static int serve_client(struct client *c)
{
	ssize_t n = read(c->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len);
	char *end;

	if (n <= 0)
		return -1;
	c->len += n;
	c->buf[c->len] = '\0';
	while ((end = strchr(c->buf, '\n'))) {
		*end = '\0';
		serve_line(c->fd, c->buf);
		c->len -= end + 1 - c->buf;
		memmove(c->buf, end + 1, c->len + 1);
	}
	return c->len < sizeof(c->buf) - 1 ? 0 : -1;
}
#else
static int serve_client(int fd)
{
	char buf[1024], *at, *end;
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	if (n <= 0)
		return -1;
	buf[n] = '\0';
	for (at = buf; (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		serve_line(fd, at);
	}
	return 0;
}
#endif

static int listen_on(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd, on = 1;

#if REVISION >= 8
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
#endif
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
#if REVISION >= 24
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#endif
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		return -1;
	return fd;
}

#if REVISION >= 14
static void check_store(void)
{
	struct stat st;

	if (stat("store", &st) == 0 && !S_ISREG(st.st_mode))
		fprintf(stderr, "store is no file\n");
}
#endif

#if REVISION >= 21
static void count_descriptors(void)
{
	char buf[512];
	int fd = open("/proc/self/limits", O_RDONLY);

	if (fd >= 0 && read(fd, buf, sizeof(buf)) < 0)
		perror("limits");
	if (fd >= 0)
		close(fd);
}
#endif

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };
	struct pollfd p[17];
#if REVISION >= 10
	static struct client clients[16];
#endif
	int n = 1;

	if (argc < 2)
		return 2;
#if REVISION >= 11
	if (atoi(argv[1]) <= 0 || atoi(argv[1]) > 65535)
		return 2;
#endif
	sigaction(SIGTERM, &sa, NULL);
	p[0].fd = listen_on(atoi(argv[1]));
	p[0].events = POLLIN;
	if (p[0].fd < 0) {
		perror("listen");
		return 1;
	}
#if REVISION >= 14
	check_store();
#endif
#if REVISION >= 15
	started = time(NULL);
#endif
#if REVISION >= 21
	count_descriptors();
#endif
	while (!stop) {
		if (poll(p, n, -1) < 0)
			continue;
		for (int i = n - 1; i > 0; i--) {
			if (!p[i].revents)
				continue;
#if REVISION >= 10
			if (serve_client(&clients[i - 1]) == 0)
				continue;
			close(p[i].fd);
			p[i] = p[--n];
			clients[i - 1] = clients[n - 1];
#else
			if (serve_client(p[i].fd) == 0)
				continue;
			close(p[i].fd);
			p[i] = p[--n];
#endif
		}
#if REVISION >= 16
		if ((p[0].revents & POLLIN) && n < 17) {
#else
		if (p[0].revents && n < 17) {
#endif
			p[n].fd = accept(p[0].fd, NULL, NULL);
			p[n].events = POLLIN;
			p[n].revents = 0;
#if REVISION >= 19
			if (p[n].fd < 0)
				continue;
#endif
#if REVISION >= 10
			clients[n - 1].fd = p[n].fd;
			clients[n - 1].len = 0;
#endif
			n++;
		}
	}
#if REVISION >= 23
	fprintf(stderr, "served: %u keys at the end, after %ld minutes\n", count,
		(long)(time(NULL) - started) / 60);
#endif
#if REVISION >= 26
	save("store");
#endif
	return 0;
}
