/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "oci/edit.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "shim/about.h"
#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"
#include "shim/teller.h"

#define FAILURE_MAX 4096

struct job {
	const struct cmdline *line;
	const struct config *config;
	struct options options;
	struct json *spec;
	bool edited; /* the file was the shim's already, of a start that was broken off */
	bool is_saved;
	struct stat saved; /* what it is now */
	char *bundle;	   /* absolute */
	char *config_name;
	const char *config_dir; /* of config_name: the bundle, or "" where the name is a path */
	char *state;		/* set once the container's state exists */
	int hold;		/* on it, until the container is there; -1 */
};

static void job_free(struct job *job)
{
	options_free(&job->options);
	json_free(job->spec);
	free(job->bundle);
	free(job->config_name);
	free(job->state);
	if (job->hold >= 0)
		close(job->hold);
}

/*
 * Where an operator has set a default place for the old root, a mount there asks for MX as an
 * annotation does. That is for engines without annotations, and spares pods from having any.
 */
static bool has_default_old(const struct json *spec, const struct config *config)
{
	const char *old = json_string(json_get(config->defaults, "old"));

	return old && spec_mount_at(spec, old);
}

/*
 * A config.json that MX cannot read is for the delegate to judge, which may read it: it must not
 * run one version alone because its wish for two was not understood.
 */
static bool may_ask_for_mx(const struct job *job)
{
	const char *old = json_string(json_get(job->config->defaults, "old"));

	return spec_mentions(job->config_dir, job->config_name, SPEC_PREFIX) ||
	       (old && spec_mentions(job->config_dir, job->config_name, old));
}

/* Whether the container is MX's: 1, 0, or an error where that cannot be told. */
static int is_ours(struct job *job, struct err *err)
{
	struct err own = { 0 };

	job->bundle = realpath(job->line->bundle ? job->line->bundle : ".", NULL);
	/* As crun: another name is one in the caller's working directory. */
	job->config_name = job->line->config_name ? realpath(job->line->config_name, NULL)
						  : xstrdup("config.json");
	if (!job->bundle || !job->config_name || !job->line->id)
		return 0;
	job->config_dir = job->config_name[0] == '/' ? "" : job->bundle;
	if (spec_load(job->config_dir, job->config_name, &job->spec, &job->edited, &own) < 0)
		return may_ask_for_mx(job) ? err_set(err, own.code, "%s", own.text) : 0;
	if (spec_is_sandbox(job->spec))
		return 0;
	return spec_asks_for_mx(job->spec) || has_default_old(job->spec, job->config);
}

static int check_parts(const struct config *config, struct err *err)
{
	if (!config->engine)
		return err_set(
			err, ENOENT, "the engine, mx, is not installed; mx.conf can name it");
	if (!config->hook)
		return err_set(
			err, ENOENT, "the hook, mx-hook, is not installed; mx.conf can name it");
	return teller_check(config, err);
}

/*
 * What there is of an earlier container of this id. One that the delegate has, or that somebody is
 * making, is in the way; what one has left that was killed at a bad moment is not.
 */
static int clear_state(const struct job *job, const char *state, struct err *err)
{
	cleanup_close int hold = -1;
	int rc, free_now;

	if (access(state, F_OK) < 0)
		return 0;
	free_now = state_hold(state, &hold, err);
	if (free_now < 0)
		return free_now;
	if (free_now && !state_exists(state))
		return 0;
	rc = free_now ? delegate_knows(job->config, job->line, err) : 1;
	if (rc < 0)
		return rc;
	if (rc > 0)
		return err_set(err, EEXIST, "container %s exists already", job->line->id);
	report_warning("the state of an earlier container of this id was left over, and is gone");
	return state_remove(state, job->config, err);
}

static int make_state(struct job *job, const char *state, uid_t uid, gid_t gid, struct err *err)
{
	int rc = clear_state(job, state, err), held;

	if (rc == 0)
		rc = state_create(state, job->config->state_size, uid, gid, err);
	if (rc < 0)
		return rc;
	held = state_hold(state, &job->hold, err);
	if (held < 0)
		return held;
	if (held == 0)
		return err_set(err, EEXIST, "container %s exists already", job->line->id);
	job->state = xstrdup(state);
	return 0;
}

