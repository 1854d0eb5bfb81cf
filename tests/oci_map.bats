#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The map that mx-hook makes is the one that the engine in the container goes by, where it is good for what runs.

# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash
bats_require_minimum_version 1.5.0

setup_file() {
	podman_setup mx-small mx-cache
	make_image spliced-old with_libraries "$BUILD/victims/spliced_old" program
	make_image spliced-new with_libraries "$BUILD/victims/spliced_new" program
	make_image shell-old with_libraries "$BUILD/victims/spliced_old" program script
	make_image shell-new with_libraries "$BUILD/victims/spliced_new" program script
	make_image trick-new with_libraries "$BUILD/victims/spliced_new" program trick
}

teardown_file() {
	podman_teardown
}

# with_libraries PROGRAM NAME [WHAT]: into the image in the working directory, with all that it loads.
with_libraries() {
	local file
	cp "$1" "bin/$2"
	ldd "$1" | sed -n 's/.*\s\(\/[^ ]*\) (.*/\1/p' | while read -r file; do
		install -D -m 755 "$file" ".$file"
	done
	case ${3-} in
	script)
		printf '#!/bin/sh\nexec /bin/program\n' >bin/start
		chmod 755 bin/start
		;;
	trick)
		mkdir -p .mx/config
		echo 'no map at all' >.mx/config/map
		;;
	esac
}

# crash_in IMAGE-PAIR COMMAND...: the new version crashes at 13 and comes back; $recovered is the event.
crash_in() {
	local d old=$1 new=$2 id fifo=$BATS_TEST_TMPDIR/in out=$BATS_TEST_TMPDIR/out i
	shift 2
	d=$(delegates | head -n 1)
	rm -f "$fifo" && mkfifo "$fifo"
	podman --runtime "mx-$d" run -i --name mapped --mount "type=image,source=test:$old,destination=/.mx/old" \
		--annotation io.mx.old=/.mx/old "test:$new" "$@" <"$fifo" >"$out" 2>&1 3>&- &
	exec 7>"$fifo"
	echo 1 >&7
	for ((i = 0; i < 400; i++)); do
		[ -s "$out" ] && break
		sleep 0.05
	done
	id=$(podman inspect -f '{{.Id}}' mapped)
	echo 13 >&7
	for ((i = 0; i < 400; i++)); do
		recovered=$("$shims/mx-$d" log --json "$id" | jq -c 'select(.event | startswith("recover"))')
		[ -z "$recovered" ] || break
		sleep 0.05
	done
	echo 2 >&7
	exec 7>&-
	wait $!
	podman rm -f mapped >/dev/null
	{ echo 1; echo 13; echo 2; } | "$BUILD/victims/spliced_old" | diff - "$out"
}

@test "a crash in a container is recovered from by the hook's map" {
	crash_in spliced-old spliced-new /bin/program
	[ "$(jq -r '.event + " " + .map' <<<"$recovered")" = "recovered given" ] || { echo "$recovered"; return 1; }
}

@test "a map that takes more than half of state-size is left out, with a warning, and the container starts" {
	local d id
	make_image bash-old with_libraries /bin/bash program
	LC_ALL=C sed 's/GNU bash, version/GNU Bash, version/' /bin/bash >"$BATS_TEST_TMPDIR/bash"
	chmod 755 "$BATS_TEST_TMPDIR/bash"
	make_image bash-new with_libraries "$BATS_TEST_TMPDIR/bash" program
	for d in $(delegates); do
		make_shim mx-small "\"delegate\": \"$(PATH=$PATH:/usr/sbin command -v "$d")\", \"state-size\": 65536"
		run --separate-stderr podman --runtime mx-small run --name left-out \
			--mount type=image,source=test:bash-old,destination=/.mx/old --annotation io.mx.old=/.mx/old \
			test:bash-new /bin/program -c 'echo fine'
		[ "$output" = fine ] || { echo "$output $stderr"; return 1; }
		id=$(podman inspect -f '{{.Id}}' left-out)
		run -0 "$shims/mx-small" log --json "$id"
		[[ $(jq -r 'select(.event == "map-left-out") | .level + " " + .reason' <<<"$output") = \
			"warning the map has "*" bytes, more than half of what state-size allows" ]]
		[ "$(jq -r 'select(.event == "exit").status' <<<"$output")" = 0 ]
		podman rm -f left-out >/dev/null
	done
}

