/* SPDX-License-Identifier: Apache-2.0 */
/* mx run: two versions of a program as one. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/xalloc.h"
#include "caps.h"
#include "cmd.h"
#include "front.h"
#include "mxm/rulefile.h"
#include "oci/json.h"

#define OLD_ARGS_MAX (1u << 20)
#define NEW_ONLY_MAX 4096

enum {
	OPT_LEADER = 256,
	OPT_PREFER,
	OPT_SURVIVE,
	OPT_SYNC,
	OPT_LOG,
	OPT_CORE,
	OPT_ARGV0,
	OPT_OLD_ROOT,
	OPT_NEW_ROOT,
	OPT_SHARED,
	OPT_INIT,
	OPT_AS_PID_1,
	OPT_AGENT,
	OPT_NO_AGENT,
	OPT_STATS,
	OPT_PATIENCE,
	OPT_LEAST,
	OPT_MERGE,
	OPT_DROP_CHROOT,
	OPT_OLD_ARGS,
	OPT_NEW_ONLY_IF,
	OPT_RULES,
	OPT_CONTROL,
	OPT_PROMOTE_AFTER,
	OPT_ABORT_AFTER,
	OPT_MAX_RECOVERIES,
	OPT_MAX_RESYNCS,
	OPT_MAP,
	OPT_MAP_IF,
	OPT_MAP_CACHE,
};

static const struct option options[] = {
	{ "leader", required_argument, NULL, OPT_LEADER },
	{ "prefer", required_argument, NULL, OPT_PREFER },
	{ "survive", required_argument, NULL, OPT_SURVIVE },
	{ "sync", required_argument, NULL, OPT_SYNC },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "core", required_argument, NULL, OPT_CORE },
	{ "argv0", required_argument, NULL, OPT_ARGV0 },
	{ "old-root", required_argument, NULL, OPT_OLD_ROOT },
	{ "new-root", required_argument, NULL, OPT_NEW_ROOT },
	{ "shared-path", required_argument, NULL, OPT_SHARED },
	{ "init", no_argument, NULL, OPT_INIT },
	{ "as-pid-1", no_argument, NULL, OPT_AS_PID_1 },
	{ "agent", no_argument, NULL, OPT_AGENT },
	{ "no-agent", no_argument, NULL, OPT_NO_AGENT },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "patience", required_argument, NULL, OPT_PATIENCE },
	{ "drop-chroot", no_argument, NULL, OPT_DROP_CHROOT },
	{ "old-args", required_argument, NULL, OPT_OLD_ARGS },
	{ "new-only-if", required_argument, NULL, OPT_NEW_ONLY_IF },
	{ "rules", required_argument, NULL, OPT_RULES },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "promote-after", required_argument, NULL, OPT_PROMOTE_AFTER },
	{ "abort-after", required_argument, NULL, OPT_ABORT_AFTER },
	{ "max-recoveries", required_argument, NULL, OPT_MAX_RECOVERIES },
	{ "max-resyncs", required_argument, NULL, OPT_MAX_RESYNCS },
	{ "map", required_argument, NULL, OPT_MAP },
	{ "map-if", required_argument, NULL, OPT_MAP_IF },
	{ "map-cache", required_argument, NULL, OPT_MAP_CACHE },
	{ "merge-memory", no_argument, NULL, OPT_MERGE },
	{ "least-privilege", no_argument, NULL, OPT_LEAST },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"  --leader new|old        whose system calls really happen (default: new)\n"
	"  --prefer new|old|leader|stop\n"
	"                          who goes on after a divergence (default: new)\n"
	"  --sync lockstep|barrier|stream\n"
	"                          what waits for the other version: every call, calls that\n"
	"                          cannot be taken back (default), or only the end\n"
	"  --survive SIGNAL,...    signals that count as a crash (default: SEGV; a kill from\n"
	"                          outside always does)\n"
	"  --log FILE              append the events as JSON lines\n"
	"  --rules FILE            differences that are wanted: mx-rules(5), mx lint\n"
	"  --control PATH          listen there for status, promote, abort and the like\n"
	"  --promote-after SECONDS[,EVENTS]\n"
	"                          the new version alone once so long, and so many events, have\n"
	"                          passed without a divergence or a crash\n"
	"  --abort-after N         the old version alone after N divergences and crashes of NEW\n"
	"  --max-recoveries N      how often in a minute a crashed version is brought back before "
	"it\n"
	"                          is let go for good (default: 1000; 0: never)\n"
	"  --max-resyncs N         the same for a version that diverged (default: 0: it stays "
	"away)\n"
	"  --map FILE              what mx analyze wrote of the two versions (default: they are\n"
	"                          analysed when a version has to be brought back)\n"
	"  --map-if FILE           the same, where FILE is there and has all that differs; else "
	"they\n"
	"                          are analysed\n"
	"  --map-cache DIR         what is analysed is kept there, for the next run of the same "
	"files\n"
	"  --core DIR              write a core file of a crashed version there\n"
	"  --argv0 NAME            the name that both versions are called by (default: NEW)\n"
	"  --old-root DIR          chroot of the old version; also makes all that is not below a\n"
	"                          shared path version-private\n"
	"  --new-root DIR          chroot of the new version\n"
	"  --shared-path PATH      the same for both versions, with roots; can be repeated\n"
	"  --old-args FILE         the old version's whole argument vector, a JSON array of\n"
	"                          strings (default: the same arguments for both)\n"
	"  --drop-chroot           give CAP_SYS_CHROOT up before either program starts\n"
	"  --new-only-if FILE      where FILE exists, run NEW alone; its text is the reason\n"
	"  --init                  be the init of a container: stay until the program ends\n"
	"  --as-pid-1              signals that are passed on and that the program does not "
	"handle\n"
	"                          are ignored, as the kernel does for a first process\n"
	"  --patience SECONDS      how long one version waits for the other before it goes on\n"
	"                          alone (default: 30; 0: for ever)\n"
	"  --merge-memory          let the kernel merge equal pages of the two versions (KSM)\n"
	"  --least-privilege       use only what strict container profiles allow\n"
	"  --agent, --no-agent     take frequent calls without a stop, by an agent in the "
	"programs'\n"
	"                          own processes, or each by a stop (default: --agent, but never\n"
	"                          with lockstep)\n"
	"  --stats                 say at the end what was counted\n"
	"  -v, --verbose           tell the events on stderr\n"
	"\n"
	"The exit status is the program's own; 125: the engine failed; 126: a program cannot be\n"
	"executed; 127: a program was not found.\n";

struct run_options {
	struct front front;
	const char *argv0, *rules;
	const char *old_args, *new_only_if, *map_if;
	const char **shared;
	int nshared;
};

static int choose(const char *text, const char *const *names)
{
	for (int i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
	}
	return -1;
}

static int parse_signals(const char *text, uint64_t *ret_set)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *word;
	uint64_t set = 0;

	while ((word = strsep(&rest, ","))) {
		int sig;

		if (strcmp(word, "none") == 0)
			continue;
		for (sig = 1; sig < 32; sig++) {
			const char *name = sys_signal_name(sig);

			if (strcasecmp(word, name) == 0 || strcasecmp(word, name + 3) == 0)
				break;
		}
		if (sig == 32 || sig == SIGKILL || sig == SIGSTOP || sig == SIGTRAP)
			return -EINVAL;
		set |= 1ul << (sig - 1);
	}
	*ret_set = set;
	return 0;
}

/* SECONDS[,EVENTS] */
static int parse_promote(const char *text, struct director_config *config)
{
	const char *comma = strchr(text, ',');
	cleanup_free char *first = comma ? xstrndup(text, comma - text) : xstrdup(text);
	long seconds, events = 0;

	if (str_to_long(first, 1, 365 * 86400, &seconds) < 0)
		return -EINVAL;
	if (comma && str_to_long(comma + 1, 0, LONG_MAX, &events) < 0)
		return -EINVAL;
	config->promote_after = (unsigned)seconds;
	config->promote_events = (unsigned long)events;
	return 0;
}

