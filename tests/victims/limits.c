/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits, session and group, umask, working folder, environment, priorities. */
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

int main(void)
{
	struct rlimit files, stack;
	struct stat st;
	char cwd[4096];

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(getrlimit(RLIMIT_STACK, &stack));
	printf("stack %ld\n", (long)stack.rlim_cur);
	MUST(getrlimit(RLIMIT_NOFILE, &files));
	files.rlim_cur = 16;
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	int n = 0;
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	printf("%d more, then %s\n", n, strerror(errno));
	for (int i = 3; i < 16; i++)
		close(i);
	umask(027);
	close(MUST(open("masked", O_CREAT | O_WRONLY, 0666)));
	MUST(stat("masked", &st));
	printf("%o\n", st.st_mode & 0777);
	MUST(mkdir("below", 0777));
	MUST(chdir("below"));
	close(MUST(open("../up", O_CREAT | O_WRONLY, 0600)));
	SEE(getcwd(cwd, sizeof(cwd)) && strstr(cwd, "/below"));
	MUST(setpriority(PRIO_PROCESS, 0, 5));
	printf("%d\n", getpriority(PRIO_PROCESS, 0));
	SEE(sched_yield() == 0);
	fflush(stdout);
	if (MUST(fork()) == 0) {
		MUST(setsid());
		SEE(getsid(0) == getpid());
		SEE(open("/dev/tty", O_RDWR) == -1);
		struct rlimit core = { 0, 0 };
		MUST(setrlimit(RLIMIT_CORE, &core));
		fflush(stdout);
		abort();
	}
	int status;
	MUST(wait(&status));
	printf("aborted %d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	return 0;
}
