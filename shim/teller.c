/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/teller.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "ctl/notify.h"
#include "oci/state.h"

static bool is_wanted(const struct config *config)
{
	return config->events_exec || config->events_webhook;
}

int teller_check(const struct config *config, struct err *err)
{
	int rc = config->events_webhook ? notify_check_webhook(config->events_webhook, err) : 0;

	if (rc < 0)
		return err_context(err, "mx.conf: events-webhook");
	if (config->events_exec && access(config->events_exec, X_OK) < 0)
		return err_errno(err, errno, "mx.conf: events-exec: %s", config->events_exec);
	return 0;
}

static void put_names(const struct json *list, struct str *out)
{
	for (size_t i = 0; i < json_count(list); i++)
		str_printf(out, "%s%s", i ? "," : "", json_string(json_at(list, i)));
}

/* No argument is a word of the container's. */
static void put_args(const struct config *config, const char *control, const char *within,
	const char *only, const char **argv)
{
	*argv++ = "mx";
	*argv++ = "events";
	*argv++ = "--follow";
	*argv++ = "--attend";
	*argv++ = "--control";
	*argv++ = control;
	*argv++ = "--within";
	*argv++ = within;
	if (config->events_exec) {
		*argv++ = "--exec";
		*argv++ = config->events_exec;
	}
	if (config->events_webhook) {
		*argv++ = "--webhook";
		*argv++ = config->events_webhook;
	}
	if (config->events_only) {
		*argv++ = "--only";
		*argv++ = only;
	}
	*argv = NULL;
}

static _Noreturn void be_teller(const char *engine, const char **argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	/* The shim's descriptors are the container's, and whoever reads them waits for their end.
	 */
	if (null < 0 || chdir("/") < 0)
		_exit(126);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(engine, (char *const *)argv);
	_exit(127);
}

int teller_start(const struct config *config, const char *state, struct err *err)
{
	cleanup_free char *control = xasprintf("%s/" STATE_CONTROL, state);
	cleanup_free char *within = xasprintf("%lld", config->events_within);
	cleanup_str struct str only = STR_INIT;
	const char *argv[16];
	int status;
	pid_t pid;

	if (!is_wanted(config))
		return 0;
	put_names(config->events_only, &only);
	put_args(config, control, within, str_text(&only), argv);
	pid = fork();
	if (pid == 0) {
		/* Its parent ends at once: it is adopted, as the container's first process is. */
		if (setsid() < 0)
			_exit(1);
		pid = fork();
		if (pid == 0)
			be_teller(config->engine, argv);
		_exit(pid < 0);
	}
	if (pid < 0)
		return err_errno(err, errno, "fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? err_set(err, EAGAIN, "mx events could not be started") : 0;
}
