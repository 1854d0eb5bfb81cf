/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of descriptors: dup, dup2, dup3, F_DUPFD, close, close_range, close-on-exec, flags,
 * offsets. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

int main(void)
{
	int a = MUST(open("descriptors.txt", O_RDWR | O_CREAT | O_TRUNC, 0600)), b, c, d, m;
	char text[32] = "", path[64];
	struct stat st;

	setvbuf(stdout, NULL, _IOLBF, 0);
	b = MUST(dup(a));
	c = MUST(fcntl(a, F_DUPFD_CLOEXEC, 50));
	d = MUST(dup3(a, 77, O_CLOEXEC));
	printf("%d %d %d %d\n", a, b, c, d);
	MUST(write(a, "abc", 3));
	MUST(write(b, "def", 3));
	MUST(pwrite(c, "X", 1, 1));
	SEE(lseek(d, 0, SEEK_CUR) == 6);
	MUST(pread(a, text, 6, 0));
	puts(text);
	SEE(fcntl(c, F_GETFD) == FD_CLOEXEC && fcntl(b, F_GETFD) == 0);
	MUST(fcntl(b, F_SETFL, O_APPEND | O_NONBLOCK));
	SEE((fcntl(a, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
	close(b);
	printf("again %ld\n", MUST(open("/dev/null", O_RDONLY)));
	MUST(close_range(50, 100, 0));
	SEE(fcntl(c, F_GETFD) == -1 && errno == EBADF);
	SEE(fcntl(d, F_GETFD) == -1 && errno == EBADF);
	SEE(close(d) == -1 && errno == EBADF);
	m = MUST(memfd_create("name", MFD_CLOEXEC));
	MUST(ftruncate(m, 100));
	MUST(fstat(m, &st));
	SEE(st.st_size == 100);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m);
	SEE(readlink(path, text, sizeof(text)) > 0);
	/* Only what is not close-on-exec is there after it. */
	MUST(fcntl(a, F_SETFD, FD_CLOEXEC));
	fflush(stdout);
	execl("/bin/sh", "sh", "-c", "ls /proc/self/fd | wc -l; exit 9", NULL);
	return 1;
}
