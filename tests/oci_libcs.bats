#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two images with different libcs: Debian trixie's as the old version, bookworm's as the new one.

# mx_flags is podman.bash's.
# shellcheck disable=SC2030,SC2031,SC2154

load podman.bash

# make_root SUITE: the essential packages, unpacked.
make_root() {
	debootstrap --foreign --variant=minbase "$1" "$BATS_FILE_TMPDIR/$1" >"$BATS_FILE_TMPDIR/$1.log" 2>&1 || {
		tail -n 5 "$BATS_FILE_TMPDIR/$1.log"
		return 1
	}
	rm -rf "$BATS_FILE_TMPDIR/$1"/{var/cache/apt,debootstrap,usr/share/doc,usr/share/locale}
	# Where it may not mount, debootstrap puts links to the host's in these places.
	rm -rf "${BATS_FILE_TMPDIR:?}/${1:?}"/{proc,sys,dev}
	mkdir -p "$BATS_FILE_TMPDIR/$1"/{data,proc,sys,dev}
	printf '%s\n' "$1" >"$BATS_FILE_TMPDIR/$1/etc/suite"
}

setup_file() {
	local suite jobs=() job

	command -v debootstrap >/dev/null || skip "no debootstrap"
	podman_setup
	for suite in trixie bookworm; do
		make_root $suite &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job"
	done
	# The program takes orders; the new version has a bug.
	cat >"$BATS_FILE_TMPDIR/app.c" <<-'END'
		#include <fcntl.h>
		#include <gnu/libc-version.h>
		#include <stdio.h>
		#include <string.h>
		#include <unistd.h>

		/* stdio asks fstat(2) in another way in each libc; this test is about files. */
		static void put(int fd, const char *a, const char *b)
		{
			char text[2000];
			int n = snprintf(text, sizeof(text), "%s%s", a, b);

			if (write(fd, text, n) != n)
				_exit(9);
		}

		static void note(const char *path, const char *text, int flags)
		{
			int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);

			put(fd, text, "\n");
			close(fd);
		}

		static void show(const char *path)
		{
			char text[1000];
			int fd = open(path, O_RDONLY), n = read(fd, text, sizeof(text) - 1);

			text[n > 0 ? n : 0] = 0;
			put(1, path, ": ");
			put(1, text, "");
			close(fd);
		}

		static int order(char *line)
		{
			int n = 0;

			while (read(0, line + n, 1) == 1) {
				if (line[n++] != '\n')
					continue;
				line[n - 1] = 0;
				return 1;
			}
			return 0;
		}

		int main(void)
		{
			char line[100];

			note("/etc/own-libc", gnu_get_libc_version(), O_TRUNC);
			put(1, "ready\n", "");
			while (order(line)) {
				if (!strcmp(line, "crash")) {
		#ifdef BUG
					*(volatile char *)0 = 1;
		#endif
					put(1, "survived\n", "");
				} else if (!strcmp(line, "show")) {
					show("/data/log");
					show("/var/log.txt");
				} else {
					note("/data/log", line, O_APPEND);
					note("/var/log.txt", line, O_APPEND);
				}
			}
			return 3;
		}
	END
	gcc -O1 -o "$BATS_FILE_TMPDIR/trixie/usr/bin/app" "$BATS_FILE_TMPDIR/app.c"
	gcc -O1 -DBUG -o "$BATS_FILE_TMPDIR/bookworm/usr/bin/app" "$BATS_FILE_TMPDIR/app.c"
	cat >"$BATS_FILE_TMPDIR/stdio.c" <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <time.h>

		/* All of it by stdio, whose own calls are each libc's. */
		static void order(char *line)
		{
			char text[200];
			FILE *f = fopen("/data/log", "a+");

			line[strcspn(line, "\n")] = 0;
		#ifdef BUG
			if (!strcmp(line, "crash"))
				*(volatile char *)0 = 1;
		#endif
			fprintf(f, "%s\n", line);
			rewind(f);
			while (fgets(text, sizeof(text), f))
				printf("%s", text);
			fclose(f);
			printf("%zu %s\n", strlen(line), time(NULL) > 0 ? "now" : "never");
			fflush(stdout);
		}

		int main(void)
		{
			char *line = NULL;
			size_t size = 0;

			setvbuf(stdout, NULL, _IOFBF, 100);
			puts("ready");
			fflush(stdout);
			while (getline(&line, &size, stdin) > 0)
				order(line);
			free(line);
			return 3;
		}
	END
	gcc -O1 -o "$BATS_FILE_TMPDIR/trixie/usr/bin/stdio" "$BATS_FILE_TMPDIR/stdio.c"
	gcc -O1 -DBUG -o "$BATS_FILE_TMPDIR/bookworm/usr/bin/stdio" "$BATS_FILE_TMPDIR/stdio.c"
	for suite in trixie bookworm; do
		tar -C "$BATS_FILE_TMPDIR/$suite" -c . | podman import -q - "app:$suite" >/dev/null
	done
}

