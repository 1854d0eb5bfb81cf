#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx analyze on other kinds of objects: symbols from elsewhere, C++, thread-local data, indirect
# functions, fixed addresses, jump tables.

load lib

setup() {
	need gcc strip objcopy objdump jq xz
	cd "$BATS_TEST_TMPDIR" || return
}

# pair_of COMPILER FLAGS: old.* from a.src, new.* from b.src, also stripped.
pair_of() {
	local compiler=$1 side from
	shift
	for side in old new; do
		[ $side = old ] && from=a || from=b
		$compiler "$@" -o $side.full $from.src* || return
		strip -o $side.stripped $side.full
	done
}

summary() {
	"$MX" analyze --json "$@" >map.json
	jq -c ".objects[0].summary | [.identical, .constants, .changed, .only_old, .only_new]" map.json
}

programs() {
	cat >a.src.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		static int hidden_total;
		__attribute__((noinline)) static int hidden_step(int x) { return hidden_total += x * 7; }
		__attribute__((noinline)) static int hidden_shape(int x)
		{
			switch (x) {
			case 0: return hidden_step(1);
			case 1: puts("one"); return 4;
			case 2: return hidden_step(3) + x;
			case 3: return -hidden_step(5);
			case 4: puts("four"); return 1;
			case 5: return hidden_total;
			default: return x;
			}
		}
		int main(int argc, char **argv) { return hidden_shape(argc) + hidden_step(argc); }
	C
	sed 's/puts("four"); return 1;/puts("four"); hidden_step(9); return 2;/' a.src.c >b.src.c
}

@test "symbols come from .gnu_debugdata" {
	programs
	pair_of gcc -O2
	for side in old new; do
		objcopy --only-keep-debug $side.full $side.mini 2>/dev/null || cp $side.full $side.mini
		strip -g -o $side.mini $side.full
		xz -k -f $side.mini
		objcopy --add-section .gnu_debugdata=$side.mini.xz $side.stripped $side.packed
	done
	"$MX" analyze --json old.packed new.packed >map.json
	jq -e '.objects[0].old_functions[] | select(.name == "hidden_step") | .verdict == "identical"' map.json
	printf 'garbage garbage garbage' >junk
	objcopy --add-section .gnu_debugdata=junk old.stripped old.junk
	run -0 "$MX" analyze old.junk new.stripped
	[[ $output = *"cannot be unpacked"* ]]
}

@test "symbols and types come from debug files by build-id" {
	programs
	pair_of gcc -O2 -g
	for side in old new; do
		id=$(readelf -n $side.full | awk '/Build ID/ { print $3 }')
		mkdir -p "$side/.build-id/${id:0:2}"
		objcopy --only-keep-debug $side.full "$side/.build-id/${id:0:2}/${id:2}.debug"
	done
	"$MX" analyze --json --debug-old old --debug-new new old.stripped new.stripped >map.json
	jq -e '.objects[0].old_functions[] | select(.name == "hidden_shape") | .verdict == "changed"' map.json
	# A file of another build is noticed.
	cp new/.build-id/*/*.debug old/.build-id/*/
	for f in old/.build-id/*/*.debug; do cp new/.build-id/*/*.debug "$f"; done
	run -0 "$MX" analyze --debug-old old --debug-new new old.stripped new.stripped
	[[ $output = *"belongs to another build"* ]]
}

@test "jump tables: an entry that leads elsewhere is a change, a moved table is none" {
	programs
	pair_of gcc -O2
	"$MX" analyze -q -o m.map old.full new.full
	run -0 "$MX" analyze --read m.map
	[[ $output = *"hidden_shape"*"changed"* ]]
	# The same source behind other code: everything moves, nothing changes.
	{ echo 'int unused_a(int x) { return x * 3 + 1; }'; cat a.src.c; } >b.src.c
	pair_of gcc -O2
	"$MX" analyze --json old.full new.full >map.json
	jq -e '.objects[0].old_functions[] | select((.name // "") | startswith("hidden_shape")) | .verdict == "identical"' map.json
	[ "$(jq '.objects[0].summary.changed' map.json)" = 0 ]
}

