#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What goes wrong, and what is said about it: the message, the exit status and the event log.

# mx_flags is podman.bash's, and a test may change it for itself.
# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

setup_file() {
	podman_setup mx-operator mx-new-only mx-nowhere mx-broken mx-noengine
	make_shim mx-operator '"allow": ["old"], "defaults": {"prefer": "leader"}'
	make_shim mx-new-only '"on-hook-failure": "new-only"'
	make_shim mx-nowhere '"delegate": "/nowhere/crun"'
	make_shim mx-broken '"delegat": "/usr/bin/crun"'
	make_shim mx-noengine '"engine": "/nowhere/mx"'
}

teardown_file() {
	podman_teardown
}

teardown() {
	podman rm -fa -t 0 >/dev/null
	nothing_left
}

# fails RUNTIME STATUS TEXT PODMAN-ARGUMENT...: the container does not start, for this reason. Its id is
# left in $id.
fails() {
	local runtime=$1 want=$2 text=$3
	shift 3
	status=0
	output=$(podman --runtime "$runtime" run --name c1 "$@" 2>&1) || status=$?
	id=$(podman inspect -f '{{.Id}}' c1)
	podman rm -f -t 0 c1 >/dev/null 2>&1 || :
	if [ "$status" != "$want" ] || [[ "$output" != *"$text"* ]]; then
		printf 'podman run %s\nwant status %s and "%s", got status %s:\n%s\n' "$*" "$want" "$text" \
			"$status" "$output"
		return 1
	fi
}

# logged SHIM ID NAME: the reason of such an event in the container's log. The shim finds the log where
# it is: podman may delete the container, which moves it, after it has returned.
logged() {
	"$shims/$1" log --json "$2" | jq -r --arg name "$3" 'select(.event == $name) | .reason'
}

each() {
	local d
	for d in $(delegates); do
		fails "mx-$d" "$@"
	done
}

@test "the old image lacks the program" {
	local d reason='old version: executable file `special` not found in $PATH'
	make_image only-new sh -c 'cp bin/busybox bin/special'
	for d in $(delegates); do
		fails "mx-$d" 127 "$reason" "${mx_flags[@]}" test:only-new special
		[ "$(logged "mx-$d" "$id" hook-failed)" = "$reason: No such file or directory" ]
	done
}

@test "the new image lacks the program" {
	each 127 'new version: executable file `special` not found in $PATH' "${mx_flags[@]}" test:new special
}

@test "a program that cannot be analysed is named" {
	local d
	make_image damaged sh -c 'head -c 3000 bin/busybox >bin/cut; printf "\177ELF\001" >bin/short; echo text >bin/text; chmod 755 bin/cut bin/short bin/text'
	make_image damaged-old sh -c 'cp bin/busybox bin/cut; cp bin/busybox bin/short; cp bin/busybox bin/text'
	mx_flags=(--mount 'type=image,source=test:damaged-old,destination=/.mx/old' --annotation io.mx.old=/.mx/old)
	each 126 'new version: /bin/short: is no ELF program' "${mx_flags[@]}" test:damaged short
	for d in $(delegates); do
		fails "mx-$d" 126 'new version: /bin/text: is no ELF program' "${mx_flags[@]}" test:damaged text
		[ "$(logged "mx-$d" "$id" hook-failed)" = 'new version: /bin/text: is no ELF program' ]
	done
}

@test "a hook that fails leaves the new version alone, where the operator wants that" {
	run podman --runtime mx-new-only run --name c1 "${mx_flags[@]}" \
		--annotation 'io.mx.old-args=no-such-program' test:new cat /etc/version
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = new ]
	id=$(podman inspect -f '{{.Id}}' c1)
	[[ "$(logged mx-new-only "$id" hook-failed)" = *'old version: executable file `no-such-program` not found'* ]]
}

@test "the delegate is missing" {
	fails mx-nowhere 127 'exec the delegate /nowhere/crun: No such file or directory' test:new true
	fails mx-nowhere 127 'exec the delegate /nowhere/crun: No such file or directory' "${mx_flags[@]}" test:new true
}

@test "mx.conf is wrong" {
	fails mx-broken 126 'delegat: is no field of mx.conf' test:new true
}

@test "the engine is missing" {
	fails mx-noengine 127 /nowhere/mx "${mx_flags[@]}" test:new true
	# Other containers do not need it.
	[ "$(podman --runtime mx-noengine run --rm test:new echo fine)" = fine ]
}

