#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What --help says is what the manual pages, the completions of three shells and the code say: every verb and
# every option, in both directions. All lists come from --help, so a new verb is covered when it is there.

load lib

setup() {
	PATH=$BUILD:$PATH
}

sorted() {
	sort -u | sed '/^$/d'
}

# same WHAT WANTED GOT: two lists.
same() {
	diff <(sorted <<<"$2") <(sorted <<<"$3") >"$BATS_TEST_TMPDIR/diff" ||
		fail "$1: wanted (<) and found (>) are not the same:"$'\n'"$(grep '^[<>]' "$BATS_TEST_TMPDIR/diff")"
}

# verbs: those of mx --help.
verbs() {
	local list
	list=$(mx --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | grep -v '^help$')
	[ "$(wc -l <<<"$list")" -ge 17 ] || fail "mx --help names too few verbs: $list"
	printf '%s\n' "$list"
}

# options HELP...: those that a help describes: in the lines that begin with one, and in the usage.
options() {
	"$@" | grep -E '^( *-|Usage: )' | sed -E '/^Usage/!s/^( *-[^ ]*,? ?(-[^ ]*)?).*/\1/' |
		grep -oE '(^|[][ |,])--?[a-z][a-z0-9-]*' | grep -oE -- '--?[a-z][a-z0-9-]*'
	printf '%s\n' --help
}

# in_manual PAGE: the options that it has in bold.
in_manual() {
	grep -E '^\.[BIR]{1,2} ' "$ROOT/docs/man/$1" | sed 's/\\-/-/g' | grep -oE '(^|[][ ",])--?[a-z][a-z0-9-]*' |
		grep -oE -- '--?[a-z][a-z0-9-]*'
}

# offered_by_SHELL LINE: what Tab gives there.
offered_by_bash() {
	bash --norc -c '. "$1"
		read -ra COMP_WORDS <<<"$2"
		[ "${2% }" = "$2" ] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		if [ "${COMP_WORDS[0]}" = mx ]; then _mx; else _mx_shim; fi
		printf "%s\n" "${COMPREPLY[@]}"' bash "$ROOT/completions/mx.bash" "$1"
}

offered_by_zsh() {
	"$ROOT/tests/complete.zsh" "$ROOT/completions" "$1" "$BATS_FILE_TMPDIR/answer" | sed 's/\\//g'
}

offered_by_fish() {
	fish -N -c 'source $argv[1]/mx.fish; source $argv[1]/mx-shim.fish; complete -C $argv[2]' \
		"$ROOT/completions" "$1" | cut -f 1
}

# what_is_offered SHELL: compares all verbs and options with the help.
what_is_offered() {
	local shell=$1 verb list
	list=$(verbs)
	same "$shell: verbs" "$list"$'\nhelp' "$("offered_by_$shell" 'mx ' | grep -v '^-')"
	same "$shell: verbs after help" "$list"$'\nhelp' "$("offered_by_$shell" 'mx help ')"
	same "$shell: options of mx" "$(options mx --help)" "$("offered_by_$shell" 'mx -')"
	for verb in $list; do
		# fish offers the short ones alone where there are some: both lists are asked for.
		same "$shell: options of mx $verb" "$(options mx help "$verb")" "$("offered_by_$shell" "mx $verb -"
			[ "$shell" != fish ] || offered_by_fish "mx $verb --")"
	done
}

@test "every verb has a help, and two ways to it" {
	local verb
	for verb in $(verbs); do
		same "mx $verb --help" "$(mx help "$verb")" "$(mx "$verb" --help)"
		mx help "$verb" | head -n 1 | grep -q "^Usage: mx $verb" || fail "no usage of mx $verb"
	done
}

@test "the options that the code takes are those of the help" {
	local all='' verb
	for verb in $(verbs); do
		all+=$(options mx help "$verb" | grep '^--')$'\n'
	done
	same "options" "$all" "$(sed -nE 's/.*"([a-z0-9-]+)", ((no|required|optional)_argument|[01], NULL).*/--\1/p' \
		"$ROOT"/engine/*.[ch]; echo --help)"
}

@test "mx(1) has every verb and option, and no other" {
	local verb all='' page
	page=$(sed 's/\\-/-/g' "$ROOT/docs/man/mx.1")
	for verb in $(verbs); do
		grep -qE "^\.[BIR]+ .*\b$verb\b" <<<"$page" || fail "mx(1) does not have the verb $verb"
		all+=$(options mx help "$verb")$'\n'
	done
	all+=$(options mx --help)
	same "mx(1), options" "$all" "$(in_manual mx.1)"
	# The synopsis and the headings name verbs; each has to be one.
	for verb in $(grep -E '^\.BR? "?mx [a-z]' <<<"$page" | grep -oE '"?mx [a-z]+' | grep -oE '[a-z]+$'); do
		grep -qx "$verb" <<<"$(verbs; echo help)" || fail "mx(1) has the verb $verb, which is none"
	done
}

@test "mx-shim(8) and mx-hook(8) have every option, and no other" {
	local own
	own=$(mx-shim --help | sed '/^All else/,$d')
	# --root and --log are the delegate's, and the page says what they mean here.
	same "mx-shim(8)" "$(options printf '%s\n' "$own"; options mx-shim log --help; echo --root; echo --log)" \
		"$(in_manual mx-shim.8; echo --log)"
	same "mx-hook(8)" "$(options mx-hook --help)" "$(in_manual mx-hook.8)"
	mx-shim log --help | grep -q '^Usage: mx-shim .*log'
	grep -qE '^\.B log$' "$ROOT/docs/man/mx-shim.8"
}

@test "bash completes every verb and option, and no other" {
	what_is_offered bash
}

@test "zsh completes every verb and option, and no other" {
	need zsh
	what_is_offered zsh
}

@test "fish completes every verb and option, and no other" {
	need fish
	what_is_offered fish
}

@test "values, files, and what belongs to the program" {
	local shell value
	need zsh fish
	touch "$BATS_TEST_TMPDIR/a-file"
	cd "$BATS_TEST_TMPDIR"
	for shell in bash zsh fish; do
		same "$shell: --sync" $'lockstep\nbarrier\nstream' "$("offered_by_$shell" 'mx run --sync ')"
		same "$shell: -o" $'text\njson' "$("offered_by_$shell" 'mx events -o ')"
		value=$("offered_by_$shell" 'mx run --log a-')
		[ "$value" = a-file ] || fail "$shell: after --log: $value"
		# Behind -- no option is mx's.
		value=$("offered_by_$shell" 'mx run a b -- --')
		[ -z "$value" ] || fail "$shell: after --: $value"
	done
}

@test "mx-shim completes its own and its delegate's" {
	local shell own verb
	need zsh fish
	own=$(options mx-shim --help)
	for shell in bash zsh fish; do
		for verb in log create delete exec kill start state; do
			"offered_by_$shell" 'mx-shim ' | grep -qx "$verb" || fail "$shell: no verb $verb"
		done
		"offered_by_$shell" 'mx-shim --mx-conf x --' | grep -qx -- --root || fail "$shell: no --root"
		same "$shell: log" $'--json\n--help' "$("offered_by_$shell" 'mx-shim --root /x log --')"
	done
	grep -qx -- --mx-conf <<<"$own"
}
