/* SPDX-License-Identifier: Apache-2.0 */
/* What must be found out: effects that one version alone has, or has otherwise. */
static void harmful(const char *what)
{
	int fd, other, on = NEW;

	if (!strcmp(what, "x-bytes"))
		MUST(write(1, NEW ? "abcdef\n" : "abcdeF\n", 7));
	if (!strcmp(what, "x-more"))
		in_pieces(1, NEW ? TEXT "more\n" : TEXT, 200);
	if (!strcmp(what, "x-less"))
		in_pieces(1, NEW ? "short\n" : "short\nnot\n", 200);
	if (!strcmp(what, "x-tail")) {
		(void)write(1, "abcdef", NEW ? 6 : 5);
		_exit(0);
	}
	if (!strcmp(what, "x-read")) {
		close(text_file());
		fd = MUST(open("text", O_RDONLY));
		if (NEW)
			MUST(lseek(fd, 4, SEEK_SET));
		MUST(read(fd, buf, 5));
		MUST(write(1, buf, 5));
	}
	if (!strcmp(what, "x-read-less")) {
		close(text_file());
		MUST(write(1, buf, read(MUST(open("text", O_RDONLY)), buf, NEW ? 5 : 6)));
		_exit(0);
	}
	if (!strcmp(what, "x-bound") && NEW) {
		struct sockaddr_in any = { AF_INET };

		fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
		MUST(bind(fd, (struct sockaddr *)&any, sizeof(any)));
		MUST(close(fd));
	}
	if (!strcmp(what, "x-routes-set") && NEW)
		routes(RTM_DELADDR, 0); /* of none: it is refused */
	if (!strcmp(what, "x-routes-heard") && NEW)
		routes(RTM_GETADDR, RTMGRP_LINK);
	if (!strcmp(what, "x-read-other")) {
		close(text_file());
		close(MUST(open("second", O_WRONLY | O_CREAT, 0600)));
		MUST(read(MUST(open(NEW ? "text" : "second", O_RDONLY)), buf, 10) >= 0);
		_exit(0);
	}
	if (!strcmp(what, "x-member")) {
		struct epoll_event ev = { EPOLLIN, { 0 } };
		int set = MUST(epoll_create1(0));

		if (NEW)
			MUST(epoll_ctl(set, EPOLL_CTL_ADD, MUST(eventfd(0, 0)), &ev));
	}
	if (!strcmp(what, "x-no-tail")) {
		fd = socket_pair(SOCK_STREAM, &other);
		(void)send(fd, "abcdef", NEW ? 5 : 6, MSG_NOSIGNAL);
		_exit(0);
	}
	if (!strcmp(what, "x-late-byte"))
		in_pieces(1, NEW ? "one two thrEe\n" : "one two three\n", NEW ? 4 : 14);
	if (!strcmp(what, "x-order")) {
		MUST(write(NEW ? 1 : 2, "a\n", 2));
		MUST(write(NEW ? 2 : 1, "a\n", 2));
	}
	if (!strcmp(what, "x-swap")) {
		MUST(write(1, NEW ? "a\n" : "b\n", 2));
		MUST(write(1, NEW ? "b\n" : "a\n", 2));
	}
	if (!strcmp(what, "x-descriptor"))
		MUST(write(NEW ? 2 : 1, "to whom?\n", 9));
	if (!strcmp(what, "x-unlink")) {
		close(MUST(open("victim", O_WRONLY | O_CREAT, 0600)));
		if (NEW)
			MUST(unlink("victim"));
	}
	if (!strcmp(what, "x-file"))
		close(MUST(open(NEW ? "file.new" : "file.old", O_WRONLY | O_CREAT, 0600)));
	if (!strcmp(what, "x-truncate"))
		close(MUST(open("text", O_WRONLY | O_CREAT | (NEW ? O_TRUNC : 0), 0600)));
	if (!strcmp(what, "x-mode"))
		MUST(chmod(".", NEW ? 0755 : 0700));
	if (!strcmp(what, "x-rename")) {
		close(MUST(open("from", O_WRONLY | O_CREAT, 0600)));
		MUST(rename("from", NEW ? "to" : "elsewhere"));
	}
	if (!strcmp(what, "x-mkdir") && NEW)
		MUST(mkdir("extra", 0700));
	if (!strcmp(what, "x-kill")) {
		signal(SIGUSR1, on_signal);
		if (NEW)
			MUST(kill(getpid(), SIGUSR1));
	}
	if (!strcmp(what, "x-option")) {
		fd = socket_pair(SOCK_STREAM, &other);
		on = NEW;
		MUST(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	}
	if (!strcmp(what, "x-datagrams")) {
		fd = socket_pair(SOCK_DGRAM, &other);
		in_pieces(fd, "abcdef", NEW ? 3 : 6);
	}
	if (!strcmp(what, "x-umask"))
		umask(NEW ? 022 : 077);
	if (!strcmp(what, "x-chdir"))
		MUST(chdir(NEW ? "/" : "/tmp"));
	if (!strcmp(what, "x-socket"))
		MUST(socket(NEW ? AF_INET : AF_UNIX, SOCK_STREAM, 0));
	if (!strcmp(what, "x-seek")) {
		fd = text_file();
		MUST(lseek(fd, NEW ? 3 : 5, SEEK_SET));
		MUST(write(fd, "!", 1));
	}
	if (!strcmp(what, "x-fork") && NEW) {
		if (MUST(fork()) == 0)
			_exit(0);
	}
	if (!strcmp(what, "x-flags"))
		MUST(open("text", O_RDWR | O_CREAT | (NEW ? O_APPEND : O_CLOEXEC), 0600));
	if (!strcmp(what, "x-protocol"))
		MUST(socket(AF_INET, NEW ? SOCK_STREAM : SOCK_DGRAM, 0));
	if (!strcmp(what, "x-exit"))
		_exit(NEW ? 3 : 4);
	if (!strcmp(what, "x-random-write"))
		close(MUST(open(NEW ? "/dev/urandom" : "/dev/null", O_WRONLY)));
	if (!strcmp(what, "x-twice")) {
		MUST(write(1, "pay 5\n", 6));
		if (NEW)
			MUST(write(1, "pay 5\n", 6));
	}
}
