#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx analyze on small programs that are built here, with symbols, with debug information, stripped.

load lib

setup_file() {
	need gcc strip objcopy readelf jq
	cd "$BATS_FILE_TMPDIR" || return
	cat >base.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		struct item { long key; long value; char name[32]; };
		static struct item table[16];
		static int used;
		static long total;
		__attribute__((noinline)) static long mix(long a, long b)
		{
			long r = a * 31 + b;
			for (int i = 0; i < 5; i++)
				r ^= r >> (3 + i), r *= 0x7feb352d;
			return r;
		}
		__attribute__((noinline)) static struct item *find(long key)
		{
			for (int i = 0; i < used; i++)
				if (table[i].key == key)
					return &table[i];
			return NULL;
		}
		__attribute__((noinline)) static void put(long key, long value, const char *name)
		{
			struct item *it = find(key);
			if (!it && used < 16)
				it = &table[used++];
			if (!it) {
				fprintf(stderr, "full at %ld\n", key);
				return;
			}
			it->key = key;
			it->value = mix(value, total);
			total += value;
			strncpy(it->name, name, sizeof(it->name) - 1);
		}
		__attribute__((noinline)) static void show(const char *title)
		{
			printf("%s: %d items, total %ld\n", title, used, total);
			for (int i = 0; i < used; i++)
				printf("  %ld %ld %s\n", table[i].key, table[i].value, table[i].name);
		}
		int main(int argc, char **argv)
		{
			for (int i = 1; i < argc; i++)
				put(atol(argv[i]), i, argv[i]);
			show("table");
			return used == 0;
		}
	C
	sed 's/struct item { long key;/struct item { long key; long stamp;/' base.c >grown.c
	sed 's/"full at %ld/"no room for %ld/; s/0x7feb352d/0x7feb352f/' base.c >constants.c
	sed 's/it->key = key;/if (key < 0) { fprintf(stderr, "negative %ld\\n", key); return; } it->key = key;/' base.c >changed.c
	for f in base grown constants changed; do
		gcc -O2 -g -o "$f.debug" "$f.c"
		strip -g -o "$f.symbols" "$f.debug"
		strip -o "$f.stripped" "$f.debug"
	done
}

# analyze NEW KIND [OPTION...]: the JSON of base against NEW in $json.
analyze() {
	json=$BATS_TEST_TMPDIR/map.json
	"$MX" analyze --json "${@:3}" "$BATS_FILE_TMPDIR/base.$2" "$BATS_FILE_TMPDIR/$1.$2" >"$json"
}

# verdict NAME: of the old version's function, by its name in the unstripped program.
verdict() {
	local addr
	addr=$(nm "$BATS_FILE_TMPDIR/base.symbols" | awk -v n="$1" '{ sub(/[.].*/, "", $3) } $3 == n { print $1 }')
	jq -r --arg a "0x$(sed 's/^0*//' <<<"$addr")" \
		'.objects[0].old_functions[] | select(.address == $a) | .verdict' "$json"
}

refusals() {
	jq -r '[.objects[0].new_functions[] | select(.refused)] | length' "$json"
}

