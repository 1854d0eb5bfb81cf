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
	[[ $output = *"not the same program"*"strings are shared"* ]]
	run -3 "$MX" analyze /bin/ls /bin/bash
	[[ $output = *"not the same program"* ]]
}

@test "programs that share a library's code are refused by what the rest says, another compilation is not" {
	cd "$BATS_TEST_TMPDIR"
	local i name
	# words NAME: a function that says forty things, and main, which says twelve more.
	words() {
		printf '#include <stdio.h>\nextern int common(int);\n'
		printf '__attribute__((noinline)) static int own_%s(int x)\n{\n' "$1"
		for ((i = 0; i < 40; i++)); do
			echo "	if (x & $((i * 7 + 1))) puts(\"the $1 says word $i\");"
		done
		printf '	return common(x);\n}\nint main(int argc, char **argv)\n{\n'
		for ((i = 0; i < 12; i++)); do
			echo "	if (argc == $i) printf(\"$1: usage $i %s\\n\", argv[0]);"
		done
		printf '	return own_%s(argc);\n}\n' "$1"
	}
	{
		echo '#include <stdio.h>'
		for ((i = 0; i < 30; i++)); do
			echo "__attribute__((noinline)) static int part_$i(int x)"
			echo "{ if (x > $i) printf(\"part $i of the library has %d\\n\", x); return x * $((i + 3)) + (x >> $((i % 5))); }"
		done
		echo 'int common(int x) {'
		for ((i = 0; i < 30; i++)); do echo "	x += part_$i(x);"; done
		echo '	return x; }'
	} >library.c
	for name in apple pear; do
		words $name >$name.c
		gcc -O2 -o $name $name.c library.c
		strip $name
	done
	run -3 "$MX" analyze apple pear
	[[ $output = *"not the same program"*"to the letter"*"other code uses 0 of 52 and 52 are shared, of main's 0 of 12 and 12"* ]] ||
		fail "$output"
	# What is left of the code alone would not do: nothing of it is the same.
	gcc -O0 -fno-pic -o apple0 apple.c library.c -no-pie
	strip apple0
	run -0 "$MX" analyze apple0 apple
	[[ $output != *"not the same program"* ]] || fail "$output"
	# Half of the words are others: still one program.
	sed 's/says word [0-9]*[02468]"/& anew"/' apple.c | sed 's/" anew"/ anew"/' >newer.c
	gcc -O2 -o newer newer.c library.c
	strip newer
	run -0 "$MX" analyze apple newer
	[[ $output = *analysed* ]] || fail "$output"
	# Programs of one package, linked with one library.
	for i in "ls cp" "cat tac" "sort uniq" "wc cut"; do
		run -3 "$MX" analyze "$(command -v ${i% *})" "$(command -v ${i#* })"
		[[ $output = *"not the same program"*"strings that other code uses"* ]] || fail "$i: $output"
	done
}

@test "a program whose every function changed is known by the names of its functions, where it has them" {
	cd "$BATS_TEST_TMPDIR"
	local i form
	{
		echo '#include <stdio.h>'
		for ((i = 0; i < 40; i++)); do
			echo "__attribute__((noinline)) long part_$i(long x) { MORE return x * $((i + 3)) + $((i % 5)); }"
		done
		echo 'int main(int argc, char **argv) { return printf("%ld\n", 0'
		for ((i = 0; i < 40; i++)); do echo "	+ part_$i(argc)"; done
		echo '); }'
	} >parts.c
	gcc -O2 -DMORE= -o old parts.c
	gcc -O2 '-DMORE=if (x == 77) { fprintf(stderr, "part has %ld\n", x); perror("more"); }' -o new parts.c
	run -0 "$MX" analyze old new
	[[ $output = *"analysed"*"have the same names"* ]] || fail "$output"
	# Without names nothing is left to know it by.
	strip old new
	run -3 "$MX" analyze old new
}

