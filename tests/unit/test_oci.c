/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: annotations, seccomp, capabilities, ids, names of states, lookups inside a root. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "oci/options.h"
#include "oci/resolve.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "tap.h"

static struct json *parse(const char *text)
{
	struct json *j = NULL;
	struct err err = { 0 };

	if (json_parse(text, strlen(text), &j, &err) < 0) {
		printf("Bail out! %s: %s\n", text, err.text);
		exit(1);
	}
	return j;
}

static void option(const char *annotations, int want, const char *part)
{
	cleanup_str struct str text = STR_INIT;
	cleanup_json struct json *spec = NULL;
	struct config config = { 0 };
	struct options o = { .shared = NULL };
	struct err err = { 0 };

	str_printf(&text, "{\"annotations\":%s}", annotations);
	spec = parse(text.data);
	is_int(options_load(spec, &config, &o, &err), want, "%s", annotations);
	ok(want == 0 || strstr(err.text, part), "says \"%s\": %s", part, err.text);
	options_free(&o);
}

static void test_options(void)
{
	option("{\"io.mx.old\":\"/.mx/old\"}", 0, "");
	option("{\"io.mx.old\":\"a\"}", -EINVAL, "no absolute path");
	option("{\"io.mx.old\":\"/a/..\"}", -EINVAL, "\"..\"");
	option("{\"io.mx.old\":\"//.//\"}", -EINVAL, "own root");
	option("{\"io.mx.leader\":\"new,old\"}", -EINVAL, "is a list");
	option("{\"io.mx.survive\":\"SIGSEGV,SIGBUS\"}", 0, "");
	option("{\"io.mx.survive\":\"SIGSEGV,\"}", -EINVAL, "none of");
	option("{\"io.mx.old-args\":\"[]\"}", -EINVAL, "empty");
	option("{\"io.mx.old-args\":\"[\\\"a\\\",1]\"}", -EINVAL, "entry 1");
	option("{\"io.mx.rules\":\"{}\"}", 0, "");
	option("{\"io.mx.rules\":\"relative\"}", -EINVAL, "no absolute path");
	option("{\"io.mx.nothing\":\"1\"}", -EINVAL, "there is no such option");
	option("{\"io.mx.internal.state\":\"a/b\"}", -EINVAL, "there is no such option");
	option("{\"io.mx.old\":7}", -EINVAL, "is no text");
	option("{\"io.mx.old/app\":\"relative\"}", -EINVAL, "leave out /app");
	option("{\"io.mx.old/app\":\"relative\",\"io.kubernetes.cri.container-name\":\"side\"}", 0,
		"");
}

static void asks(const char *annotations, bool want)
{
	cleanup_free char *text = xasprintf("{\"annotations\":%s}", annotations);
	cleanup_json struct json *spec = parse(text);

	ok(spec_asks_for_mx(spec) == want, "asks for MX: %s", annotations);
}

/* A pod's annotations come to all of its containers. */
static void test_asking(void)
{
	asks("{\"io.mx.old\":\"/o\"}", true);
	asks("{\"io.mx.leader\":\"new\"}", true);
	asks("{\"io.mxx\":\"/o\"}", false);
	asks("{\"io.mx.old\":\"/o\",\"io.kubernetes.cri.container-name\":\"side\"}", true);
	asks("{\"io.mx.old/app\":\"/o\",\"io.kubernetes.cri.container-name\":\"app\"}", true);
	asks("{\"io.mx.old/app\":\"/o\",\"io.kubernetes.cri.container-name\":\"side\"}", false);
	/* Whose it is cannot be told: that is an error, and not one version alone. */
	asks("{\"io.mx.old/app\":\"/o\"}", true);
}

static void test_container_option(void)
{
	cleanup_json struct json *spec =
		parse("{\"annotations\":{\"io.mx.leader/app\":\"old\","
		      "\"io.mx.leader\":\"new\",\"io.mx.sync/b\":\"stream\","
		      "\"io.kubernetes.cri.container-name\":\"app\"}}");
	struct config config = { .defaults = parse("{\"prefer\":\"leader\",\"leader\":\"new\"}") };
	struct options o = { .shared = NULL };
	struct err err = { 0 };

	is_int(options_load(spec, &config, &o, &err), 0, "annotations of a container");
	is_str(o.text[OPTION_LEADER], "old", "the container's own wins");
	is_str(o.text[OPTION_PREFER], "leader", "the operator's default");
	ok(!o.text[OPTION_SYNC], "another container's does not count");
	is_int(o.builtin, 8, "the default shared paths");
	options_free(&o);
	config.allow = parse("[\"old\"]");
	is_int(options_load(spec, &config, &o, &err), -EPERM, "not in the allow-list");
	config_free(&config);
}

static void test_seccomp(void)
{
	cleanup_json struct json *none = parse("{\"linux\":{}}");
	cleanup_json struct json *spec = parse(
		"{\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"prctl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0}]},"
		"{\"names\":[\"chroot\",\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"}]}}}");
	struct err err = { 0 };

	ok(spec_seccomp_allows(none, "ptrace"), "no profile allows all");
	ok(spec_seccomp_allows(spec, "ptrace"), "a rule that allows");
	ok(!spec_seccomp_allows(spec, "prctl"), "a rule with conditions does not");
	ok(!spec_seccomp_allows(spec, "chroot"), "a rule that forbids");
	ok(!spec_seccomp_allows(spec, "open"), "the default");
	ok(spec_seccomp_allow(spec, "chroot", &err) == 0 && spec_seccomp_allows(spec, "chroot"),
		"allowed by an edit");
	ok(!spec_seccomp_allows(spec, "mount"), "and its neighbour is not");
	ok(spec_seccomp_allow(none, "chroot", &err) == 0 && !json_path(none, "linux.seccomp"),
		"no profile stays none");
}