@test "annotations that cannot be" {
	local m=(--mount 'type=image,source=test:old,destination=/.mx/old')
	each 126 'annotation io.mx.old: "relative" is no absolute path' "${m[@]}" --annotation io.mx.old=relative test:new true
	each 126 'annotation io.mx.old: "/a/../.." has a ".." in it' "${m[@]}" --annotation io.mx.old=/a/../.. test:new true
	each 126 "is the new version's own root" "${m[@]}" --annotation io.mx.old=/ test:new true
	each 126 'annotation io.mx.leader: "both" is none of new|old' "${mx_flags[@]}" --annotation io.mx.leader=both test:new true
	each 126 'annotation io.mx.nonsense: there is no such option' "${mx_flags[@]}" --annotation io.mx.nonsense=1 test:new true
	each 126 'annotation io.mx.internal: there is no such option' "${mx_flags[@]}" --annotation io.mx.internal=x test:new true
	each 126 'annotation io.mx.survive: "SIGKILL" is none of' "${mx_flags[@]}" --annotation io.mx.survive=SIGKILL test:new true
	each 126 'annotation io.mx.old-args: line 1:' "${mx_flags[@]}" --annotation 'io.mx.old-args=[1' test:new true
	each 126 'annotation io.mx.shared-paths: "/" would leave no path of its own' "${mx_flags[@]}" --annotation io.mx.shared-paths=/ test:new true
	each 126 'annotation io.mx.rules: line 1:' "${mx_flags[@]}" --annotation 'io.mx.rules={' test:new true
	each 126 "annotation io.mx.old, the place of the old version's root in the container, is missing" --annotation io.mx.leader=new test:new true
}

@test "the old root is not there, or no folder" {
	each 127 'annotation io.mx.old: /nowhere: No such file or directory' --annotation io.mx.old=/nowhere test:new true
	each 126 'annotation io.mx.old: /etc/version: Not a directory' --annotation io.mx.old=/etc/version test:new true
}

@test "a mount in the way" {
	each 126 'a mount at /.mx/state is in the way' "${mx_flags[@]}" --tmpfs /.mx/state test:new true
	each 126 'a mount at /.mx is in the way' --tmpfs /.mx --annotation io.mx.old=/.mx/old test:new true
}

@test "an annotation that the operator forbids" {
	fails mx-operator 126 'annotation io.mx.leader: not allowed by the operator' "${mx_flags[@]}" --annotation io.mx.leader=old test:new true
	[ "$(podman --runtime mx-operator run --rm "${mx_flags[@]}" test:new echo fine)" = fine ]
}

@test "a seccomp profile that forbids ptrace" {
	jq -n '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["ptrace"], action: "SCMP_ACT_ERRNO"}]}' \
		>"$BATS_TEST_TMPDIR/seccomp.json"
	each 126 "the container's seccomp profile forbids ptrace(2), which MX needs" "${mx_flags[@]}" \
		--security-opt "seccomp=$BATS_TEST_TMPDIR/seccomp.json" test:new true
}

@test "the host's state folder is full" {
	local d
	# A /run/mx of 8 pages, in a mount namespace of its own: nobody else sees it.
	for d in $(delegates); do
		run unshare -m sh -c '
			mkdir -p /run/mx && mount -t tmpfs -o nr_inodes=1 full /run/mx || exit 99
			exec podman --runtime "$0" run --name c1 "$@"' "mx-$d" "${mx_flags[@]}" test:new true
		echo "$output"
		[ "$status" = 126 ]
		[[ "$output" = *"No space left on device"* ]]
		podman rm -f -t 0 c1
	done
}

# A bundle without an engine above: what an engine would have logged is in the --log file.
bundle() {
	bundle=$BATS_TEST_TMPDIR/bundle
	mkdir -p "$bundle"
	cp -a "$BATS_FILE_TMPDIR/image.new" "$bundle/rootfs"
	cp -a "$BATS_FILE_TMPDIR/image.old" "$bundle/old"
	(cd "$bundle" && runc spec)
	jq --arg old "$bundle/old" '.process.terminal = false | .process.args = ["cat", "/etc/version"]
		| .annotations = {"io.mx.old": "/.mx/old"} | del(.linux.resources)
		| .mounts += [{"destination": "/.mx/old", "type": "bind", "source": $old, "options": ["rbind", "ro"]}]' \
		"$bundle/config.json" >"$bundle/edited"
	mv "$bundle/edited" "$bundle/config.json"
}