@test "programs that share most of their code are told apart by what they say, under any name" {
	cd "$BATS_TEST_TMPDIR"
	local i
	for i in "mv cp" "head tail" "chmod chown" "mkdir rmdir" "date touch" \
		"[ true" "expand false" "tsort sha1sum" "basenc tty"; do
		cp "$(type -P "${i% *}")" one
		cp "$(type -P "${i#* }")" two
		run -3 "$MX" analyze one two
		[[ $output = *"not the same program"*"to the letter"*"of main's"* ]] || fail "$i: $output"
	done
}

@test "a program of a few functions is no version of a large one, though their mains look alike" {
	local one two
	one=$(type -P tty) two=$(PATH=$PATH:/usr/sbin:/sbin type -P swaplabel)
	run -3 "$MX" analyze "$one" "$two"
	[[ $output = *"not the same program: "*"functions correspond"* ]] || fail "$output"
	run -3 "$MX" analyze "$two" "$one"
}

@test "small programs of which only the mains correspond are no versions of one another" {
	local name i
	cd "$BATS_TEST_TMPDIR" || return
	# program NAME WORDS...: a main that handles each word, in code that is alike in all of them.
	program() {
		local name=$1 i=0
		printf '#include <stdio.h>\n#include <string.h>\nint main(int argc, char **argv)\n{\n\tint n = 0;\n'
		printf '\tif (argc < 2) { puts("%s wants a word"); return 1; }\n' "$name"
		for word in "${@:2}"; do
			printf '\tif (!strcmp(argv[1], "%s")) n += printf("%s: %%d\\n", argc + %d);\n' $word "$word" $((i += 3))
		done
		printf '\treturn n;\n}\n'
	}
	program fetch left right upper lower middle >a.c
	program store apple orange cherry lemon >b.c
	program fetch left right upper lower centre bottom >c.c
	for name in a b c; do
		gcc -O2 -s -o $name $name.c
	done
	for i in "a b" "b a" "b c"; do
		run -3 "$MX" analyze $i
		[[ $output = *"not the same program: 1 of 1 and 1 functions correspond, "*" strings are shared"* ]]
	done
	run -0 "$MX" analyze a c
	run -0 "$MX" analyze c a
}

@test "programs of three functions: nothing that they say in common, or everything" {
	local one two kind
	cd "$BATS_TEST_TMPDIR" || return
	cat >sum.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		static long square(long n) { long s = 0; for (long i = 0; i < n; i++) s += n; return s; }
		int main(int argc, char **argv)
		{
			long n = argc > 1 ? atol(argv[1]) : 10;
			if (n < 0) { puts("no such square"); return 2; }
			printf("square of %ld is %ld\n", n, square(n));
			return puts("that was all") < 0;
		}
	C
	cat >lines.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		static long lines;
		static void count(FILE *f) { for (int c; (c = getc(f)) != EOF;) lines += c == 10; }
		int main(int argc, char **argv)
		{
			if (argc > 2) { puts("too many files"); return 2; }
			count(argc > 1 ? fopen(argv[1], "r") : stdin);
			printf("counted: %ld\n", lines);
			return 0;
		}
	C
	for one in sum lines; do
		gcc -O0 -o $one.full $one.c && strip -o $one.stripped $one.full
		gcc -O3 -o $one.3.full $one.c && strip -o $one.3.stripped $one.3.full
	done
	for kind in full stripped; do
		for one in "sum lines" "lines sum"; do
			two=${one#* }
			run -3 "$MX" analyze ${one% *}.$kind $two.$kind
			[[ $output = *"not the same program: "*" 0 of "*" strings are shared"* ]] || fail "$one $kind: $output"
		done
		run -0 "$MX" analyze sum.$kind sum.3.$kind
	done
	for one in sum lines; do
		gcc -O2 -s -fno-asynchronous-unwind-tables -fno-unwind-tables -o $one.bare $one.c
	done
	run -3 "$MX" analyze sum.bare lines.bare
	[[ $output = *"not the same program as far as is known: neither has functions of its own"*" 0 of "* ]] || fail "$output"
}

@test "one source made into two programs is told apart by the names that they give themselves" {
	run -3 "$MX" analyze "$(command -v sha256sum)" "$(command -v md5sum)"
	[[ $output = *"not the same program: the old one calls itself sha256sum and the new one md5sum"* ]] ||
		fail "$output"
	cd "$BATS_TEST_TMPDIR"
	local name i
	for name in apple pear apple-2.1; do
		mkdir -p "$name"
		{
			printf '#include <stdio.h>\nint main(int argc, char **argv)\n{\n'
			for ((i = 0; i < 30; i++)); do
				echo "	if (argc == $i) puts(\"the word is $i\");"
			done
			echo "	if (argc == 77) puts(\"Usage: ${name%%-*} FRUIT\");"
			echo "	return ${#name}; }"
		} >$name.c
		gcc -O2 -o "$name/${name}" "$name.c"
	done
	run -3 "$MX" analyze apple/apple pear/pear
	[[ $output = *"the old one calls itself apple and the new one pear"* ]] || fail "$output"
	# A version at the name's end, and a file that is called otherwise, say nothing.
	run -0 "$MX" analyze apple/apple apple-2.1/apple-2.1
	cp pear/pear new
	run -0 "$MX" analyze apple/apple new
	[[ $output = *analysed* ]] || fail "$output"
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