static void capability(const char *process, bool added, const char *want)
{
	cleanup_str struct str text = STR_INIT, out = STR_INIT;
	cleanup_json struct json *spec = NULL;
	struct err err = { 0 };
	bool got = !added;

	str_printf(&text, "{\"process\":%s}", process);
	spec = parse(text.data);
	is_int(spec_add_capability(spec, "C", &got, &err), 0, "%s", process);
	is_int(got, added, "tells whether it was added");
	json_print(json_path(spec, "process.capabilities"), &out);
	is_str(str_text(&out), want, "the sets");
}

static void test_capabilities(void)
{
	capability(
		"{}", true, "{\"bounding\":[\"C\"],\"effective\":[\"C\"],\"permitted\":[\"C\"]}");
	capability("{\"user\":{\"uid\":5}}", true,
		"{\"bounding\":[\"C\"],\"effective\":[\"C\"],\"permitted\":[\"C\"],"
		"\"inheritable\":[\"C\"],\"ambient\":[\"C\"]}");
	capability("{\"capabilities\":{\"bounding\":[\"C\"],\"effective\":[\"C\"],\"permitted\":"
		   "[\"A\",\"C\"]}}",
		false, "{\"bounding\":[\"C\"],\"effective\":[\"C\"],\"permitted\":[\"A\",\"C\"]}");
}

static void host_user(const char *text, int want, int uid, int gid)
{
	cleanup_json struct json *spec = parse(text);
	struct err err = { 0 };
	uid_t got_uid = 0;
	gid_t got_gid = 0;

	is_int(spec_host_user(spec, &got_uid, &got_gid, &err), want, "%s", text);
	if (want == 0) {
		is_int(got_uid, uid, "the user");
		is_int(got_gid, gid, "the group");
	}
}

static void test_ids(void)
{
	host_user("{\"process\":{\"user\":{\"uid\":5,\"gid\":6}}}", 0, 5, 6);
	host_user("{\"process\":{\"user\":{\"uid\":5,\"gid\":0}},\"linux\":{\"namespaces\":[{"
		  "\"type\":"
		  "\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1},"
		  "{\"containerID\":1,\"hostID\":9000,\"size\":10}],\"gidMappings\":[{"
		  "\"containerID\":0,"
		  "\"hostID\":70,\"size\":1}]}}",
		0, 9004, 70);
	host_user("{\"process\":{\"user\":{\"uid\":50,\"gid\":0}},\"linux\":{\"namespaces\":[{"
		  "\"type\":"
		  "\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":50}]}}",
		-EINVAL, 0, 0);
	host_user("{\"process\":{\"user\":{\"uid\":-1,\"gid\":0}}}", -EINVAL, 0, 0);
	host_user("{\"linux\":{\"namespaces\":[{\"type\":\"user\",\"path\":\"/x\"}]}}", -EINVAL, 0,
		0);
}

static void test_names(void)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", ".hidden", "a\n" };
	char *path = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(state_path(NULL, bad[i], &path, &err) == -EINVAL, "no id: \"%s\"", bad[i]);
	ok(state_path_by_mark("../x", &path, &err) == -EINVAL, "no mark: ../x");
	ok(state_path_by_mark("a/b/c", &path, &err) == -EINVAL, "no mark: a/b/c");
	ok(state_path_by_mark("a", &path, &err) == -EINVAL, "no mark: a");
}

static void test_resolve(void)
{
	const char *folder = tap_folder();
	cleanup_close int base = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), root = -1;
	cleanup_close int made = -1, file = -1, again = -1;
	struct err err = { 0 };
	struct stat st;
	int fd = -1;

	if (mkdirat(base, "root", 0755) < 0 || mkdirat(base, "outside", 0755) < 0)
		return;
	root = openat(base, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(symlinkat("../../outside", root, "up") == 0 && symlinkat("/", root, "top") == 0 &&
			symlinkat("/proc/self/root", root, "magic") == 0,
		"links");
	ok(resolve_open(root, "/up", O_PATH, &fd, &err) == -ENOENT,
		"a link upwards ends in the root");
	ok(resolve_make(root, "/up/x", S_IFDIR, &fd, &err) == -EINVAL, "and nothing is made there");
	ok(faccessat(base, "outside/x", F_OK, 0) < 0, "nor outside");
	ok(resolve_make(root, "//a///b/", S_IFDIR, &made, &err) == 0, "folders are made");
	ok(resolve_make(root, "top/a/b/f", S_IFREG, &file, &err) == 0,
		"and a file, through a link");
	ok(fstat(file, &st) == 0 && S_ISREG(st.st_mode), "which is a file");
	ok(faccessat(base, "root/a/b/f", F_OK, 0) == 0, "in its place");
	ok(resolve_make(root, "/a/b/f", S_IFREG, &again, &err) == 0, "made twice is made once");
	ok(resolve_open(root, "/a/../../outside", O_PATH, &fd, &err) == -ENOENT,
		"dots end in the root");
}

int main(void)
{
	test_options();
	test_asking();
	test_container_option();
	test_seccomp();
	test_capabilities();
	test_ids();
	test_names();
	test_resolve();
	return tap_done();
}