@test "a part that the compiler split off in one version is not taken for the whole" {
	cat >a.src.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		struct bits { char pad[40]; char *at; int left; };
		struct context { long n; struct bits bits; };
		__attribute__((noinline)) static int before(int x) { return printf("before %d\n", x * 7); }
		#ifdef SPLIT
		__attribute__((noinline)) static int part(struct context *c, int max)
		{
			int i, cmax = max - 1;
		#else
		__attribute__((noinline)) static int whole(struct context *c, int max)
		{
			int i, cmax = max - 1;
			if (!cmax) return 0;
		#endif
			if (!atoi(&c->bits.at[3])) return 0;
			i = 1;
			if (i == cmax) return i;
			if (!atoi(&c->bits.at[4])) return i;
			for (i = 2; i < cmax; i++)
				if (!abs(rand() + c->bits.left)) break;
			return i;
		}
		#ifdef SPLIT
		static inline int whole(struct context *c, int max) { return max == 1 ? 0 : part(c, max); }
		#endif
		__attribute__((noinline)) static int after(int x) { return printf("after %d\n", x * 9); }
		int main(int argc, char **argv)
		{
			struct context c = { .bits.at = argv[0] };
			int n = before(argc) + whole(&c, argc) + after(argc) + whole(&c, argc + 2);
			return printf("%d %s\n", n, argv[0]);
		}
	C
	gcc -O2 -o old.full a.src.c
	gcc -O2 -DSPLIT -o new.full a.src.c
	for side in old new; do
		strip -o $side.stripped $side.full
	done
	addr=$(nm old.full | awk '$3 == "whole" { print $1 }')
	run -0 "$MX" analyze -f "0x$addr" old.stripped new.stripped
	[[ $output = *"no partner is known"* ]] || fail "$output"
	run -0 "$MX" analyze --json old.stripped new.stripped
	[ "$(jq '.objects[0].summary.only_old, .objects[0].summary.only_new' <<<"$output" | xargs)" = "1 1" ]
}

@test "constant tables that begin alike are not the same" {
	cat >a.src.c <<-'C'
		static const int weights[] = { 10, 20, 30, 40, 50 };
		__attribute__((noinline)) int first(int i) { return weights[i % 5]; }
		__attribute__((noinline)) int second(int i) { return i * 77 + 5; }
		int main(int argc, char **argv) { return first(argc) + second(argc); }
	C
	sed 's/, 40, 50/, 41, 50/' a.src.c >b.src.c
	pair_of gcc -O2
	for kind in full stripped; do
		"$MX" analyze --json old.$kind new.$kind >map.json
		jq -e '.objects[0].summary | .constants == 1 and .changed == 0' map.json
	done
}

@test "thread-local data of another layout is refused" {
	cat >a.src.c <<-'C'
		static __thread long first, second;
		__attribute__((noinline)) long take(long x) { first += x; second ^= first; return second; }
		__attribute__((noinline)) long other(long x) { return x * 77 + 5; }
		int main(int argc, char **argv) { return take(argc) + other(argc); }
	C
	sed 's/long first, second/long zero, first, second/; s/second ^= first;/second ^= first + zero++;/' a.src.c >b.src.c
	pair_of gcc -O2
	"$MX" analyze --json old.full new.full >map.json
	jq -e '.objects[0].new_functions[] | select(.name == "take") | .refused | test("thread-local")' map.json
	jq -e '.objects[0].new_functions[] | select(.name == "other") | .verdict == "identical"' map.json
}

@test "C++: methods, virtual tables, landing pads" {
	need g++
	cat >a.src.cc <<-'C'
		#include <cstdio>
		#include <stdexcept>
		#include <string>
		struct shape { virtual ~shape() {} virtual int area(int x) = 0; };
		struct square : shape { int area(int x) override { return x * x; } };
		struct circle : shape { int area(int x) override { if (x < 0) throw std::runtime_error("negative"); return 3 * x * x; } };
		__attribute__((noinline)) static int guarded(shape &s, int x)
		{
			std::string name("guarded by a long enough text");
			try { return s.area(x) + name.size(); } catch (std::exception &e) { puts(e.what()); return 0; }
		}
		int main(int argc, char **argv) { square q; circle c; return guarded(q, argc) + guarded(c, argc); }
	C
	sed 's/return 3 \* x \* x/return 355 * x * x \/ 113/' a.src.cc >b.src.cc
	pair_of g++ -O2
	for kind in full stripped; do
		"$MX" analyze --json old.$kind new.$kind >map.json
		[ "$(jq '[.objects[0].summary | .only_old, .only_new] | add' map.json)" = 0 ]
		[ "$(jq '.objects[0].summary.changed' map.json)" -ge 1 ]
	done
	"$MX" analyze --json old.full new.full >map.json
	jq -e '.objects[0].old_functions[] | select(.name == "_ZN6square4areaEi") | .verdict == "identical"' map.json
	jq -e '.objects[0].old_functions[] | select(.name == "_ZN6circle4areaEi") | .verdict == "changed"' map.json
}

@test "indirect functions of a static program correspond" {
	programs
	pair_of gcc -O2 -static || skip "no static C library"
	summary old.full new.full
	jq -e '.objects[0].summary | .identical > 20 * .changed and .only_old == 0' map.json
}

@test "fixed addresses: code without absolute addresses can be used, other code is refused" {
	programs
	pair_of gcc -O2 -no-pie -fno-pie
	run -0 "$MX" analyze old.stripped new.stripped
	[[ $output = *"linked at fixed addresses"* ]]
	"$MX" analyze --json old.full new.full >map.json
	jq -e '.objects[0].new_functions[] | select(.name | startswith("hidden_shape")) |
		.verdict == "changed" and (.refused | test("position-dependent"))' map.json
}

@test "an import that the other version lacks refuses the function" {
	programs
	sed 's/hidden_step(9); return 2;/return system("true");/' b.src.c >c && mv c b.src.c
	pair_of gcc -O2
	"$MX" analyze --json old.full new.full >map.json
	jq -e '[.objects[0].new_functions[] | .refused // empty] | any(test("import system"))' map.json
}

@test "thread-local variables that changed places are refused, others are not" {
	cat >a.src.c <<-'C'
		#include <stdio.h>
		#ifdef SWAPPED
		static __thread long b = 2;
		static __thread long a = 1;
		#else
		static __thread long a = 1;
		static __thread long b = 2;
		#endif
		__attribute__((noipa)) long use_a(long x) { return a += x; }
		__attribute__((noipa)) long use_b(long x) { return b *= x; }
		__attribute__((noipa)) long change(long x)
		{
		#ifdef NEW
			a += 5;
			return x * 3;
		#else
			a -= 5;
			return x * 5 + 1;
		#endif
		}
		int main(int argc, char **argv)
		{
			return printf("%ld %ld %ld\n", use_a(argc), use_b(argc), change(argc));
		}
	C
	(echo '#define NEW'; cat a.src.c) >b.src.c
	pair_of gcc -O2
	"$MX" analyze old.full new.full >stay
	grep -q '1 of 1 functions of the old one may stand in' stay
	(echo '#define SWAPPED'; cat b.src.c) >c.src.c
	mv c.src.c b.src.c
	pair_of gcc -O2
	"$MX" analyze old.full new.full >moved
	grep -q 'uses thread-local data, whose layout differs' moved
	grep -q '0 of 3 functions of the old one may stand in' moved
	"$MX" analyze old.stripped new.stripped >moved
	grep -q 'uses thread-local data, whose layout differs' moved
}

@test "calls to one function that changed places are told apart by what they are made for" {
	local i side
	# blocks FIRST SECOND: two parts of one function, each with a call to the same one.
	blocks() {
		long=$(for ((i = 0; i < 30; i++)); do printf '	v[%d] += x >> %d;\n' $((i % 8)) $((i % 5 + 1)); done)
		printf '#include <stdio.h>\n#include <stdlib.h>\nvolatile int v[8];\n'
		printf '__attribute__((noinline)) void report(int n) { printf("report %%d\\n", n); v[n] = 0; }\n'
		printf '__attribute__((noinline)) int work(int x)\n{\n'
		for part; do
			case $part in
			long) printf '%s\n	report(1);\n%s\n' "$long" "$long" ;;
			short) printf '	v[1] = x ^ 5;\n	report(3);\n' ;;
			esac
		done
		printf '	return v[0];\n}\nint main(int argc, char **argv) { return work(argc) + atoi(argv[0]); }\n'
	}
	# returns: what the map says of the calls of the old version's, one "OLD NEW" a line.
	returns() { jq -r '.objects[0].return_addresses[] | .old + " " + .new' map.json | grep -wFf old.rets; }
	blocks long short >a.src.c
	blocks short long >b.src.c
	pair_of gcc -O1
	summary old.stripped new.stripped
	for side in old new; do
		objdump -d --no-show-raw-insn --disassemble=work $side.full |
			awk '/call.*<report>/ { getline; sub(":", "", $1); print "0x" $1 }' >$side.rets
		[ "$(wc -l <$side.rets)" -eq 2 ]
	done
	returns >mapped
	paste -d' ' old.rets <(tac new.rets) >crossed
	[ -s mapped ] && [ -z "$(grep -vxFf crossed mapped)" ] || fail "$(cat mapped crossed)"
	# As many calls in their old order are found, whatever changed around them.
	blocks long short >a.src.c
	sed 's/x ^ 5/x ^ x * 3/' a.src.c >b.src.c
	pair_of gcc -O1
	summary old.stripped new.stripped
	returns >mapped
	[ "$(wc -l <mapped)" -eq 2 ]
}

