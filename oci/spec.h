/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's config.json (OCI runtime specification) as a JSON tree: reading it from a bundle,
 * writing it back, and the questions that the shim and the hook have about it.
 */
#ifndef MX_OCI_SPEC_H
#define MX_OCI_SPEC_H

#include <sys/stat.h>
#include <sys/types.h>

#include "oci/json.h"

#define SPEC_PREFIX   "io.mx."
#define SPEC_MX_DIR   "/.mx"
#define SPEC_OLD_ROOT "/.mx/root"
/* Set in a config.json that the shim has edited: the name of the container's state directory. */
#define SPEC_STATE_MARK "io.mx.internal.state"

/*
 * Reads @name (normally config.json) of the bundle. Where the file is one that spec_save() has
 * written (*@ret_edited), the original is read, so that editing is done once however often a bundle
 * is used.
 */
MUST_CHECK int spec_load(const char *bundle, const char *name, struct json **ret_spec,
	bool *ret_edited, struct err *err);
/*
 * Whether the file's bytes have @text in them, whatever else they are: for a file that spec_load()
 * could not read. False if it cannot be read at all.
 */
bool spec_mentions(const char *bundle, const char *name, const char *text);
/* Keeps the file as it is beside it, unless it is @edited, and replaces it atomically. @ret_saved
 * tells the new one from others. */
MUST_CHECK int spec_save(const char *bundle, const char *name, const struct json *spec, bool edited,
	struct stat *ret_saved, struct err *err);
/*
 * Puts what was kept in its place again, once the runtime has read the edited file: engines read it
 * too, and tell (podman inspect) and give (podman exec) what they find there. Only the kept file is
 * removed where somebody else has replaced the edited one.
 */
MUST_CHECK int spec_restore(
	const char *bundle, const char *name, const struct stat *saved, struct err *err);

/* The annotation's text, or NULL. */
const char *spec_annotation(const struct json *spec, const char *key);
/* Whether an annotation of this container begins with io.mx; one that names another container of
 * the pod is none. */
bool spec_asks_for_mx(const struct json *spec);
/* What the container is called in its pod; NULL: it is in none, or the engine does not tell. */
const char *spec_container_name(const struct json *spec);
/* A pause container, which holds a pod's namespaces and runs nothing of the user's. */
bool spec_is_sandbox(const struct json *spec);
/* Is the container's process the first one of a pid namespace of its own? */
bool spec_has_own_pids(const struct json *spec);
/* The value of an environment variable of the process, or NULL. */
const char *spec_env(const struct json *spec, const char *name);
/* The mount whose destination is @path (trailing slashes do not count), or NULL. */
struct json *spec_mount_at(const struct json *spec, const char *path);

/* Whether the seccomp profile lets the call through whatever its arguments. */
bool spec_seccomp_allows(const struct json *spec, const char *call);
/* Makes the profile let @call through. */
MUST_CHECK int spec_seccomp_allow(struct json *spec, const char *call, struct err *err);

/*
 * Adds @cap to the sets that carry it over execve() to the process' user: bounding, permitted and
 * effective, and for another user than root inheritable and ambient. *@ret_added tells whether any
 * set lacked it.
 */
MUST_CHECK int spec_add_capability(
	struct json *spec, const char *cap, bool *ret_added, struct err *err);

/* The process' user as the shim's own user namespace sees it. */
MUST_CHECK int spec_host_user(
	const struct json *spec, uid_t *ret_uid, gid_t *ret_gid, struct err *err);

#endif