@test "the disk for the kept logs is full: the container ends as it would, with a warning" {
	local d id=mx-test-$$ full=$BATS_TEST_TMPDIR/full
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	jq '.process.args = ["sleep", "60"]' "$bundle/config.json" >"$bundle/edited"
	mv "$bundle/edited" "$bundle/config.json"
	mkdir "$full"
	mount -t tmpfs -o size=4k full "$full"
	head -c 4096 /dev/zero >"$full/x"
	for d in $(delegates); do
		make_shim mx-operator "\"delegate\": \"$(PATH=$PATH:/usr/sbin command -v "$d")\""
		sed -i "s|\"log-dir\": \"[^\"]*\"|\"log-dir\": \"$full\"|" "$shims/mx-operator.conf"
		run podman --runtime mx-operator run --rm "${mx_flags[@]}" test:new sh -c 'exit 5'
		echo "$output"
		[ "$status" = 5 ]
		# podman would delete it as well, and keep the warning to itself.
		"$shims/mx-operator" create --bundle "$bundle" "$id" >"$BATS_TEST_TMPDIR/out" 2>&1 </dev/null 3>&-
		"$shims/mx-operator" start "$id"
		for _ in {1..100}; do
			[ ! -s "/run/mx/default/$id/state/events.jsonl" ] || break
			sleep 0.1
		done
		run "$shims/mx-operator" delete --force "$id"
		echo "$output"
		[ "$status" = 0 ]
		[[ "$output" = *"warning: keep the event log: "*"No space left on device"* ]]
		[ ! -e "/run/mx/default/$id" ]
	done
	umount "$full"
	make_shim mx-operator '"allow": ["old"], "defaults": {"prefer": "leader"}'
}

@test "what a container has left that was killed at a bad moment is in nobody's way" {
	local d id=mx-test-$$ state=/run/mx/default/mx-test-$$
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	for d in $(delegates); do
		"$shims/mx-$d" create --bundle "$bundle" "$id" </dev/null >/dev/null 2>&1 3>&-
		run "$shims/mx-$d" create --bundle "$bundle" "$id"
		[ "$status" = 1 ]
		[[ "$output" = *"container $id exists already"* ]]
		[ -s "$state/plan.json" ]
		# The delegate lets it go, and the shim is not told.
		"$d" delete --force "$id"
		[ -s "$state/plan.json" ]
		"$shims/mx-$d" create --bundle "$bundle" "$id" </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/said" 3>&-
		grep 'left over' "$BATS_TEST_TMPDIR/said"
		"$shims/mx-$d" delete --force "$id"
		[ ! -e "$state" ]
	done
}

@test "a delegate runs from a sealed copy, which it need not make itself, but for a script" {
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	make_shim mx-operator "\"delegate\": \"$BUILD/victims/sealed\""
	[ "$("$shims/mx-operator" run --bundle "$bundle" "mx-test-$$")" = sealed ]
	printf '#!/bin/sh\necho "script: $*"; exit 3\n' >"$BATS_TEST_TMPDIR/delegate"
	chmod 755 "$BATS_TEST_TMPDIR/delegate"
	make_shim mx-operator "\"delegate\": \"$BATS_TEST_TMPDIR/delegate\""
	run "$shims/mx-operator" run --bundle "$bundle" "mx-test-$$"
	[ "$status" = 3 ]
	[ "$output" = "script: run --bundle $bundle mx-test-$$" ]
	# What is no container of MX's runs as if the shim were not there.
	jq 'del(.annotations)' "$bundle/config.json" >"$bundle/edited"
	mv "$bundle/edited" "$bundle/config.json"
	make_shim mx-operator "\"delegate\": \"$BUILD/victims/sealed\""
	[ "$("$shims/mx-operator" run --bundle "$bundle" "mx-test-$$")" = open ]
}

@test "config.json is malformed: the delegate's own answer" {
	local d
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	printf '{"ociVersion": "1.0.2", ' >"$bundle/config.json"
	for d in $(delegates); do
		run "$d" --log "$BATS_TEST_TMPDIR/want" --log-format json create --bundle "$bundle" "mx-test-$$"
		want=$status
		run "$shims/mx-$d" --log "$BATS_TEST_TMPDIR/got" --log-format json create --bundle "$bundle" "mx-test-$$"
		[ "$status" = "$want" ]
		[ "$(jq -r .msg "$BATS_TEST_TMPDIR/want")" = "$(jq -r .msg "$BATS_TEST_TMPDIR/got")" ]
		rm "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/got"
	done
}

