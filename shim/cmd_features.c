/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/version.h"
#include "oci/json.h"
#include "shim/delegate.h"
#include "shim/report.h"
#include "shim/shim.h"

/* The delegate's own answer, or NULL if it has none (crun before 1.9). */
static struct json *ask_delegate(const struct config *config)
{
	cleanup_str struct str text = STR_INIT;
	struct json *features = NULL;
	struct err ignored;

	if (!delegate_tells(config, "features", &text) ||
		json_parse(text.data, text.len, &features, &ignored) < 0)
		return NULL;
	if (json_type(features) == JSON_OBJECT)
		return features;
	json_free(features);
	return NULL;
}

/* What every crun that lacks the verb can do. */
static struct json *known_features(void)
{
	struct json *features = json_new(JSON_OBJECT), *linux_ = json_new(JSON_OBJECT);
	struct json *enabled = json_new(JSON_OBJECT);

	json_set(features, "ociVersionMin", json_new_string("1.0.0"));
	json_set(features, "ociVersionMax", json_new_string("1.0.2"));
	json_set(features, "hooks",
		json_new_strings("prestart", "createRuntime", "createContainer", "startContainer",
			"poststart", "poststop", NULL));
	json_set(features, "mountOptions",
		json_new_strings("async", "atime", "bind", "defaults", "dev", "diratime", "dirsync",
			"exec", "iversion", "mand", "noatime", "nodev", "nodiratime", "noexec",
			"nomand", "norelatime", "nostrictatime", "nosuid", "private", "rbind",
			"relatime", "ro", "rprivate", "rshared", "rslave", "runbindable", "rw",
			"shared", "slave", "strictatime", "suid", "sync", "tmpcopyup", "unbindable",
			NULL));
	json_set(linux_, "namespaces",
		json_new_strings("cgroup", "ipc", "mount", "network", "pid", "user", "uts", NULL));
	json_set(enabled, "enabled", json_new_bool(true));
	json_set(linux_, "seccomp", enabled);
	json_set(features, "linux", linux_);
	return features;
}

static int features(const struct cmdline *line, const struct config *config)
{
	cleanup_json struct json *j = ask_delegate(config);
	cleanup_str struct str text = STR_INIT;
	struct json *annotations;
	struct err err = { 0 };

	if (!j)
		j = known_features();
	if (json_ensure(j, "annotations", JSON_OBJECT, &annotations, &err) < 0) {
		report_error(line, -1, err.text);
		return 1;
	}
	json_set(annotations, "io.mx.version", json_new_string(MX_VERSION));
	json_print(j, &text);
	puts(text.data);
	return 0;
}

const struct command cmd_features = { "features", features };
