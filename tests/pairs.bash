# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154,SC2317
# Two versions of one victim, $old and $new, that do the same in other ways, or do not; $LOG is the log.

# harmless RULE CASE...: in each mode ($MODES, where only some are promised) and with either leader ($LEADERS), output and files are those of
# the new version alone, nobody is let go, and the log names the rule.
harmless() {
	local rule=$1 what sync leader
	shift
	for what in "$@"; do
		for sync in ${MODES:-lockstep barrier stream}; do
			for leader in ${LEADERS:-old new}; do
				MX_TEST_OPTIONS="--sync $sync --leader $leader --patience 10" \
					compare_native "$old" "$new" -- "$what" || fail "$what, $sync, $leader leads"
				jq -e --arg rule "$rule" -s 'any(.event == "rule" and .rule == $rule)' "$LOG" >/dev/null ||
					fail "$what, $sync, $leader leads: no rule '$rule': $(cat "$LOG")"
			done
		done
	done
}

# harmful CASE...: in each mode, with either leader and either policy, there is a divergence. But for
# stream mode, whose leader is ahead, the outcome is that of the preferred version alone.
harmful() {
	local what sync leader prefer
	prepare() {
		printf 'precious\n' >text
		chmod 600 text
	}
	for what in "$@"; do
		for sync in lockstep barrier stream; do
			for leader in ${LEADERS:-old new}; do
				for prefer in old new; do
					rm -f "$LOG"
					RESULT=$BATS_TEST_TMPDIR/mx in_fresh_folder "$MX" run --log "$LOG" --sync "$sync" \
						--leader "$leader" --prefer "$prefer" --patience 10 "$old" "$new" -- "$what"
					[ "$(events divergence)" -ge 1 ] ||
						fail "$what, $sync, $leader leads: accepted: $(cat "$LOG")"
					[ "$sync" != stream ] || continue
					RESULT=$BATS_TEST_TMPDIR/native in_fresh_folder "${!prefer}" "$what"
					diff -r "$BATS_TEST_TMPDIR/native" "$BATS_TEST_TMPDIR/mx" ||
						fail "$what, $sync, $leader leads, $prefer is preferred"
				done
			done
		done
	done
}