static int prepare(struct job *job, struct err *err)
{
	const struct cmdline *line = job->line;
	cleanup_free char *state = NULL;
	cleanup_free char *mark = state_mark(line->root, line->id);
	struct edit edit;
	uid_t uid = 0;
	gid_t gid = 0;
	int rc = check_parts(job->config, err);

	if (rc == 0)
		rc = options_load(job->spec, job->config, &job->options, err);
	if (rc == 0)
		rc = edit_check(job->spec, &job->options, err);
	if (rc == 0)
		rc = spec_host_user(job->spec, &uid, &gid, err);
	if (rc == 0)
		rc = state_path(line->root, line->id, &state, err);
	if (rc < 0)
		return rc;
	rc = make_state(job, state, uid, gid, err);
	if (rc == 0)
		rc = about_write(job->state, job->spec, err);
	if (rc < 0)
		return rc;
	edit = (struct edit){
		.config = job->config,
		.config_path = line->mx_conf,
		.options = &job->options,
		.bundle = job->bundle,
		.state = job->state,
		.mark = mark,
	};
	rc = edit_spec(job->spec, &edit, err);
	if (rc == 0)
		rc = spec_save(job->config_dir, job->config_name, job->spec, job->edited,
			&job->saved, err);
	job->is_saved = rc == 0;
	return rc;
}

/* What the hook could not do, in its own words: a runtime only says that some hook failed. */
static bool read_failure(const char *state, struct str *ret_text)
{
	cleanup_free char *path = xasprintf("%s/" STATE_FAILURE, state);
	struct err ignored;

	return io_read_file(path, FAILURE_MAX, ret_text, &ignored) == 0 && ret_text->len > 0;
}

static void forget(struct job *job)
{
	struct err err = { 0 };

	if (job->state && state_remove(job->state, job->config, &err) < 0)
		report_warning(err.text);
}

static void restore(struct job *job)
{
	struct err err = { 0 };

	if (job->is_saved && spec_restore(job->config_dir, job->config_name, &job->saved, &err) < 0)
		report_warning(err.text);
	job->is_saved = false;
}

static int fail(struct job *job, off_t mark, const char *text)
{
	cleanup_free char *full = xasprintf("mx: %s", text);

	report_error(job->line, mark, full);
	forget(job);
	return 1;
}

/*
 * The engine gives the versions one random layout of their address spaces (docs/architecture.md),
 * for which the kernel's own randomisation must be off. Profiles forbid a container to say so
 * itself; it is inherited by the delegate and from there by the container's first process.
 */
static void keep_layout(void)
{
	int now = personality(0xffffffff);

	if (now != -1 && personality((unsigned long)now | ADDR_NO_RANDOMIZE) < 0)
		report_warning("personality: the versions' addresses will differ");
}

static int start(struct job *job, bool waits_for_end)
{
	cleanup_str struct str failure = STR_INIT;
	struct err err = { 0 };
	off_t mark;
	int status, rc;

	if (prepare(job, &err) < 0)
		return fail(job, -1, err.text);
	mark = report_mark(job->line);
	/* A container whose events nobody hears of is worth more than none. */
	if (teller_start(job->config, job->state, &err) < 0)
		report_warning(err.text);
	keep_layout();
	rc = delegate_run(job->config, job->line->argv, &status, &err);
	restore(job);
	if (rc < 0)
		return fail(job, mark, err.text);
	if (status != 0 && read_failure(job->state, &failure)) {
		fail(job, mark, failure.data);
		return status;
	}
	if (status != 0 || waits_for_end)
		forget(job);
	return status;
}

static int create_or_run(
	const struct cmdline *line, const struct config *config, bool waits_for_end)
{
	struct job job = { .line = line, .config = config, .hold = -1 };
	struct err err = { 0 };
	int status = 1, ours = is_ours(&job, &err);

	if (ours < 0)
		status = fail(&job, -1, err.text);
	else if (ours)
		status = start(&job, waits_for_end);
	else if (delegate_exec(config, line, &err) < 0)
		report_error(line, -1, err.text);
	job_free(&job);
	return status;
}

static int create(const struct cmdline *line, const struct config *config)
{
	return create_or_run(line, config, false);
}

static int run(const struct cmdline *line, const struct config *config)
{
	return create_or_run(line, config, !line->detach);
}

const struct command cmd_create = { "create", create };
const struct command cmd_run = { "run", run };
