/* SPDX-License-Identifier: Apache-2.0 */
#include "mxm/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "mxm/files.h"

/* As the kernel reads it: BINPRM_BUF_SIZE, and how many interpreters stand for one another. */
#define HEAD_SIZE	 256
#define INTERPRETERS_MAX 5

static size_t read_head(const char *path, char head[static HEAD_SIZE])
{
	cleanup_close int fd = -1;
	struct stat st;
	ssize_t n = -1;

	/* Another kind of file notices that it is opened. */
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		n = pread(fd, head, HEAD_SIZE - 1, 0);
	head[n > 0 ? n : 0] = '\0';
	return n > 0 ? n : 0;
}

static bool is_foreign(const char *head, size_t len)
{
	Elf32_Half machine;

	if (len < sizeof(Elf32_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
		head[EI_CLASS] != ELFCLASS32)
		return false;
	memcpy(&machine, head + offsetof(Elf32_Ehdr, e_machine), sizeof(machine));
	return machine == EM_386 || machine == EM_X86_64;
}

/* "#! /bin/sh -e": "/bin/sh"; false: it is no script. */
static bool interpreter_of(char *head, const char **ret_name)
{
	char *name;

	if (head[0] != '#' || head[1] != '!')
		return false;
	name = head + 2 + strspn(head + 2, " \t");
	name[strcspn(name, " \t\n")] = '\0';
	*ret_name = name;
	return name[0] == '/';
}

bool program_is_foreign(const char *root, const char *path)
{
	char head[HEAD_SIZE], place[FILES_PLACE_SIZE];
	const char *name;

	for (int i = 0; i <= INTERPRETERS_MAX; i++) {
		size_t n = read_head(path, head);

		if (is_foreign(head, n))
			return true;
		if (!interpreter_of(head, &name))
			return false;
		snprintf(place, sizeof(place), "%s%s", root, name);
		path = place;
	}
	return false;
}

bool program_is_script(const char *path)
{
	char head[HEAD_SIZE];
	const char *name;

	return read_head(path, head) && interpreter_of(head, &name);
}

bool program_of_task_is_foreign(struct task *task)
{
	const bool at = task->call.nr == SYS_execveat;
	const int dirfd = at ? (int)task->call.args[0] : AT_FDCWD;
	cleanup_str struct str name = STR_INIT;
	char path[FILES_PLACE_SIZE], root[64];

	if (tracee_read_str(&task->tracee, raddr(task->call.args[at]), PATH_MAX, &name) < 0)
		return false;
	if (name.len)
		files_place(task, dirfd, str_text(&name), path);
	else
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", task->tracee.tid, dirfd);
	snprintf(root, sizeof(root), "/proc/%d/root", task->tracee.tid);
	return program_is_foreign(root, path);
}
