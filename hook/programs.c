/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "oci/resolve.h"

/* As the kernel: a script whose interpreter is a script, and so on, this often. */
#define SCRIPTS_MAX	4
#define SCRIPT_LINE_MAX 256

void program_free(struct program *p)
{
	free(p->path);
	if (p->fd >= 0)
		close(p->fd);
	p->path = NULL;
	p->fd = -1;
}

/* Opens a regular file, with any of the permissions @mode. Nothing else is opened for reading. */
static int open_regular(int root, const char *path, mode_t mode, int *ret_fd, struct err *err)
{
	cleanup_close int at = -1;
	cleanup_free char *self = NULL;
	struct stat st;
	int fd, rc = resolve_open(root, path, O_PATH, &at, err);

	if (rc < 0)
		return rc;
	if (fstat(at, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || !(st.st_mode & mode))
		return err_set(err, EACCES, "%s: permission denied", path);
	self = xasprintf("/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	*ret_fd = fd;
	return 0;
}

static int open_executable(int root, const char *path, int *ret_fd, struct err *err)
{
	return open_regular(root, path, 0111, ret_fd, err);
}

int library_open(int root, const char *path, int *ret_fd, struct err *err)
{
	return open_regular(root, path, 0444, ret_fd, err);
}

/* Engines know crun's words for it, and give the exit status 127. */
static int not_found(const char *name, struct err *err)
{
	return err_errno(err, ENOENT, "executable file `%s` not found in $PATH", name);
}

static int search_path(int root, const struct plan *plan, const char *name,
	struct program *ret_program, struct err *err)
{
	struct err last = { 0 };
	const char *at = plan->path;

	/* Without a PATH crun and runc look nowhere. */
	if (!at[0])
		return not_found(name, err);
	for (;;) {
		size_t len = strcspn(at, ":");
		/* An empty entry of PATH is the working directory. */
		cleanup_free char *dir = len ? xstrndup(at, len) : xstrdup(".");
		cleanup_free char *path = dir[0] == '/'
						  ? xasprintf("%s/%s", dir, name)
						  : xasprintf("%s/%s/%s", plan->cwd, dir, name);
		int fd, rc = open_executable(root, path, &fd, &last);

		if (rc == 0) {
			ret_program->path = take_ptr(path);
			ret_program->fd = fd;
			return 0;
		}
		if (rc == -EACCES)
			err_set(err, EACCES, "%s", last.text);
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	if (err->code == EACCES)
		return -EACCES;
	return not_found(name, err);
}

static int look_up(int root, const struct plan *plan, const char *name, struct program *ret_program,
	struct err *err)
{
	cleanup_free char *path = NULL;
	int rc, fd;

	if (name[0] == '\0')
		return not_found(name, err);
	if (!strchr(name, '/'))
		return search_path(root, plan, name, ret_program, err);
	path = name[0] == '/' ? xstrdup(name) : xasprintf("%s/%s", plan->cwd, name);
	rc = open_executable(root, path, &fd, err);
	if (rc == -ENOENT)
		return not_found(name, err);
	if (rc < 0)
		return rc;
	ret_program->path = take_ptr(path);
	ret_program->fd = fd;
	return 0;
}

/* The interpreter that a script names, or NULL if the file is no script. */
static char *script_interpreter(int fd)
{
	char line[SCRIPT_LINE_MAX + 1], *at;
	ssize_t n = pread(fd, line, SCRIPT_LINE_MAX, 0);

	if (n < 2 || line[0] != '#' || line[1] != '!')
		return NULL;
	line[n] = '\0';
	at = line + 2 + strspn(line + 2, " \t");
	return xstrndup(at, strcspn(at, " \t\r\n"));
}

static int check_interp(int root, const struct program *p, struct err *err)
{
	cleanup_free char *interp = NULL;
	cleanup_free char *ignored = NULL;
	cleanup_close int fd = -1;
	int rc = elf_check(p->fd, p->path, &interp, err);

	if (rc < 0 || !interp)
		return rc;
	rc = open_executable(root, interp, &fd, err);
	if (rc == 0)
		rc = elf_check(fd, interp, &ignored, err);
	return rc < 0 ? err_context(err, "%s: its interpreter", p->path) : 0;
}

int program_find(int root, const struct plan *plan, const char *name, struct program *ret_program,
	struct err *err)
{
	cleanup_program struct program p = { .fd = -1 };
	int rc = look_up(root, plan, name, &p, err);

	for (int i = 0; rc == 0; i++) {
		cleanup_free char *interp = script_interpreter(p.fd);
		cleanup_free char *script = NULL;

		if (!interp)
			break;
		if (i == SCRIPTS_MAX)
			return err_set(err, ELOOP, "%s: too many interpreters", p.path);
		script = xstrdup(p.path);
		program_free(&p);
		/* The kernel takes the name as it is: relative to the working directory. */
		rc = interp[0] ? 0 : err_set(err, ENOEXEC, "no interpreter is named");
		if (rc == 0 && !strchr(interp, '/')) {
			cleanup_free char *here = xasprintf("./%s", interp);

			rc = look_up(root, plan, here, &p, err);
		} else if (rc == 0) {
			rc = look_up(root, plan, interp, &p, err);
		}
		if (rc < 0)
			return err_context(err, "script %s", script);
	}
	if (rc == 0)
		rc = check_interp(root, &p, err);
	if (rc < 0)
		return rc;
	*ret_program = p;
	p = (struct program){ .fd = -1 };
	return 0;
}
