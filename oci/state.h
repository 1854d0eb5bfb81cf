/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's state on the host. RUN/<key>/<id>/ is a small file system of its own (tmpfs), so
 * that a container that fills it harms nobody else:
 *
 *     about.json what the container is called, for people who look for it by name
 *     plan.json  what the hook has to do; not visible in the container
 *     config/    seen read-only at /.mx/config: the map, rule files, arguments
 *     state/     seen writable at /.mx/state, owned by the container's user: the event log and the
 *                engine's control socket
 *
 * RUN is /run/mx for root and $XDG_RUNTIME_DIR/mx for a rootless engine. The key stands for the
 * runtime's --root, because two engines may use the same id.
 */
#ifndef MX_OCI_STATE_H
#define MX_OCI_STATE_H

#include <sys/types.h>

#include "oci/config.h"

#define STATE_LOG     "state/events.jsonl"
#define STATE_CONTROL "state/control"
#define STATE_PLAN    "plan.json"
#define STATE_FAILURE "failure"
#define STATE_ABOUT   "about.json"

/* RUN itself. */
MUST_CHECK int state_run_dir(char **ret_dir, struct err *err);
/* -EINVAL for an id that is no plain file name. */
MUST_CHECK int state_path(const char *root, const char *id, char **ret_path, struct err *err);
/* As state_path(), from the mark that the shim leaves in config.json ("key/id"). */
MUST_CHECK int state_path_by_mark(const char *mark, char **ret_path, struct err *err);
/* The text of that mark. */
char *state_mark(const char *root, const char *id);
bool state_exists(const char *path);

/*
 * Holds the state, as the one who is making the container, until *@ret_fd is closed: 1, or 0 if
 * somebody else holds it. While nobody does, a state whose container the delegate does not know is
 * left over from one that was killed at a bad moment.
 */
MUST_CHECK int state_hold(const char *path, int *ret_fd, struct err *err);

/*
 * Makes the folder and mounts its file system of @size bytes (not where the caller may not mount:
 * then the container's user is the caller, and can harm only himself). What an earlier container
 * of this id has left is removed first. @uid and @gid own state/.
 */
MUST_CHECK int state_create(
	const char *path, long long size, uid_t uid, gid_t gid, struct err *err);
/* Keeps the event log in the log folder, as the newest of @config->keep_logs, and removes all. */
MUST_CHECK int state_remove(const char *path, const struct config *config, struct err *err);

/* Where the logs of containers that are gone are kept. */
MUST_CHECK int state_log_dir(const struct config *config, char **ret_dir, struct err *err);
/* Where maps of pairs of programs are kept. */
MUST_CHECK int state_cache_dir(const struct config *config, char **ret_dir, struct err *err);

#endif
