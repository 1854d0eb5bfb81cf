/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/io.h"
#include "base/xalloc.h"
#include "oci/config.h"
#include "oci/state.h"

#define ARCH_SET_CPUID 0x1012 /* asm/prctl.h */
#define OUTPUT_MAX     65536
#define TRIAL_SECONDS  20

void findings_add(
	struct findings *f, const char *topic, enum finding_level level, const char *fmt, ...)
{
	struct finding *item;
	char *text = NULL;
	va_list ap;

	f->items = xreallocarray(f->items, f->count + 1, sizeof(*f->items));
	item = &f->items[f->count++];
	*item = (struct finding){ .topic = topic, .level = level };
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	str_puts(&item->text, text ? text : "");
	free(text);
}

void findings_free(struct findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		str_free(&f->items[i].text);
	free(f->items);
	*f = (struct findings){ 0 };
}

static bool read_line(const char *path, char *buf, size_t size)
{
	cleanup_str struct str text = STR_INIT;

	if (io_read_file(path, size - 1, &text, NULL) < 0)
		return false;
	snprintf(buf, size, "%s", str_text(&text));
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

static void check_kernel(struct findings *f)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	if (strcmp(u.machine, "x86_64") != 0)
		findings_add(f, "processor", FINDING_BAD, "%s: MX knows x86_64 only", u.machine);
	if (sscanf(u.release, "%d.%d", &major, &minor) != 2)
		findings_add(
			f, "kernel", FINDING_LESS, "%s: not a version that is known", u.release);
	else if (major < 5 || (major == 5 && minor < 9))
		findings_add(f, "kernel", FINDING_BAD,
			"Linux %s: descriptors are given to a follower by a seccomp notification, "
			"which needs 5.9",
			u.release);
	else
		findings_add(f, "kernel", FINDING_GOOD, "Linux %s", u.release);
}

static void check_seccomp(struct findings *f)
{
	char text[256];

	if (!read_line("/proc/sys/kernel/seccomp/actions_avail", text, sizeof(text)))
		findings_add(
			f, "seccomp", FINDING_LESS, "the kernel does not say what filters can do");
	else if (!strstr(text, "trace") || !strstr(text, "user_notif"))
		findings_add(f, "seccomp", FINDING_BAD,
			"filters can do \"%s\" only; trace and user_notif are needed", text);
	else
		findings_add(f, "seccomp", FINDING_GOOD, "filters can trace and notify");
}

static void check_yama(struct findings *f)
{
	char text[16];

	if (!read_line("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)))
		findings_add(f, "ptrace", FINDING_GOOD, "not restricted by Yama");
	else if (text[0] == '3' || (text[0] == '2' && geteuid() != 0))
		findings_add(f, "ptrace", FINDING_BAD,
			"kernel.yama.ptrace_scope is %s: nobody may trace even children; set it to "
			"1 "
			"or 0",
			text);
	else
		findings_add(f, "ptrace", FINDING_GOOD,
			"kernel.yama.ptrace_scope is %s: children may be traced", text);
}

static void check_memory_access(struct findings *f)
{
	char a = 1, b = 0;
	struct iovec to = { &b, 1 }, from = { &a, 1 };

	if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1)
		findings_add(f, "memory access", FINDING_GOOD, "process_vm_readv");
	else
		findings_add(f, "memory access", FINDING_LESS,
			"process_vm_readv is refused (%s): /proc/PID/mem is used, which is slower",
			strerror(errno));
}

static void check_getfd(struct findings *f)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	cleanup_close int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, pidfd, 0);

	if (fd >= 0)
		findings_add(f, "descriptors", FINDING_GOOD, "pidfd_getfd");
	else
		findings_add(f, "descriptors", FINDING_LESS,
			"pidfd_getfd is refused (%s): the leader sends them over a socket, which "
			"is "
			"slower",
			strerror(errno));
}

/* What @fn finds in a child of its own: 0, or an errno. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return EAGAIN;
	return WEXITSTATUS(status);
}

static int hide_cpuid(void)
{
	return syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) < 0 ? errno : 0;
}

static int hide_tsc(void)
{
	return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) < 0 ? errno : 0;
}

static int fix_layout(void)
{
	return personality(ADDR_NO_RANDOMIZE) < 0 ? errno : 0;
}

static void check_chance(struct findings *f)
{
	int code = in_child(hide_cpuid);

	if (code)
		findings_add(f, "rdrand", FINDING_LESS,
			"CPUID cannot be made to fault (%s): a program that uses rdrand itself "
			"gets "
			"other numbers in each version",
			strerror(code));
	else
		findings_add(f, "rdrand", FINDING_GOOD, "can be hidden");
	code = in_child(hide_tsc);
	if (code)
		findings_add(f, "rdtsc", FINDING_LESS,
			"the time stamp counter cannot be made to fault (%s): versions see other "
			"times",
			strerror(code));
	else
		findings_add(f, "rdtsc", FINDING_GOOD, "can be made the same for all");
	code = in_child(fix_layout);
	if (code)
		findings_add(f, "addresses", FINDING_LESS,
			"personality is refused (%s): programs that use addresses as random "
			"numbers "
			"differ",
			strerror(code));
	else
		findings_add(f, "addresses", FINDING_GOOD, "can be made the same for all");
}

static void check_cpus(struct findings *f)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;

	if (n == 1)
		findings_add(f, "processors", FINDING_LESS,
			"one: two versions that compute take twice the time");
	else
		findings_add(f, "processors", FINDING_GOOD, "%d", n);
}

/* Runs @mx as two versions of itself; its output, or why not. */
static bool try_run(const char *mx, const char *option, struct str *out)
{
	char seconds[16];
	int pipefd[2], status;
	pid_t pid;
	bool ok;

	snprintf(seconds, sizeof(seconds), "%d", TRIAL_SECONDS);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		dup2(pipefd[1], STDOUT_FILENO);
		dup2(pipefd[1], STDERR_FILENO);
		alarm(TRIAL_SECONDS);
		execl(mx, "mx", "run", "--patience", seconds, option, mx, mx, "--", "--version",
			(char *)NULL);
		_exit(127);
	}
	close(pipefd[1]);
	if (pid < 0 || io_read_fd(pipefd[0], OUTPUT_MAX, out, NULL) < 0)
		str_puts(out, "no output");
	close(pipefd[0]);
	ok = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	     WEXITSTATUS(status) == 0;
	return ok && str_starts(str_text(out), "mx ");
}