@test "the same file is identical, and said at once" {
	run -0 "$MX" analyze "$BATS_FILE_TMPDIR/base.debug" "$BATS_FILE_TMPDIR/base.debug"
	[[ $output = *": identical"* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "unrelated programs are refused with the evidence" {
	run -3 "$MX" analyze /bin/ls "$BATS_FILE_TMPDIR/base.stripped"
	[[ $output = *"not the same program"*"strings and "*" imports are shared"* ]]
	run -3 "$MX" analyze /bin/ls /bin/bash
	[[ $output = *"not the same program"* ]]
}

@test "other constants are told from changed code, stripped or not" {
	for kind in debug symbols stripped; do
		analyze constants $kind
		[ "$(verdict mix)" = constants ]
		[ "$(verdict put)" = constants ]
		[ "$(verdict find)" = identical ]
		[ "$(verdict show)" = identical ]
		analyze changed $kind
		[ "$(verdict put)" = changed ]
		[ "$(verdict mix)" = identical ]
		[ "$(refusals)" = 0 ]
	done
}

@test "a structure that grew by one field is refused for the functions that use it" {
	for kind in debug symbols stripped; do
		analyze grown $kind
		echo "$kind: $(jq -c '.objects[0].new_functions[] | {name,verdict,refused} | select(.verdict != "identical")' "$json")"
		for name in find put show; do
			addr=0x$(nm "$BATS_FILE_TMPDIR/grown.symbols" | awk -v n=$name '{ sub(/[.].*/, "", $3) } $3 == n { print $1 }' | sed 's/^0*//')
			jq -e --arg a "$addr" '.objects[0].new_functions[] | select(.address == $a) |
				.verdict == "identical" or .refused != null' "$json" ||
				fail "$kind: $name is not refused"
		done
		[ "$(refusals)" -ge 3 ]
	done
	analyze grown debug
	jq -e '.objects[0].types[] | select(.name == "item") | .new_size == .old_size + 8' "$json"
}

@test "debug information: a field in the padding, another meaning, types without a name and of one name" {
	local field case name
	cd "$BATS_TEST_TMPDIR" || return
	cat >types.c <<-'C'
		#include <stdio.h>
		struct tagged { int key; A long value; };
		typedef struct { int key; B long value; } plain;
		static struct { int key; C long value; } state;
		struct node { D value; };
		static struct tagged tagged;
		static plain plains[3];
		static struct node node;
		void other(long);
		__attribute__((noinline)) static void in_tagged(struct tagged *t) { t->value = t->key * K; }
		__attribute__((noinline)) static void in_plain(plain *p) { p->value = p->key * K; }
		__attribute__((noinline)) static void in_state(int k) { state.key = k; state.value = k * K; }
		__attribute__((noinline)) static void in_node(int k) { node.value = k * K; }
		int main(int argc, char **argv)
		{
			in_tagged(&tagged);
			in_plain(&plains[argc]);
			in_state(argc);
			in_node(argc);
			other(argc);
			return printf("%d %d %d %s\n", (int)state.value, (int)node.value, (int)tagged.value, argv[0]) < 0;
		}
	C
	cat >other.c <<-'C'
		#include <stdio.h>
		struct node { int a; E long b; };
		__attribute__((noinline)) static void in_other(struct node *n) { n->b = n->a * K; }
		void other(long k) { struct node n = { .a = (int)k }; in_other(&n); printf("%ld\n", n.b); }
	C
	for case in none A:tagged B:plain C:state D:node E:other; do
		for side in old new; do
			set -- -DA= -DB= -DC= -DD=long -DE= -DK=3
			field=${case%:*}
			if [ $side = new ]; then
				set -- "$@" -UK -DK=7
				[ "$field" = D ] && set -- "$@" -UD -DD=double
				[[ $field == [ABCE] ]] && set -- "$@" "-U$field" "-D$field=int more;"
			fi
			gcc -O2 -g "$@" -o "$side" types.c other.c
		done
		"$MX" analyze --json old new >types.json
		for name in tagged plain state node other; do
			jq -e --arg n "in_$name" --arg hit "${case#*:}" '.objects[0].old_functions[] | select((.name // "") | startswith($n)) |
				.verdict != "identical" and
				((.refused // "" | test("uses .*, whose layout differs")) == ($n == "in_" + $hit))' types.json ||
				fail "$case: in_$name"
		done
	done
}

@test "a map is written, read back, and reported the same" {
	cd "$BATS_TEST_TMPDIR" || return
	old=$BATS_FILE_TMPDIR/base.stripped new=$BATS_FILE_TMPDIR/changed.stripped
	"$MX" analyze -o a.map "$old" "$new" >direct
	"$MX" analyze --read a.map >again
	cmp direct again
	for damage in 's/^MXSEAMAP/MXSEAMAQ/' 's/put/pot/' '$d'; do
		sed "$damage" a.map >bad.map
		cmp -s a.map bad.map && continue
		run -1 "$MX" analyze --read bad.map
		[[ $output = *"mx analyze: bad.map: "* ]]
	done
	head -c 100 a.map >short.map
	run -1 "$MX" analyze --read short.map
}

@test "the cache gives the same map, and damage to it is repaired" {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir cache
	old=$BATS_FILE_TMPDIR/base.stripped new=$BATS_FILE_TMPDIR/changed.stripped
	"$MX" analyze -o plain.map "$old" "$new" >/dev/null
	for pass in made kept broken mended; do
		[ "$pass" = broken ] && printf 'x' | dd of="$(echo cache/*.map)" bs=1 seek=200 conv=notrunc status=none
		"$MX" analyze --cache cache -o "$pass.map" "$old" "$new" >/dev/null
		cmp plain.map "$pass.map"
	done
	[ "$(ls cache | wc -l)" = 1 ]
}

@test "files without a build-id are analysed and cached like others, and a hit leaves the cache alone" {
	cd "$BATS_TEST_TMPDIR" || return
	local first side
	for side in base changed; do
		objcopy --remove-section .note.gnu.build-id "$BATS_FILE_TMPDIR/$side.stripped" $side
		run readelf -n $side
		[[ $output != *"Build ID"* ]]
	done
	mkdir cache
	run -0 "$MX" analyze --cache cache base changed
	[[ $output = *"analysed"*"build-ids       none"* ]] || fail "$output"
	first=$(stat -c '%i %y' cache/*.map)
	"$MX" analyze --cache cache -o kept.map base changed >/dev/null
	[ "$(stat -c '%i %y' cache/*.map)" = "$first" ]
	"$MX" analyze -o plain.map base changed >/dev/null
	cmp kept.map plain.map
	# The pair the other way round, and another file of the same name, are not that pair.
	"$MX" analyze --cache cache changed base >/dev/null
	[ "$(ls cache | wc -l)" = 2 ]
	printf 'x' >>base
	"$MX" analyze --cache cache -o other.map base changed >/dev/null
	[ "$(ls cache | wc -l)" = 3 ]
	! cmp -s other.map kept.map
}

@test "one function side by side, by name and by address" {
	run -0 "$MX" analyze -f put "$BATS_FILE_TMPDIR/base.symbols" "$BATS_FILE_TMPDIR/changed.symbols"
	[[ $output = *"changed; matched by name"* && $output = *" > "*'"negative'* ]]
	run -1 "$MX" analyze -f nonsense "$BATS_FILE_TMPDIR/base.symbols" "$BATS_FILE_TMPDIR/changed.symbols"
	[[ $output = *"neither version has a function nonsense"* ]]
}

@test "directories are paired by path, and by path without versions" {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p old/usr/bin old/usr/lib new/usr/bin new/usr/lib
	cp "$BATS_FILE_TMPDIR/base.stripped" old/usr/bin/prog
	cp "$BATS_FILE_TMPDIR/changed.stripped" new/usr/bin/prog
	cp "$BATS_FILE_TMPDIR/base.stripped" old/usr/lib/libx.so.1.2.3
	cp "$BATS_FILE_TMPDIR/base.stripped" new/usr/lib/libx.so.1.3.0
	cp "$BATS_FILE_TMPDIR/base.stripped" new/usr/bin/added
	ln -s /usr/bin old/loop
	run -0 "$MX" analyze --json old new
	jq -e '.objects | length == 3' <<<"$output"
	jq -e '.objects[] | select(.old == "usr/bin/prog") | .state == "analysed"' <<<"$output"
	jq -e '.objects[] | select(.new == "usr/bin/added") | .state == "only in the new version"' <<<"$output"
	jq -e '.objects[] | select(.state == "identical")' <<<"$output"
}

@test "what is not an object of this machine is refused with a reason" {
	cd "$BATS_TEST_TMPDIR" || return
	echo text >text
	run -1 "$MX" analyze text "$BATS_FILE_TMPDIR/base.debug"
	[[ $output = *"text: not an ELF object"* ]]
	printf '#! /opt/tool/bin/python3 -E\nprint()\n' >script
	run -1 "$MX" analyze script "$BATS_FILE_TMPDIR/base.debug"
	[[ $output = *"script: not an ELF object, but a script that /opt/tool/bin/python3 runs: analyse the two versions of that"* ]]
	printf '#!/usr/bin/env -S MODE=1 ruby -w' >script
	run -1 "$MX" analyze "$BATS_FILE_TMPDIR/base.debug" script
	[[ $output = *"a script that ruby runs"* ]]
	printf '#!' >script
	run -1 "$MX" analyze script script
	[[ $output = *"a script that something runs"* ]]
	run -1 "$MX" analyze nowhere text
	[[ $output = *"mx analyze: nowhere: "* ]]
	run -1 "$MX" analyze . text
	[[ $output = *"one is a directory"* ]]
	head -c 3000 "$BATS_FILE_TMPDIR/base.stripped" >short
	run -1 "$MX" analyze short "$BATS_FILE_TMPDIR/base.debug"
	[[ $output = *"cut off"* ]]
	mkfifo pipe
	run -1 timeout 5 "$MX" analyze pipe "$BATS_FILE_TMPDIR/base.debug"
	[[ $output = *"pipe"* ]]
}

@test "a wrong command line is a usage error" {
	run -2 "$MX" analyze
	run -2 "$MX" analyze --nonsense a b
	[[ $output = *nonsense* ]]
	run -2 "$MX" analyze --time-limit 0 a b
	run -2 "$MX" analyze -f x --json a b
}

@test "a structure that grew at its end is refused where it is allocated, scaled or cleared" {
	local side kind
	cd "$BATS_TEST_TMPDIR" || return
	cat >rows.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		struct row { int key; int hits; MORE };
		static struct row *rows;
		static int n;
		__attribute__((noinline)) void resize(int m) { rows = realloc(rows, m * sizeof(*rows)); n = m; }
		__attribute__((noinline)) struct row *one(void) { return calloc(1, sizeof(struct row)); }
		__attribute__((noinline)) void wipe(struct row *r) { memset(r, 0, sizeof(*r)); }
		__attribute__((noinline)) int sum(void) { int s = 0; for (int i = 0; i < n; i++) s += rows[i].key; return s; }
		__attribute__((noinline)) void order(int (*f)(const void *, const void *)) { qsort(rows, n, sizeof(*rows), f); }
		__attribute__((noinline)) void save(FILE *f) { fwrite(rows, sizeof(*rows), n, f); }
		__attribute__((noinline)) int untouched(int a) { return printf("%d\n", a ^ 5); }
		int main(int c, char **v)
		{
			struct row *o = one();
			resize(c * 4), wipe(o), order((int (*)(const void *, const void *))strcmp), save(stderr);
			return untouched(sum() + o->key);
		}
	C
	gcc -O2 '-DMORE=' -o old.full rows.c
	gcc -O2 '-DMORE=long when;' -o new.full rows.c
	# Another way to a size: no power of two.
	gcc -O2 '-DMORE=long when[2];' -o wide.full rows.c
	for side in old new wide; do
		strip -o $side.stripped $side.full
	done
	for kind in new wide; do
		"$MX" analyze --json old.full $kind.full >map.json
		for side in resize one wipe sum order save; do
			jq -e --arg f $side '.objects[0] | [(.old_functions, .new_functions)[] | select(.name == $f) | .refused != null] == [true, true]' \
				map.json || fail "$side is not refused ($kind)"
		done
		# No function that uses it may stand in: of those that differ, main alone.
		"$MX" analyze old.stripped $kind.stripped >report
		cat report
		grep -q 'a crash of the new version: [01] of' report
		grep -q 'a crash of the old version: [01] of' report
	done
}

@test "a structure that grew is refused where an array of it is indexed, however that is compiled" {
	local level more f
	cd "$BATS_TEST_TMPDIR" || return
	cat >points.c <<-'C'
		#include <stdio.h>
		struct point { int x; int y; MORE };
		#define APART __attribute__((noinline, noclone))
		APART int at(struct point *p, long i) { return p[i].x; }
		APART void set(struct point *p, unsigned i, int v) { p[i].y = v; }
		APART long sum(struct point *p, int n) { long s = 0; for (int i = 0; i < n; i++) s += p[i].x; return s; }
		APART struct point *find(struct point *p, int n, int y) { for (int i = 0; i < n; i++) if (p[i].y == y) return p + i; return NULL; }
		APART struct point *end(struct point *p, long n) { return p + n; }
		APART int last(struct point *p, int n) { return p[n - 1].x; }
		APART long both(struct point *p, long *q, int i) { return p[i].x + q[i]; }
		APART int untouched(struct point *p, long *q, int i) { return p->x + q[i]; }
		static struct point grid[40];
		APART int cell(int i) { return grid[i].y; }
		APART long index(struct point *p) { return p - grid; }
		int main(int c, char **v)
		{
			static long q[40];
			set(grid, c, c);
			return printf("%d %ld %p %p %d %ld %d %d %ld\n", at(grid, c), sum(grid, c), (void *)find(grid, c, 3),
				(void *)end(grid, c), last(grid, c), both(grid, q, c), cell(c), untouched(grid, q, c), index(grid + c));
		}
	C
	for level in 0 1 2 3 s; do
		gcc -w -O$level '-DMORE=' -o old.full points.c
		strip -o old.stripped old.full
		for more in 'int z;' 'long z;' 'long z[2];' 'char name[92];'; do
			gcc -w -O$level "-DMORE=$more" -o new.full points.c
			strip -o new.stripped new.full
			"$MX" analyze --json old.stripped new.stripped >map.json
			for f in at set sum find end last both cell index; do
				jq -e --arg at "0x$(nm old.full | awk -v f=$f '$3 == f { sub(/^0*/, "", $1); print $1 }')" \
					'.objects[0].old_functions[] | select(.address == $at) | .verdict != "identical" and .refused != null' \
					map.json >/dev/null || fail "$f is not refused (-O$level, $more)"
			done
			jq -e --arg at "0x$(nm old.full | awk '$3 == "untouched" { sub(/^0*/, "", $1); print $1 }')" \
				'.objects[0].old_functions[] | select(.address == $at) | .verdict == "identical" and .refused == null' map.json >/dev/null
		done
	done
}

@test "a map for what is no file is written to it, and it stays what it is" {
	cd "$BATS_FILE_TMPDIR"
	"$MX" analyze -o "$BATS_TEST_TMPDIR/map" base.stripped changed.stripped >/dev/null
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	timeout 20 cat "$BATS_TEST_TMPDIR/fifo" >"$BATS_TEST_TMPDIR/read" 3>&- &
	timeout 20 "$MX" analyze -o "$BATS_TEST_TMPDIR/fifo" base.stripped changed.stripped >/dev/null
	wait $!
	[ -p "$BATS_TEST_TMPDIR/fifo" ]
	cmp "$BATS_TEST_TMPDIR/map" "$BATS_TEST_TMPDIR/read"
}