static int parse_option(struct run_options *o, int opt, const char *arg)
{
	static const char *const versions[] = { "old", "new", NULL };
	static const char *const syncs[] = { "lockstep", "barrier", "stream", NULL };
	static const char *const prefers[] = { "new", "old", "leader", "stop", NULL };
	struct mxm_config *mxm = &o->front.config.mxm;
	long n;
	int choice;

	switch (opt) {
	case OPT_LEADER:
		choice = choose(arg, versions);
		mxm->leader = choice;
		return choice < 0 ? -EINVAL : 0;
	case OPT_PREFER:
		choice = choose(arg, prefers);
		o->front.config.prefer = choice;
		return choice < 0 ? -EINVAL : 0;
	case OPT_SYNC:
		choice = choose(arg, syncs);
		mxm->sync = choice;
		return choice < 0 ? -EINVAL : 0;
	case OPT_SURVIVE:
		return parse_signals(arg, &mxm->survive);
	case OPT_PATIENCE:
		if (str_to_long(arg, 0, 86400, &n) < 0)
			return -EINVAL;
		mxm->patience = (unsigned)n;
		return 0;
	case OPT_LOG:
		o->front.log_path = arg;
		return 0;
	case OPT_RULES:
		o->rules = arg;
		return 0;
	case OPT_CONTROL:
		o->front.control = arg;
		return 0;
	case OPT_PROMOTE_AFTER:
		return parse_promote(arg, &o->front.config);
	case OPT_ABORT_AFTER:
		if (str_to_long(arg, 1, 1000000, &n) < 0)
			return -EINVAL;
		o->front.config.abort_after = (unsigned)n;
		return 0;
	case OPT_MAX_RECOVERIES:
		if (str_to_long(arg, 0, 1000000, &n) < 0)
			return -EINVAL;
		o->front.config.max_recoveries = (unsigned)n;
		return 0;
	case OPT_MAX_RESYNCS:
		if (str_to_long(arg, 0, 1000000, &n) < 0)
			return -EINVAL;
		o->front.config.max_resyncs = (unsigned)n;
		return 0;
	case OPT_MAP:
		o->front.config.map = arg;
		return 0;
	case OPT_MAP_IF:
		o->map_if = arg;
		return 0;
	case OPT_MAP_CACHE:
		o->front.config.map_cache = arg;
		return 0;
	case OPT_CORE:
		o->front.config.core_dir = arg;
		return 0;
	case OPT_ARGV0:
		o->argv0 = arg;
		return 0;
	case OPT_OLD_ROOT:
		mxm->versions[0].root = arg;
		return 0;
	case OPT_NEW_ROOT:
		mxm->versions[1].root = arg;
		return 0;
	case OPT_SHARED:
		if (arg[0] != '/')
			return -EINVAL;
		o->shared = xreallocarray(o->shared, o->nshared + 2, sizeof(*o->shared));
		o->shared[o->nshared++] = arg;
		o->shared[o->nshared] = NULL;
		return 0;
	case OPT_INIT:
		o->front.init = true;
		mxm->first_ends_all = true;
		return 0;
	case OPT_AS_PID_1:
		mxm->as_pid_1 = true;
		return 0;
	case OPT_DROP_CHROOT:
		mxm->drop_chroot = caps_drop_chroot;
		return 0;
	case OPT_OLD_ARGS:
		o->old_args = arg;
		return 0;
	case OPT_NEW_ONLY_IF:
		o->new_only_if = arg;
		return 0;
	case OPT_STATS:
		o->front.config.stats = true;
		return 0;
	case OPT_AGENT:
		mxm->agent = true;
		return 0;
	case OPT_NO_AGENT:
		mxm->agent = false;
		return 0;
	case OPT_MERGE:
		mxm->merge_memory = true;
		return 0;
	case OPT_LEAST:
		mxm->lock_memory_ways = true;
		return 0;
	case 'v':
		o->front.verbose = true;
		return 0;
	}
	return -ENOENT;
}