@test "a config.json that asks for MX is not left to a delegate that reads more than MX does" {
	local d text
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	jq -c . "$bundle/config.json" | sed 's/}$//' >"$bundle/open"
	for text in ',"x":1,"x":2}' "$(printf ',"x":%0200d' 0 | tr 0 '[')$(printf '%0200d' 0 | tr 0 ']')}" '} garbage' \
		$',"x":"\xff"}' ',"annotations":{"io.mx.internal.state":"default/other"}}' "} $(printf '%0200d' 0)"; do
		printf '%s%s' "$(cat "$bundle/open")" "$text" >"$bundle/config.json"
		for d in $(delegates); do
			run "$shims/mx-$d" --log "$BATS_TEST_TMPDIR/log" --log-format json create --bundle "$bundle" "mx-test-$$"
			echo "$text: $status $output"
			[ "$status" = 1 ]
			[[ "$(tail -n 1 "$BATS_TEST_TMPDIR/log" | jq -r .msg)" = "mx: $bundle/config.json: "* ]]
			[ ! -e "/run/mx/default/mx-test-$$" ]
			run "$d" state "mx-test-$$"
			[ "$status" != 0 ]
		done
	done
	(cat "$bundle/open"; echo '}') | jq '.annotations["io.mx.internal.state"] = "default/other"' >"$bundle/config.json"
	run "$shims/mx-runc" create --bundle "$bundle" "mx-test-$$"
	[ "$status" = 1 ]
	[[ "$output" = "mx: annotation io.mx.internal.state: is mx-shim's own"* ]]
	# What does not ask is the delegate's.
	(cat "$bundle/open"; echo '}') | jq -c 'del(.annotations)' | sed 's/}$/,"x":1,"x":2}/' >"$bundle/config.json"
	[ "$("$shims/mx-runc" run --bundle "$bundle" "mx-test-$$")" = new ]
}

@test "another file than config.json" {
	local d
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	command -v crun >/dev/null || skip "runc has no such option"
	bundle
	cp "$bundle/config.json" "$BATS_TEST_TMPDIR/other.json"
	cd "$BATS_TEST_TMPDIR"
	mv "$bundle/config.json" "$BATS_TEST_TMPDIR/apart.json"
	for d in other.json "$BATS_TEST_TMPDIR/apart.json"; do
		[ "$("$shims/mx-crun" run --config "$d" --bundle "$bundle" "mx-test-$$")" = new ]
		[ "$("$shims/mx-crun" log --json "mx-test-$$" | jq -r 'select(.event == "start") | .old')" = cat ]
	done
}

@test "an annotation cannot begin a line in anybody's log" {
	local d log=$BATS_TEST_TMPDIR/log
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	jq '.annotations["io.mx.leader"] = "x\n2026-01-01T00:00:00Z: forged"' "$bundle/config.json" >"$bundle/edited"
	mv "$bundle/edited" "$bundle/config.json"
	for d in $(delegates); do
		run "$shims/mx-$d" --log "$log" create --bundle "$bundle" "mx-test-$$"
		[ "$status" = 1 ]
		[ "${#lines[@]}" = 1 ]
		! grep -q ^2026-01-01 "$log"
		grep -q 'io.mx.leader: "x.x0a2026-01-01' "$log"
	done
}

@test "config.json holds the wrong kinds of values" {
	local d edit
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	cp "$bundle/config.json" "$bundle/good"
	for edit in '.process.args = 5' '.process.args = []' '.process.args = [1]' '.mounts = {}' '.hooks = []' \
		'.linux.maskedPaths = [1]' '.process.capabilities = 7' '.root.path = null' '.process.user.uid = -1'; do
		jq "$edit" "$bundle/good" >"$bundle/config.json"
		for d in $(delegates); do
			run "$shims/mx-$d" --log "$BATS_TEST_TMPDIR/log" --log-format json create --bundle "$bundle" "mx-test-$$"
			echo "$edit: $status $output"
			[ "$status" = 1 ]
			[[ "$(tail -n 1 "$BATS_TEST_TMPDIR/log" | jq -r .msg)" = "mx: "* ]]
			[ "$(tail -n 1 "$BATS_TEST_TMPDIR/log" | jq -r .level)" = error ]
			date -d "$(tail -n 1 "$BATS_TEST_TMPDIR/log" | jq -r .time)" >/dev/null
			[ ! -e "/run/mx/default/mx-test-$$" ]
		done
	done
}