@test "calls are found where other registers are used and blocks lie elsewhere" {
	local side
	cat >a.src.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		struct node { struct node *next; long key, size; };
		__attribute__((noipa)) void note(int what, long n) { printf("note %d %ld\n", what, n); }
		__attribute__((noipa)) int work(struct node *list ARGUMENTS)
		{
			long total = 0, seen = 0;
			for (struct node *n = list; n; n = n->next) {
				LIMIT
				if (LIKELY(n->key < 0)) {
					note(1, n->key);
					continue;
				}
				if (n->size > 100) {
					note(2, n->size);
					total += n->size;
				} else if (n->key == 7) {
					note(3, seen);
					total--;
				}
				seen++;
				note(4, seen);
			}
			note(5, total);
			return total > seen;
		}
		int main(int argc, char **argv)
		{
			struct node n = { 0, argc, atoi(argv[0]) };
			return work(&n VALUES);
		}
	C
	sed 's/ARGUMENTS/, long limit, long *out/; s/LIKELY(\(.*\)))/__builtin_expect(\1, 1))/; s/VALUES/, argc, \&n.size/
		s/LIMIT/if (seen > limit) { note(6, limit); *out = total; break; }/' a.src.c >b.src.c
	sed -i 's/ARGUMENTS//; s/LIMIT//; s/LIKELY//; s/VALUES//' a.src.c
	pair_of gcc -O2
	# Each call is known by its first argument: "NUMBER RETURN-ADDRESS".
	for side in old new; do
		objdump -d --no-show-raw-insn --disassemble=work $side.full | awk '
			/mov .*0x[1-6],%edi/ { what = $NF }
			/call.*<note>/ { getline; sub(":", "", $1); print what, "0x" $1 }' | sort >$side.rets
	done
	join old.rets new.rets | cut -d' ' -f2- | sort >truth
	[ "$(wc -l <truth)" -eq 5 ] || fail "$(cat old.rets new.rets)"
	summary old.stripped new.stripped
	jq -r '.objects[0].return_addresses[] | .old + " " + .new' map.json | grep -wFf <(cut -d' ' -f1 truth) | sort >mapped
	cmp mapped truth || fail "$(cat mapped truth)"
}