teardown_file() {
	podman_teardown
}

setup() {
	mx_flags=(--mount 'type=image,source=app:trixie,destination=/.mx/old' --annotation io.mx.old=/.mx/old)
}

teardown() {
	podman rm -fa -t 0 >/dev/null 2>&1
	podman volume rm -fa >/dev/null 2>&1
}

@test "the two libcs are not the same" {
	run cmp "$BATS_FILE_TMPDIR"/{trixie,bookworm}/usr/lib/x86_64-linux-gnu/libc.so.6
	[ "$status" = 1 ]
}

@test "each version loads its own libraries, and the survivor sees all that the other wrote" {
	local d fifo=$BATS_TEST_TMPDIR/orders out=$BATS_TEST_TMPDIR/out libs
	for d in $(delegates); do
		rm -f "$fifo" "$out"
		mkfifo "$fifo"
		podman --runtime "mx-$d" run -i --name c1 -v data:/data "${mx_flags[@]}" app:bookworm app <"$fifo" >"$out" 2>&1 3>&- &
		exec 7>"$fifo"
		for _ in {1..100}; do
			grep -q ready "$out" && break
			sleep 0.1
		done
		# What is mapped, seen from the host: one libc each.
		libs=$(podman exec c1 sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = app ] && grep -h libc.so $p/maps | cut -d " " -f 6- ; done' | sort -u)
		cat "$out"
		echo "libs: $libs"
		printf 'one\ncrash\ntwo\nshow\n' >&7
		for _ in {1..100}; do
			[ "$(grep -cx two "$out")" = 2 ] && break
			sleep 0.1
		done
		cat "$out"
		[ "$(podman exec c1 cat /etc/own-libc)" = 2.36 ]
		[ "$(podman exec c1 cat /.mx/root/etc/own-libc)" = 2.41 ]
		[ "$(podman exec c1 cat /.mx/root/etc/suite)" = trixie ]
		[ "$(podman exec c1 cat /.mx/root/var/log.txt)" = $'one\ntwo' ]
		exec 7>&-
		[ "$(podman wait c1)" = 3 ]
		[ "$(cat "$out")" = 'ready
survived
/data/log: one
two
/var/log.txt: one
two' ]
		[ "$(podman run --rm -v data:/data test:new cat /data/log)" = $'one\ntwo' ]
		events "mx-$d" "$(podman inspect -f '{{.Id}}' c1)" | grep -x takeover
		podman rm -f -t 0 c1
		podman volume rm data
	done
}

@test "a program that uses stdio, whose own calls differ between the libcs" {
	local d fifo=$BATS_TEST_TMPDIR/orders out=$BATS_TEST_TMPDIR/out id
	for d in $(delegates); do
		rm -f "$fifo" "$out"
		mkfifo "$fifo"
		podman --runtime "mx-$d" run -i --name c1 -v data:/data "${mx_flags[@]}" app:bookworm stdio <"$fifo" >"$out" 2>&1 3>&- &
		exec 7>"$fifo"
		for _ in {1..100}; do
			grep -q ready "$out" && break
			sleep 0.1
		done
		printf 'one\ncrash\ntwo\n' >&7
		for _ in {1..100}; do
			[ "$(grep -c now "$out")" = 3 ] && break
			sleep 0.1
		done
		exec 7>&-
		[ "$(podman wait c1)" = 3 ]
		id=$(podman inspect -f '{{.Id}}' c1)
		cat "$out"
		"$shims/mx-$d" log "$id"
		[ "$(cat "$out")" = $'ready\none\n3 now\none\ncrash\n5 now\none\ncrash\ntwo\n3 now' ]
		[ "$(podman run --rm -v data:/data test:new cat /data/log)" = $'one\ncrash\ntwo' ]
		events "mx-$d" "$id" | grep -x takeover
		! events "mx-$d" "$id" | grep -x divergence
		podman rm -f -t 0 c1
		podman volume rm data
	done
}