/* A JSON array of strings as an argument vector; the strings live as long as the process. */
static int read_args(const char *path, char ***ret_argv, struct err *err)
{
	cleanup_json struct json *j = NULL;
	cleanup_free char **argv = NULL;
	int rc = json_read_file(path, OLD_ARGS_MAX, &j, err);
	size_t n;

	if (rc < 0)
		return rc;
	n = json_type(j) == JSON_ARRAY ? json_count(j) : 0;
	if (!n)
		return err_set(err, EINVAL, "%s: not an array of strings", path);
	argv = xreallocarray(NULL, n + 1, sizeof(*argv));
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string(json_at(j, i));

		if (!text)
			return err_set(err, EINVAL, "%s: element %zu is not a string", path, i);
		argv[i] = xstrdup(text);
	}
	argv[n] = NULL;
	*ret_argv = take_ptr(argv);
	return 0;
}

/* The operator wants the new version without the old one where the two cannot be run together. */
static void choose_new_only(struct run_options *o)
{
	struct mxm_config *mxm = &o->front.config.mxm;
	cleanup_str struct str reason = STR_INIT;

	if (!o->new_only_if || io_read_file(o->new_only_if, NEW_ONLY_MAX, &reason, NULL) < 0)
		return;
	while (reason.len && reason.data[reason.len - 1] == '\n')
		reason.data[--reason.len] = '\0';
	o->front.config.new_only = xstrdup(str_text(&reason));
	mxm->versions[0] = mxm->versions[1];
	mxm->nversions = 1;
	mxm->leader = 0;
}