# spying DELEGATE COMMAND...: a shim whose delegate first runs the command.
spying() {
	printf '#!/bin/bash\n%s\nexec %s "$@"\n' "${*:2}" "$(PATH=$PATH:/usr/sbin command -v "$1")" >"$BATS_TEST_TMPDIR/spying"
	chmod 755 "$BATS_TEST_TMPDIR/spying"
	make_shim mx-operator "\"delegate\": \"$BATS_TEST_TMPDIR/spying\""
}

@test "a bundle can be used again, and its config.json is what it was" {
	local d seen=$BATS_TEST_TMPDIR/seen
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	cp "$bundle/config.json" "$BATS_TEST_TMPDIR/before"
	for d in $(delegates); do
		spying "$d" cp "$bundle/config.json" "$seen"
		for _ in 1 2 3; do
			run "$shims/mx-operator" run --bundle "$bundle" "mx-test-$$"
			echo "$output"
			[ "$output" = new ]
			[ "$(jq '[.mounts[] | select(.destination == "/.mx")] | length' "$seen")" = 1 ]
			[ "$(jq '.hooks.prestart | length' "$seen")" = 1 ]
			cmp "$bundle/config.json" "$BATS_TEST_TMPDIR/before"
			[ ! -e "$bundle/config.json.mx-original" ]
		done
		"$shims/mx-$d" create --bundle "$bundle" "mx-test-$$"
		cmp "$bundle/config.json" "$BATS_TEST_TMPDIR/before"
		"$shims/mx-$d" delete --force "mx-test-$$"
	done
}

@test "a start that was broken off leaves a bundle that can be used" {
	local d
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	cp "$bundle/config.json" "$BATS_TEST_TMPDIR/before"
	for d in $(delegates); do
		spying "$d" 'kill -KILL $PPID; exit 1;'
		run "$shims/mx-operator" run --bundle "$bundle" "mx-test-$$"
		[ "$status" = 137 ]
		! cmp -s "$bundle/config.json" "$BATS_TEST_TMPDIR/before"
		[ "$("$shims/mx-$d" run --bundle "$bundle" "mx-test-$$" 2>/dev/null)" = new ]
		cmp "$bundle/config.json" "$BATS_TEST_TMPDIR/before"
		[ ! -e "$bundle/config.json.mx-original" ]
	done
}

@test "a config.json that somebody has replaced meanwhile stays" {
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	printf '#!/bin/sh\nrunc "$@"; echo theirs >%q/new; mv %q/new %q/config.json\n' "$bundle" "$bundle" "$bundle" \
		>"$BATS_TEST_TMPDIR/delegate"
	chmod 755 "$BATS_TEST_TMPDIR/delegate"
	make_shim mx-operator "\"delegate\": \"$BATS_TEST_TMPDIR/delegate\""
	[ "$("$shims/mx-operator" run --bundle "$bundle" "mx-test-$$")" = new ]
	[ "$(cat "$bundle/config.json")" = theirs ]
	[ ! -e "$bundle/config.json.mx-original" ]
}

@test "fields that nobody knows survive the edit, and numbers as they were" {
	local seen=$BATS_TEST_TMPDIR/seen
	command -v runc >/dev/null || skip "no runc to make a bundle with"
	bundle
	spying runc cp "$bundle/config.json" "$seen"
	jq '.future = {"a": [1, null, true, "\u0000x€"]} | .linux.x = 1' "$bundle/config.json" |
		sed 's/"x": 1$/"x": 18446744073709551615.00/' >"$bundle/edited"
	mv "$bundle/edited" "$bundle/config.json"
	run "$shims/mx-operator" run --bundle "$bundle" "mx-test-$$"
	[ "$output" = new ]
	grep -q '"x":18446744073709551615.00' "$seen"
	[ "$(jq -c .future "$bundle/config.json")" = "$(jq -c .future "$seen")" ]
}

@test "an option that lacks its value is the delegate's to refuse, but for mx-shim's own" {
	local words
	run "$BUILD/mx-shim" --mx-conf
	echo "$output"
	[ "$status" = 1 ]
	[ "$output" = "--mx-conf: the name of a file is missing" ]
	for words in --root "--log-format json --log" "create --bundle" "exec --process"; do
		# shellcheck disable=SC2086
		run "$shims/mx-crun" $words
		echo "$words: $status $output"
		[ "$status" = 64 ]
		[[ "$output" = *"requires an argument"* ]]
	done
}