@test "where a section ends is no place of the variable that may begin there" {
	local pad kind
	for pad in 0 1 2 3; do
		printf '%s\n' '#include <stdio.h>' 'long first = 1, more[4] = { 1 };' \
			'int main(void) { return getc(stdin) + first + more[0]; }' >a.src.c
		sed "s/first = 1/first = 1, pad[$((pad + 1))] = { 1 }/; s/+ first/+ first + pad[0]/" a.src.c >b.src.c
		pair_of gcc -O2
		for kind in full stripped; do
			# main alone has changed; of the rest, some names the end of the data.
			summary old.$kind new.$kind >summary.json
			[ "$(jq -c '.[1:]' summary.json)" = "[0,1,0,0]" ] || fail "$pad $kind: $(cat summary.json)"
		done
	done
}

@test "functions that all changed, with callers that are other ones, are found by their order and likeness" {
	local name old new
	cat >a.src.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		struct state { FRONT long a, b, c, d; int n; char *text; };
		#define F __attribute__((noipa)) static
		F long second_step(struct state *s, long x) { for (int i = 0; i < s->n; i++) s->d = s->d * 31 + s->text[i]; return s->d % (x | 1); }
		F long third_step(struct state *s, long x) { long t = s->a; s->a = s->b; s->b = t; s->c = x >> s->n; return s->a * s->b + s->c; }
		F long fourth_step(struct state *s, long x) { while (x > s->c) { x -= s->d | 1; s->n += x & 1; } return s->n; }
		F long common(long x) { for (int i = 0; i < 9; i++) x = x * 31 ^ x >> 7; printf("common %ld\n", x); return x; }
		int main(int argc, char **argv)
		{
			struct state s = { .n = 1, .text = argv[0], .d = argc };
			WORK
			return common(r);
		}
	C
	sed 's/FRONT/long front[4];/; s/WORK/long r = atol(argv[0]); for (int i = 0; i < argc; i++) { switch (argv[i][0]) { case 52: r -= fourth_step(\&s, i); break; case 51: r ^= third_step(\&s, r); break; case 50: r += second_step(\&s, i); } }/' \
		a.src.c >b.src.c
	sed -i 's/FRONT//; s/WORK/long r = second_step(\&s, argc); r ^= third_step(\&s, argc + 1); r -= fourth_step(\&s, r);/' a.src.c
	pair_of gcc -O2
	summary old.stripped new.stripped
	for name in second_step third_step fourth_step; do
		old=0x$(nm old.full | sed -n "s/^0*\([0-9a-f]*\) t $name$/\1/p")
		new=0x$(nm new.full | sed -n "s/^0*\([0-9a-f]*\) t $name$/\1/p")
		jq -e --arg old $old --arg new $new '.objects[0].old_functions | any(.[]; .address == $old and .peer == $new)' map.json ||
			fail "$name $old $new: $(jq -c '.objects[0].old_functions' map.json)"
	done
}

