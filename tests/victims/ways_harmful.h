/* SPDX-License-Identifier: Apache-2.0 */
/* What must be found out: other places, names and modes, waits that would be seen. */
static void harmful_places(const char *what)
{
	int fd = text_file();

	if (!strcmp(what, "x-place-read")) {
		read_at(fd, NEW ? 5 : 6, !NEW, false);
	}
	if (!strcmp(what, "x-place-then-read")) {
		read_at(fd, 5, !NEW, false);
		read_on(fd);
	}
	if (!strcmp(what, "x-place-then-write")) {
		read_at(fd, 5, !NEW, false);
		MUST(write(fd, "!", 1));
	}
	if (!strcmp(what, "x-place-pieces")) {
		char buf[20];

		read_at(fd, 5, !NEW, false);
		for (int i = 0; i < (NEW ? 1 : 2); i++)
			show_read(read(fd, buf, NEW ? 10 : 5), buf);
	}
	if (!strcmp(what, "x-place-write-bytes"))
		write_at(fd, 5, NEW ? "right" : "wrong", !NEW);
	if (!strcmp(what, "x-place-write-at"))
		write_at(fd, NEW ? 5 : 6, "text", !NEW);
	if (!strcmp(what, "x-place-descriptor")) {
		int other = text_file();

		read_at(NEW ? fd : other, 5, !NEW, false);
	}
	if (!strcmp(what, "x-place-copied")) {
		read_at(fd, 5, !NEW, false);
		show_read(read(MUST(dup(fd)), (char[8]){ 0 }, 5), "12345");
	}
	if (!strcmp(what, "x-place-append-asked") || !strcmp(what, "x-place-append-moved") ||
		!strcmp(what, "x-place-append-read")) {
		int flags = !strcmp(what, "x-place-append-read") ? O_RDWR : O_WRONLY;

		fd = MUST(open("text", flags | O_APPEND));
		if (NEW)
			MUST(lseek(fd, 0, SEEK_END));
		if (!strcmp(what, "x-place-append-asked"))
			printf("%ld\n", MUST(lseek(fd, 0, SEEK_CUR)));
		if (!strcmp(what, "x-place-append-moved"))
			printf("%ld\n", MUST(lseek(fd, 2, SEEK_CUR)));
		MUST(write(fd, "x", 1));
	}
	if (!strcmp(what, "x-place-seek") && !NEW)
		MUST(lseek(fd, 5, SEEK_SET));
	read_on(fd);
}

static void harmful_names(const char *what)
{
	make("a", "a");
	make("b", "b");
	if (!strcmp(what, "x-renameat-to"))
		MUST(NEW ? renameat(AT_FDCWD, "a", AT_FDCWD, "c") : rename("a", "b"));
	if (!strcmp(what, "x-rename-exchange"))
		MUST(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", NEW ? 2 : 0));
	if (!strcmp(what, "x-link-symlink"))
		MUST(NEW ? symlinkat("a", AT_FDCWD, "c") : link("a", "c"));
	if (!strcmp(what, "x-chown"))
		MUST(NEW ? fchownat(AT_FDCWD, "a", -1, getgid(), 0) : chown("a", -1, -1));
	if (!strcmp(what, "x-setrlimit")) {
		struct rlimit lim = { NEW ? 100 : 101, 200 };

		MUST(NEW ? syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &lim, NULL)
			 : syscall(SYS_setrlimit, RLIMIT_NOFILE, &lim));
	}
	if (!strcmp(what, "x-dup-from"))
		MUST(NEW ? fcntl(1, F_DUPFD, 0) : dup(2));
}

static void harmful_modes(const char *what)
{
	int p[2] = { -1, -1 };

	/* Used while one of them has set it and the other one has not. */
	if (!strcmp(what, "x-nonblock-never")) {
		MUST(pipe2(p, NEW ? O_NONBLOCK : 0));
		MUST(write(p[1], "x", 1));
		empty_read(p[0]);
	}
	if (!strcmp(what, "x-nonblock-late")) {
		MUST(pipe2(p, NEW ? O_NONBLOCK : 0));
		MUST(write(p[1], "x", 1));
		if (!NEW)
			set_nonblock(p[1]);
	}
	if (!strcmp(what, "x-nonblock-off")) {
		MUST(pipe2(p, NEW ? O_NONBLOCK : 0));
		MUST(fcntl(p[1], F_SETFL, NEW ? O_NONBLOCK : 0));
		MUST(write(p[1], "x", 1));
	}
	if (!strcmp(what, "x-append")) {
		p[0] = MUST(open("text", O_RDWR | O_CREAT | (NEW ? O_NONBLOCK : 0), 0600));
		if (!NEW)
			MUST(fcntl(p[0], F_SETFL, O_NONBLOCK | O_APPEND));
	}
	if (!strcmp(what, "x-fionbio")) {
		int on = NEW;

		MUST(pipe(p));
		MUST(ioctl(p[0], FIONBIO, &on));
	}
}

static void harmful_waits(const char *what)
{
	struct pollfd fds[2];
	struct timeval tv = { 1, 0 };
	int p[2];
	fd_set r;

	MUST(pipe(p));
	MUST(write(p[1], "x", 1));
	fds[0] = (struct pollfd){ p[0], POLLIN, 0 };
	fds[1] = (struct pollfd){ p[1], POLLOUT, 0 };
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	if (!strcmp(what, "x-poll-more"))
		MUST(poll(fds, NEW ? 2 : 1, 1000));
	if (!strcmp(what, "x-poll-time")) {
		struct timespec ts = { 1, 0 };

		MUST(syscall(SYS_ppoll, fds, 1, NEW ? NULL : &ts, NULL, 8));
	}
	if (!strcmp(what, "x-poll-mask")) {
		sigset_t none = { 0 };

		MUST(NEW ? ppoll(fds, 1, NULL, &none) : poll(fds, 1, -1));
	}
	if (!strcmp(what, "x-select-other"))
		MUST(NEW ? poll(&fds[1], 1, 1000) : select(p[0] + 1, &r, NULL, NULL, &tv));
	if (!strcmp(what, "x-epoll-time")) {
		struct epoll_event got;
		struct timespec ts = { 0, NEW ? 0 : 2000000 };
		int set = MUST(epoll_create1(0));

		MUST(syscall(SYS_epoll_pwait2, set, &got, 1, &ts, NULL, 8));
	}
}
