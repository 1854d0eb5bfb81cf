#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# debian/ agrees with the Makefile, the code and the scripts. `make check-package` builds and installs the packages.

load lib

setup_file() {
	make -s -C "$ROOT" BUILD="$BUILD" DESTDIR="$BATS_FILE_TMPDIR/inst" PREFIX=/usr install
}

setup() {
	inst=$BATS_FILE_TMPDIR/inst
}

@test "the package's version is the program's" {
	[ "mx $(sed -n '1s/.*(\(.*\)).*/\1/p' "$ROOT/debian/changelog")" = "$("$MX" --version)" ]
}

@test "what is installed is packaged, and what is packaged is installed" {
	local file pattern
	(cd "$inst" && find . \( -type f -o -type l \) -printf '%P\n') >"$BATS_TEST_TMPDIR/files"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/files")" -gt 20 ]
	while read -r file; do
		grep -qE "^($(sort -u "$ROOT"/debian/*.install | paste -sd '|'))/" <<<"$file" || fail "in no package: $file"
	done <"$BATS_TEST_TMPDIR/files"
	for pattern in $(cat "$ROOT"/debian/*.install); do
		grep -q "^$pattern/" "$BATS_TEST_TMPDIR/files" || fail "nothing is installed in $pattern"
	done
}

@test "the package is built with what scripts/install-deps installs for a build" {
	local wanted got
	wanted=$(sed -n "/^build='/,/'$/p" "$ROOT/scripts/install-deps" | sed "s/^build=//; s/'//g" | tr ' ' '\n' |
		grep -vx build-essential | sort)
	got=$(sed -n '/^Build-Depends:/,/^$/p' "$ROOT/debian/control" | sed 's/^Build-Depends://; s/[ ,]//g' |
		grep -vE '^(debhelper-compat.*|python3:any<!nocheck>|)$' | sort)
	[ "$wanted" = "$got" ] || fail "$(diff <(echo "$wanted") <(echo "$got"))"
}

@test "mx.conf as installed says what holds without it" {
	local key value
	"$BUILD/mx-shim" --mx-conf "$inst/etc/mx/mx.conf" list >/dev/null
	while read -r key value; do
		# The manual page has each, with the same default.
		sed "s/\\\\(dq/\"/g" "$ROOT/docs/man/mx.conf.5" | grep -A 8 "^\.B $key\$" | grep -qE "\b$value\b" ||
			fail "mx.conf(5) does not say $value for $key"
	done < <(jq -r 'to_entries[] | "\(.key) \(.value)"' "$inst/etc/mx/mx.conf")
}

@test "an mx.conf that is there is left alone" {
	mkdir -p "$BATS_TEST_TMPDIR/inst/etc/mx"
	echo '{"hook-timeout": 7}' >"$BATS_TEST_TMPDIR/inst/etc/mx/mx.conf"
	make -s -C "$ROOT" BUILD="$BUILD" DESTDIR="$BATS_TEST_TMPDIR/inst" PREFIX=/usr install
	[ "$(jq '."hook-timeout"' "$BATS_TEST_TMPDIR/inst/etc/mx/mx.conf")" = 7 ]
}