@test "a variable that begins where the other version's data ends is found" {
	local pad old new
	# In one version of two the first variable of .bss has the address at which .data ends.
	for pad in 3 5 7; do
		printf '%s\n' '#include <stdio.h>' 'long first[4] = { 1 };' \
			'__attribute__((noipa)) int eight(void) {' \
			'	return getc(stdin) ^ getc(stdin) ^ getc(stdin) ^ getc(stdin) ^' \
			'		getc(stdin) ^ getc(stdin) ^ getc(stdin) ^ getc(stdin); }' \
			'int main(void) { return eight() + first[0]; }' >a.src.c
		sed "s/first\[4\]/first[$pad]/; s/first\[0\]/first[0] * 3/" a.src.c >b.src.c
		pair_of gcc -O2
		old=0x$(nm old.full | sed -n 's/^0*\([0-9a-f]*\) . stdin@.*/\1/p')
		new=0x$(nm new.full | sed -n 's/^0*\([0-9a-f]*\) . stdin@.*/\1/p')
		for kind in "old new $old $new" "new old $new $old"; do
			read -r from to at peer <<<"$kind"
			"$MX" analyze --json $from.stripped $to.stripped >map.json
			jq -e --arg at $at --arg peer $peer \
				'.objects[0] | any(.data[]; .old == $at and .new == $peer)' map.json ||
				fail "$pad $kind: $(jq -c '.objects[0] | .data, .refused_data' map.json)"
		done
	done
}

@test "a text of one letter is the same wherever it lies" {
	local pad kind
	for pad in "" x xx xxx; do
		# The last text of the section, or not, and at any address.
		printf '%s\n' '#include <stdio.h>' '#include <string.h>' 'char line[64];' \
			'__attribute__((noipa)) int other(void) { return puts("a"); }' \
			'int main(void) { line[strcspn(line, "\n")] = 0; return other(); }' >a.src.c
		sed "s/puts(\"a\")/puts(\"longer$pad\") + 1/" a.src.c >b.src.c
		pair_of gcc -O2 -fno-builtin
		for kind in full stripped; do
			summary old.$kind new.$kind >summary.json
			[ "$(jq -c '.[1:]' summary.json)" = "[0,1,0,0]" ] || fail "$pad $kind: $(cat summary.json)"
		done
	done
}