/* Before either program starts: what they do to the name later is of no concern. */
static void open_map_if(struct run_options *o)
{
	struct stat st;

	if (!o->map_if)
		return;
	o->front.config.map_fd = open(o->map_if, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (o->front.config.map_fd >= 0 &&
		(fstat(o->front.config.map_fd, &st) < 0 || st.st_size == 0)) {
		close(o->front.config.map_fd);
		o->front.config.map_fd = -1;
	}
}

static int run(int argc, char **argv)
{
	struct run_options o = { .front.config = { .prefer = PREFER_NEW,
					 .max_recoveries = 1000,
					 .map_fd = -1,
					 .mxm = { .nversions = 2,
						 .leader = 1,
						 .sync = MXM_BARRIER,
						 .agent = true,
						 .survive = 1ul << (SIGSEGV - 1),
						 .patience = 30 } } };
	struct mxm_config *mxm = &o.front.config.mxm;
	cleanup_free char **args = NULL;
	char cwd[PATH_MAX], roots[2][PATH_MAX];
	struct err err;
	int opt, rc, n = 0;

	mxm->versions[0].name = "old";
	mxm->versions[1].name = "new";
	while ((opt = getopt_long(argc, argv, "+vh", options, NULL)) != -1) {
		if (opt == 'h') {
			cmd_print_help(&cmd_run);
			return 0;
		}
		rc = parse_option(&o, opt, optarg);
		if (rc == -EINVAL)
			return cmd_usage_error(&cmd_run, "bad value '%s'", optarg);
		if (rc < 0)
			return MX_EXIT_USAGE;
	}
	if (argc - optind < 2)
		return cmd_usage_error(&cmd_run, "OLD and NEW programs are needed");
	mxm->versions[0].program = argv[optind];
	mxm->versions[1].program = argv[optind + 1];
	optind += 2;
	if (optind < argc && strcmp(argv[optind], "--") != 0)
		return cmd_usage_error(&cmd_run, "the program's arguments come after '--'");
	args = xreallocarray(NULL, argc + 2, sizeof(*args));
	args[n++] = (char *)(o.argv0 ? o.argv0 : mxm->versions[1].program);
	for (int i = optind + 1; i < argc; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	mxm->versions[0].argv = mxm->versions[1].argv = args;
	if (o.old_args && read_args(o.old_args, (char ***)&mxm->versions[0].argv, &err) < 0) {
		fprintf(stderr, "mx run: --old-args: %s\n", err.text);
		return MX_EXIT_ENGINE;
	}
	if (o.rules && rulefile_load(o.rules, (struct rules **)&mxm->rules, &err) < 0) {
		fprintf(stderr, "mx run: --rules: %s\n", err.text);
		return MX_EXIT_ENGINE;
	}
	open_map_if(&o);
	choose_new_only(&o);
	mxm->shared_paths = o.shared;
	/* Paths of /proc are compared with them. One that is not there is told of at the start. */
	for (int v = 0; v < mxm->nversions; v++) {
		if (mxm->versions[v].root && realpath(mxm->versions[v].root, roots[v]))
			mxm->versions[v].root = roots[v];
	}
	if ((mxm->versions[0].root || mxm->versions[1].root) && getcwd(cwd, sizeof(cwd)))
		mxm->cwd = cwd;
	sigprocmask(SIG_SETMASK, NULL, &mxm->sigmask);
	rc = front_run(&o.front);
	free(o.shared);
	return rc;
}

const struct cmd cmd_run = {
	.name = "run",
	.args = "[OPTION...] OLD NEW -- ARGS...",
	.summary = "run two versions of a program as one",
	.run = run,
	.help = help,
};
