/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/sealed.h"
#include "base/xalloc.h"
#include "tap.h"

static bool same_bytes(const char *path, int fd)
{
	cleanup_str struct str a = STR_INIT, b = STR_INIT;
	struct err err;

	return lseek(fd, 0, SEEK_SET) == 0 && io_read_file(path, 1 << 24, &a, &err) == 0 &&
	       io_read_fd(fd, 1 << 24, &b, &err) == 0 && a.len == b.len &&
	       memcmp(a.data, b.data, a.len) == 0;
}

static int run(int fd)
{
	char *const argv[] = { (char *)"true", NULL };
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		fexecve(fd, argv, environ);
		_exit(126);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void put(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || io_write_all(fd, text, len) < 0 || fchmod(fd, mode) < 0)
		abort();
	close(fd);
}

static void test_sealed(const char *folder)
{
	static char large[3 << 20] = "\177ELF";
	cleanup_free char *path = xasprintf("%s/program", folder);
	int fd = sealed_copy("/bin/true");

	if (!ok(fd >= 0, "a program is copied"))
		return;
	ok(same_bytes("/bin/true", fd), "all of it");
	/* These and no other: cloned_binary.c of crun and runc. */
	is_int(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
		"with the seals that runtimes look for");
	ok(write(fd, "x", 1) < 0, "it cannot be written to");
	is_int(run(fd), 0, "it runs");
	close(fd);
	put(path, "#!/bin/sh\n", 10, 0755);
	is_int(sealed_copy(path), -1, "a script is none: its interpreter could not open it");
	put(path, large, 4096, 0644);
	is_int(sealed_copy(path), -1, "nor is what may not be executed");
	put(path, large, sizeof(large), 0755);
	is_int(sealed_copy(path), -1, "nor what is so large that copying is slower");
	put(path, large, 4096, 04755);
	is_int(sealed_copy(path), -1, "nor what runs as another user");
	is_int(sealed_copy(folder), -1, "nor a folder");
	is_int(sealed_copy("/nowhere"), -1, "nor what is not there");
}

int main(void)
{
	test_sealed(tap_folder());
	return tap_done();
}