@test "the hook keeps its map for the next container of the two images, and makes one anew that was cut short" {
	local d first cache=$BATS_TEST_TMPDIR/cache
	d=$(delegates | head -n 1)
	make_shim mx-cache "\"delegate\": \"$(PATH=$PATH:/usr/sbin command -v "$d")\", \"cache-dir\": \"$cache\""
	start() {
		run podman --runtime mx-cache run --rm --mount type=image,source=test:spliced-old,destination=/.mx/old \
			--annotation io.mx.old=/.mx/old test:spliced-new /bin/program </dev/null
		[ "$status" = 0 ] || { echo "$output"; return 1; }
		[ "$(find "$cache" -name '*.map' | wc -l)" = 1 ]
	}
	start
	first=$(stat -c '%i %y' "$cache"/*.map)
	cp "$cache"/*.map "$BATS_TEST_TMPDIR/kept"
	start
	[ "$(stat -c '%i %y' "$cache"/*.map)" = "$first" ]
	truncate -s -8 "$cache"/*.map
	start
	[ "$(stat -c '%i %y' "$cache"/*.map)" != "$first" ]
	cmp "$BATS_TEST_TMPDIR/kept" "$cache"/*.map
}

@test "files that have not changed are not read again; one that has is, whatever its time says" {
	local d i cache=$BATS_TEST_TMPDIR/cache old=$BATS_TEST_TMPDIR/old

	d=$(delegates | head -n 1)
	make_shim mx-cache "\"delegate\": \"$(PATH=$PATH:/usr/sbin command -v "$d")\", \"cache-dir\": \"$cache\""
	cp -a "$BATS_FILE_TMPDIR/image.spliced-old" "$old"
	start() {
		run podman --runtime mx-cache run --rm -v "$old:/.mx/old:ro" \
			--annotation io.mx.old=/.mx/old test:spliced-new /bin/program </dev/null
		[ "$status" = 0 ] || { echo "$output"; return 1; }
	}
	# A file that was written just now might be written once more in the same moment.
	for ((i = 0; i < 20; i++)); do
		start
		[ -z "$(find "$cache" -name '*.id')" ] || break
		sleep 0.5
	done
	[ "$(stat -c %h "$cache"/*.map "$cache"/*.id | tr '\n' ' ')" = "2 2 " ]
	# Were the files read, the map would be found missing and made.
	rm "$cache"/*.map
	start
	[ -z "$(find "$cache" -name '*.map')" ]
	touch -r "$old/bin/program" "$BATS_TEST_TMPDIR/time"
	printf x | dd of="$old/bin/program" conv=notrunc bs=1 seek=9 status=none
	touch -r "$BATS_TEST_TMPDIR/time" "$old/bin/program"
	start
	[ "$(find "$cache" -name '*.map' | wc -l)" = 1 ]
}

@test "an image's own /.mx/config/map is not looked at" {
	crash_in spliced-old trick-new /bin/program
	[ "$(jq -r '.event + " " + .map' <<<"$recovered")" = "recovered given" ] || { echo "$recovered"; return 1; }
}

@test "a script that executes what the hook did not see: the versions are analysed then" {
	crash_in shell-old shell-new /bin/start
	[ "$(jq -r '.event + " " + .map' <<<"$recovered")" = "recovered made" ] || { echo "$recovered"; return 1; }
	[[ $(jq -r .map_no_use <<<"$recovered") = *"differ, and the map has not got them" ]]
}

# without_container MAP: the same by `mx run`.
without_container() {
	local fifo=$BATS_TEST_TMPDIR/in log i
	log=$(mktemp "$BATS_TEST_TMPDIR/log.XXXXXX")
	rm -f "$fifo" && mkfifo "$fifo"
	"$BUILD/mx" run --log "$log" --map-if "$1" "$BUILD/victims/spliced_old" "$BUILD/victims/spliced_new" -- \
		<"$fifo" >"$BATS_TEST_TMPDIR/out" 3>&- &
	exec 7>"$fifo"
	echo 13 >&7
	for ((i = 0; i < 400; i++)); do
		grep -qs '"event":"recover' "$log" && break
		sleep 0.05
	done
	exec 7>&-
	wait $!
	recovered=$(jq -c 'select(.event | startswith("recover"))' "$log")
}

@test "a map that is missing, cut, spoilt, no file, or of other programs is not used" {
	local good=$BATS_TEST_TMPDIR/good bad=$BATS_TEST_TMPDIR/bad
	"$BUILD/mx" analyze -q -o "$good" "$BUILD/victims/spliced_old" "$BUILD/victims/spliced_new"
	without_container "$good"
	[ "$(jq -r '.map, .map_no_use' <<<"$recovered")" = $'given\nnull' ]

	without_container "$BATS_TEST_TMPDIR/nowhere"
	[ "$(jq -r '.event, .map, .map_no_use' <<<"$recovered")" = $'recovered\nmade\nnull' ]

	head -c $(($(stat -c %s "$good") / 2)) "$good" >"$bad"
	without_container "$bad"
	[ "$(jq -r '.event, .map, (.map_no_use != null)' <<<"$recovered")" = $'recovered\nmade\ntrue' ]

	cp "$good" "$bad"
	printf '\377' | dd of="$bad" bs=1 seek=$(($(stat -c %s "$good") / 2)) conv=notrunc status=none
	without_container "$bad"
	[[ $(jq -r '.map + .map_no_use' <<<"$recovered") = made*checksum* ]]

	"$BUILD/mx" analyze -q -o "$bad" "$BUILD/victims/canary_old" "$BUILD/victims/canary_new"
	without_container "$bad"
	[[ $(jq -r '.map + .map_no_use' <<<"$recovered") = made*"has not got them" ]]

	rm "$bad" && mkfifo "$bad"
	without_container "$bad"
	[ "$(jq -r '.event, .map' <<<"$recovered")" = $'recovered\nmade' ]

	rm "$bad" && ln -s "$good" "$bad"
	without_container "$bad"
	[ "$(jq -r '.event, .map' <<<"$recovered")" = $'recovered\nmade' ]
}