@test "texts in one segment with the code are no functions" {
	local flags kind
	programs
	for flags in -Wl,-z,separate-code -Wl,-z,noseparate-code -fuse-ld=gold; do
		pair_of gcc -O2 $flags
		for kind in full stripped; do
			summary old.$kind new.$kind >summary.json
			[ "$(jq -c '.[1:]' summary.json)" = "[0,2,0,0]" ] || fail "$flags $kind: $(cat summary.json)"
		done
	done
}

# paired NAME...: each has its counterpart, or where $may_miss is set none, in what summary() asked for.
paired() {
	local name old new
	for name in "$@"; do
		old=0x$(nm old.full | sed -n "s/^0*\([0-9a-f]*\) [tT] $name$/\1/p")
		new=0x$(nm new.full | sed -n "s/^0*\([0-9a-f]*\) [tT] $name$/\1/p")
		jq -e --arg old $old --arg new $new --arg miss "${may_miss-}" '.objects[0].old_functions |
			any(.[]; .address == $old and (.peer == $new or ($miss != "" and .peer == null)))' map.json ||
			fail "$name $old $new: $(jq -c '.objects[0].old_functions' map.json)"
	done
}

@test "functions that only differ in the field that they use are not taken for their neighbours" {
	local opt may_miss
	# What each has after the structure grew, its neighbour had before. One more in between: none is sure.
	cat >a.src.c <<-'C'
		#include <stdio.h>
		struct state { void FRONT*one, *two, *three, *four, *five; };
		#define SET(name) void set_##name(struct state *s, void *v) { if (s) s->name = v; }
		__attribute__((noipa)) int before(int x) { printf("before %d\n", x); return x * 3; }
		SET(one) SET(two) MORE SET(three) SET(four) SET(five)
		__attribute__((noipa)) int after(int x) { printf("after %d\n", x); return x * 5; }
		int main(int argc, char **argv) { struct state s = { .five = argv }; return before(argc) + after(argc) + !s.five; }
	C
	sed 's/FRONT/*front, /; s/MORE//' a.src.c >b.src.c
	sed 's/FRONT//; s/two,/two, *more,/; s/MORE/SET(more)/' a.src.c >c.src.c
	sed -i 's/FRONT//; s/MORE//' a.src.c
	for opt in -O0 -O2 -Os; do
		pair_of gcc $opt
		summary old.stripped new.stripped
		paired set_one set_two set_three set_four set_five before after
	done
	mv c.src.c b.src.c
	may_miss=yes
	for opt in -O0 -O2 -Os; do
		pair_of gcc $opt
		summary old.stripped new.stripped
		paired set_one set_two set_three set_four set_five
	done
}

@test "twins of equal code are not told apart by a changed function that uses both" {
	local may_miss=yes
	cat >a.src.c <<-'C'
		#include <stdio.h>
		#define F __attribute__((noipa)) static
		struct s { int plain; const char *at; };
		F int step(int x) { return x * 7 ^ x >> 3; }
		F int other_step(int x) { return x * 5 ^ x >> 2; }
		#define TWIN(name, call) F int name(const char *s) { int n = 0; for (; *s; s++) { \
			if (*s == 37 && s[1]) n += call(s[1]); else if (*s < 32) n ^= 5; else n = n * 3 + *s; \
			if (n > 100000) { printf("large %d\n", n); n %= 997; } } return n; }
		TWIN(first_twin, step) TWIN(second_twin, other_step)
		F int use(struct s *s, int n) { return ORDER; }
		int main(int argc, char **argv) { struct s s = { argc > 2, argv[0] }; return use(&s, argc) > 3; }
	C
	sed 's/ORDER/n > 8 ? -1 : s->plain ? second_twin(s->at) : first_twin(s->at)/' a.src.c >b.src.c
	sed -i 's/ORDER/!s->plain ? first_twin(s->at) : second_twin(s->at)/' a.src.c
	pair_of gcc -O2
	summary old.stripped new.stripped
	paired first_twin second_twin
}

@test "fixed addresses: what runs at the start and the end is found where no relocation tells of it" {
	programs
	pair_of gcc -O2 -no-pie -fno-pie
	summary old.stripped new.stripped
	paired frame_dummy __do_global_dtors_aux register_tm_clones deregister_tm_clones
}
