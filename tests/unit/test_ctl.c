/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket stands on: the last events, the state of a run, addresses. */
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "ctl/address.h"
#include "ctl/recent.h"
#include "ctl/state.h"
#include "oci/json.h"
#include "tap.h"

static void test_recent(void)
{
	struct recent *r = recent_new();
	cleanup_str struct str out = STR_INIT, big = STR_INIT;
	uint64_t seq = 0;
	char line[32];

	is_int((long)recent_get(r, &seq, 1000, &out), 0, "nothing is there, nothing is lost");
	is_int((long)out.len, 0, "and nothing is given");
	for (int i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		recent_add(r, line, strlen(line));
	}
	is_int((long)recent_get(r, &seq, 20, &out), 3000 - 1024,
		"the oldest are gone, and counted");
	ok(str_starts(str_text(&out), "line 1976\nline 1977\n"), "the rest begins where it should");
	ok(out.len <= 30, "no more than there was room for");
	is_int((long)recent_get(r, &seq, 1 << 20, &out), 0, "the reader goes on without loss");
	is_int((long)seq, 3000, "to the end");
	ok(str_ends(str_text(&out), "line 2999\n"), "with the last line");
	while (big.len < (1u << 20) - 100)
		str_puts(&big, "0123456789");
	for (int i = 0; i < 5; i++)
		recent_add(r, big.data, big.len);
	str_reset(&out);
	is_int((long)recent_get(r, &seq, 64u << 20, &out), 3, "big lines push others out");
	is_int((long)out.len, 2 * (long)(big.len + 1), "two of them fit");
	recent_free(r);
}

static struct json *status_of(struct run_state *s)
{
	cleanup_str struct str text = STR_INIT;
	struct state_counts counts = { .calls = { 7, 8 }, .events = 5 };
	struct json *j = NULL;
	struct jsonw w;

	jsonw_init(&w, &text, false);
	jsonw_object_begin(&w);
	state_put_status(s, &counts, &w);
	state_put_figures(s, &w);
	jsonw_object_end(&w);
	if (json_parse(text.data, text.len, &j, NULL) < 0)
		j = json_new(JSON_OBJECT);
	return j;
}

static long long number(const struct json *j, const char *path)
{
	long long n = -1;

	return json_integer(json_path(j, path), 0, 1000000, &n) == 0 ? n : -1;
}

static void test_state(void)
{
	const char *names[] = { "old", "new" }, *programs[] = { "/a", "/b" };
	struct run_state *s = state_new(2, names, programs);
	struct state_counts counts = { .calls = { 1, 2 } };
	struct json *j;
	char many[64][8];

	is_int(state_enter(s, PHASE_MIRRORING), PHASE_INITIALIZING, "from initializing");
	state_enter(s, PHASE_PROMOTED);
	state_enter(s, PHASE_DEGRADED);
	is_int(state_phase(s), PHASE_PROMOTED, "a decision is final");
	state_lost(s, 0);
	ok(!state_lives(s, 0) && state_lives(s, 1) && !state_lives(s, 2) && !state_lives(s, -1),
		"who lives");
	is_int(state_living(s), 1, "how many");
	state_count_crash(s, 0);
	state_count_divergence(s, "call");
	state_count_divergence(s, "call");
	is_int((long)state_failures(s), 3, "divergences and crashes");
	ok(state_calm_seconds(s) < 5, "which was just now");
	state_count_recovery(s, "splice", 0.5);
	for (int i = 0; i < 64; i++) {
		snprintf(many[i], sizeof(many[i]), "r%d", i);
		state_count_rule(s, many[i]);
	}
	state_set_leader(s, 1);
	for (int i = 0; i < 2000; i++)
		state_sample(s, &counts);
	j = status_of(s);
	is_str(json_string(json_get(j, "phase")), "promoted", "the phase");
	is_str(json_string(json_get(j, "leader")), "new", "the leader");
	is_int(number(j, "divergences.call"), 2, "by kind");
	is_int(number(j, "rules.r0"), 1, "by rule");
	is_int(number(j, "rules.other"), 64 - 31, "more names than there is room for are one");
	is_int(number(j, "events"), 5, "what MXM counts");
	is_int((long)json_count(json_get(j, "samples")), 1,
		"samples are not made more often than due");
	json_free(j);
	state_free(s);
}

static void test_address(void)
{
	struct sockaddr_un a;
	cleanup_close int dir = -1;
	cleanup_free char *folder = xasprintf("%s/%0120d", tap_folder(), 7);
	cleanup_free char *path = xasprintf("%s/control", folder);
	struct err err;

	is_int(address_of("/tmp/x", &a, &dir, &err), 0, "a short path");
	is_str(a.sun_path, "/tmp/x", "is taken as it is");
	is_int(dir, -1, "without a folder");
	ok(address_of("/tmp/", &a, &dir, &err) < 0, "a folder is no socket");
	ok(address_of(path, &a, &dir, &err) < 0, "a long path in a folder that is not there");
	mkdir(folder, 0700);
	is_int(address_of(path, &a, &dir, &err), 0, "a long path");
	ok(dir >= 0 && str_ends(a.sun_path, "/control"), "goes by its folder");
}

int main(void)
{
	test_recent();
	test_state();
	test_address();
	return tap_done();
}