static void check_trial(struct findings *f, const char *mx)
{
	static const struct {
		const char *option, *topic, *what;
	} trials[] = {
		{ "--sync=barrier", "trial", "two versions run as one" },
		{ "--least-privilege", "trial, strict",
			"also with what strict container profiles leave" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		cleanup_str struct str out = STR_INIT;

		if (try_run(mx, trials[i].option, &out))
			findings_add(f, trials[i].topic, FINDING_GOOD, "%s", trials[i].what);
		else
			findings_add(f, trials[i].topic, i ? FINDING_LESS : FINDING_BAD,
				"mx run fails: %.500s", str_text(&out));
	}
}

void doctor_engine(struct findings *f, const char *mx)
{
	check_kernel(f);
	check_seccomp(f);
	check_yama(f);
	check_memory_access(f);
	check_getfd(f);
	check_chance(f);
	check_cpus(f);
	check_trial(f, mx);
}

static void check_program(struct findings *f, const char *topic, const char *path)
{
	if (!path)
		findings_add(f, topic, FINDING_BAD,
			"not found beside mx; containers need it (mx.conf can name it)");
	else if (access(path, X_OK) < 0)
		findings_add(f, topic, FINDING_BAD, "%s: %s", path, strerror(errno));
	else
		findings_add(f, topic, FINDING_GOOD, "%s", path);
}

static void check_filesystem(struct findings *f)
{
	cleanup_str struct str text = STR_INIT;
	long fd = syscall(SYS_open_tree, -1, "", 0);

	if (io_read_file("/proc/filesystems", OUTPUT_MAX, &text, NULL) == 0 &&
		strstr(str_text(&text), "\toverlay\n"))
		findings_add(f, "overlay", FINDING_GOOD, "the kernel has it");
	else
		findings_add(f, "overlay", FINDING_BAD,
			"the kernel has no overlay file system (or its module is not loaded): the "
			"old "
			"version's root is made of one");
	if (fd < 0 && errno == ENOSYS)
		findings_add(f, "mounts", FINDING_BAD, "the kernel has no open_tree (5.2)");
}

/* crun refuses a hybrid of cgroup v1 and v2 that lacks this controller's mount. */
static void check_cgroups(struct findings *f, const char *delegate)
{
	struct stat st;

	if (!delegate || !strstr(delegate, "crun") || access("/sys/fs/cgroup/unified", F_OK) < 0 ||
		stat("/sys/fs/cgroup/hugetlb", &st) == 0)
		return;
	findings_add(f, "cgroups", FINDING_LESS,
		"a hybrid of v1 and v2 without hugetlb: crun may refuse it; mount -t cgroup -o "
		"hugetlb "
		"cgroup /sys/fs/cgroup/hugetlb");
}

static void check_state(struct findings *f)
{
	cleanup_free char *dir = NULL;
	struct err err;

	if (state_run_dir(&dir, &err) < 0)
		findings_add(f, "state", FINDING_BAD, "%s", err.text);
	else
		findings_add(f, "state", FINDING_GOOD, "of containers is in %s", dir);
}

static void check_engines(struct findings *f)
{
	static const char *const names[] = { "podman", "docker", "containerd", "crio", "nerdctl" };
	static const char *const dirs[] = { "/usr/bin", "/usr/sbin", "/usr/local/bin" };
	cleanup_str struct str found = STR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(dirs); k++) {
			cleanup_free char *path = xasprintf("%s/%s", dirs[k], names[i]);

			if (access(path, X_OK) != 0)
				continue;
			str_printf(&found, "%s%s", found.len ? ", " : "", names[i]);
			break;
		}
	}
	if (found.len)
		findings_add(f, "container engines", FINDING_GOOD, "%s", str_text(&found));
	else
		findings_add(f, "container engines", FINDING_LESS,
			"none is installed; mx run works without");
}

void doctor_containers(struct findings *f, const char *mx_conf)
{
	cleanup_config struct config config = { 0 };
	struct err err;

	check_engines(f);
	if (config_load(mx_conf, &config, &err) < 0) {
		findings_add(f, "mx.conf", FINDING_BAD, "%s", err.text);
		return;
	}
	findings_add(f, "mx.conf", FINDING_GOOD, "%s",
		access(mx_conf ? mx_conf : CONFIG_PATH, F_OK) == 0 ? "is valid" : "there is none");
	check_program(f, "delegate", config.delegate);
	check_program(f, "mx-hook", config.hook);
	check_filesystem(f);
	check_cgroups(f, config.delegate);
	check_state(f);
}
