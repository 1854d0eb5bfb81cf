#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A structure that grew, used in every way that C has: what each function's own code shows to depend
# on the layout has to be refused, whether the function changed otherwise or not.

load lib

setup_file() {
	need gcc clang objdump strip jq
	cd "$BATS_FILE_TMPDIR" || return
	cat >uses.c <<-'C'
		#include <stddef.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>
		#ifdef __clang__
		#define APART __attribute__((noinline))
		#else
		#define APART __attribute__((noinline, noclone))
		#endif
		#ifdef CHANGED
		#define X(k) if (k == 77) puts("changed");
		#else
		#define X(k)
		#endif
		struct in { int k; short s[2]; };
		struct rec { int id; struct in in; long val; MIDDLE char name[12]; unsigned f1 : 3, f2 : 5; union { int i; double d; } u;
			struct rec *next; long (*fn)(struct rec *, int); double w; int cnt; END };
		struct out { int tag; struct rec r; long tail; };
		static struct rec *heap;
		static int n_heap;
		struct rec one;
		static struct rec table[4];
		APART long u_get(struct rec *p, int k) { X(k) return p->val + p->cnt; }
		APART long u_idx(struct rec *p, long i, int k) { X(k) return p[i].val; }
		APART long u_outer(struct out *p, int k) { X(k) return p->tail + p->r.cnt; }
		APART void u_copy(struct rec *a, struct rec *b, int k) { X(k) memcpy(a, b, sizeof *a); }
		APART void u_assign(struct rec *a, struct rec *b, int k) { X(k) *a = *b; }
		APART void u_swap(struct rec *a, struct rec *b, int k) { X(k) struct rec t = *a; *a = *b; *b = t; }
		APART void u_clear(struct rec *a, int k) { X(k) memset(a, 0, sizeof *a); }
		APART int u_same(struct rec *a, struct rec *b, int k) { X(k) return memcmp(a, b, sizeof *a) == 0; }
		APART int u_order(struct rec *a, struct rec *b, int k) { X(k) return memcmp(a, b, sizeof *a); }
		APART struct rec *u_new(int k) { X(k) return malloc(sizeof(struct rec)); }
		APART struct rec *u_calloc(int k) { X(k) return calloc(k, sizeof(struct rec)); }
		APART void u_grow(int k) { X(k) heap = realloc(heap, (n_heap += k) * sizeof *heap); }
		APART void u_sort(int k, int (*f)(const void *, const void *)) { X(k) qsort(heap, n_heap, sizeof *heap, f); }
		APART void u_fwrite(FILE *f, int k) { X(k) fwrite(heap, sizeof *heap, n_heap, f); }
		APART long u_read(int fd, struct rec *p, int k) { X(k) return read(fd, p, sizeof *p); }
		APART long u_diff(struct rec *a, struct rec *b, int k) { X(k) return a - b; }
		APART struct rec *u_after(struct rec *a, int k) { X(k) return a + 1; }
		APART struct rec *u_before(struct rec *a, int k) { X(k) return a - k; }
		APART struct rec *u_holder(int *cnt, int k) { X(k) return (struct rec *)((char *)cnt - offsetof(struct rec, cnt)); }
		APART int u_bits(struct rec *p, int k) { X(k) p->f1 = k; return p->f2; }
		APART double u_union(struct rec *p, int k) { X(k) return p->u.d + p->w; }
		APART void u_init(struct rec *p, int k) { X(k) p->id = k; p->val = k; p->cnt = k; p->next = NULL; }
		APART long u_local(int k) { X(k) struct rec r; u_init(&r, k); return r.val + r.cnt; }
		APART long u_value(struct rec r, int k) { X(k) return r.val + r.cnt; }
		APART long u_pass(struct rec *p, int k) { X(k) return u_value(*p, k) + 1; }
		APART struct rec u_return(int k) { X(k) struct rec r = { .id = k }; r.cnt = 3; return r; }
		APART long u_returned(int k) { X(k) struct rec r = u_return(k); return r.cnt; }
		APART long u_walk(struct rec *p, int k) { X(k) long s = 0; for (; p; p = p->next) s += p->cnt; return s; }
		APART long u_method(struct rec *p, int k) { X(k) return p->fn(p, k); }
		APART int *u_address(struct rec *p, int k) { X(k) return &p->cnt; }
		APART void u_name(struct rec *p, const char *s, int k) { X(k) strcpy(p->name, s); }
		APART void u_atomic(struct rec *p, int k) { X(k) __sync_fetch_and_add(&p->cnt, 1); }
		APART double u_vector(struct rec *p, int n) { X(n) double s = 0; for (int i = 0; i < n; i++) s += p[i].w * p[i].cnt; return s; }
		APART void u_stack(int n) { X(n) struct rec v[n]; for (int i = 0; i < n; i++) v[i].cnt = i; u_init(v, n); }
		APART void u_insert(struct rec **head, struct rec *p, int k) { X(k) p->next = *head; *head = p; }
		APART void u_remove(struct rec *p, int n, int at) { X(n) memmove(p + at, p + at + 1, (n - at - 1) * sizeof *p); }
		APART void u_copyout(struct out *a, struct out *b, int k) { X(k) *a = *b; }
		APART void u_literal(struct out *a, int k) { X(k) *a = (struct out){ .tag = k }; }
		APART void u_global(struct rec *a, int k) { X(k) one = *a; }
		APART long u_table(int k) { X(k) return table[0].val + table[1].val + table[2].val; }
		APART void u_enter(struct rec *p, int k) { X(k) table[k & 3].val = p->id; }
		APART unsigned u_hash(unsigned char *p, int k) { X(k) unsigned h = 0; for (unsigned i = 0; i < sizeof(struct rec); i++) h = h * 31 + p[i]; return h; }
		APART int c_sum(int *v, int n) { int s = 0; for (int i = 0; i < n; i++) s += v[i]; return s; }
		/* What has nothing to do with it: a program is known by more than what its structures do. */
		#define F(n) APART int c_##n(int *v, int k) { for (int i = 0; i < k; i++) v[i] ^= v[i + n] * (n * 7 + 3); return k + n; }
		#define F8(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)
		F8(1) F8(2) F8(3) F8(4) F8(5) F8(6)
		void *volatile sink;
		int main(void)
		{
			void *const all[] = { u_get, u_idx, u_outer, u_copy, u_assign, u_swap, u_clear, u_same, u_order, u_new, u_calloc, u_grow,
				u_sort, u_fwrite, u_read, u_diff, u_after, u_before, u_holder, u_bits, u_union, u_init, u_local, u_value, u_pass, u_return,
				u_returned, u_walk, u_method, u_address, u_name, u_atomic, u_vector, u_stack, u_insert, u_remove,
				u_copyout, u_literal, u_global, u_table, u_enter, u_hash, c_sum };
			for (int i = 0; i < (int)(sizeof(all) / sizeof(*all)); i++)
				sink = all[i];
			return puts("main");
		}
	C
}

# code OBJECT: each function on one line, its name first.
code() {
	objdump -dr --no-show-raw-insn "$1" |
		awk '/^[0-9a-f]+ </ { if (line) print line; line = $2; next }
			line && NF { sub(/#.*/, ""); line = line " " $0 } END { print line }' | sort
}

# refused COMPILER LEVEL GROWN CHANGED [FIXED]: either version's functions whose code differs for the layout alone are refused.
refused() {
	local cc=$1 level=$2 grown=$3 changed=$4 side form missing
	local -a layout=(-DMIDDLE= -DEND=) new place=(-fPIE -pie)
	[ -z "$5" ] || place=(-fno-pie -no-pie)
	new=(-DMIDDLE= -DEND= "-D$grown" ${changed:+-DCHANGED})
	cd "$BATS_TEST_TMPDIR" || return
	for side in old new; do
		[ $side = new ] && layout=("${new[@]}")
		"$cc" -w "-O$level" "${place[@]}" -o $side.full "${layout[@]}" "$BATS_FILE_TMPDIR/uses.c" || return
		strip -o $side.stripped $side.full
	done
	"$cc" -w "-O$level" "${place[0]}" -c -ffunction-sections -o with.o "${new[@]}" "$BATS_FILE_TMPDIR/uses.c"
	"$cc" -w "-O$level" "${place[0]}" -c -ffunction-sections -o without.o -DMIDDLE= -DEND= ${changed:+-DCHANGED} "$BATS_FILE_TMPDIR/uses.c"
	comm -13 <(code without.o) <(code with.o) | sed -n 's/^<\(u_[a-z]*\)>.*/\1/p' >depends
	[ "$(wc -l <depends)" -gt 10 ] || fail "the structure is hardly used"
	for side in old new; do
		nm $side.full | awk '{ sub(/^0*/, "0x", $1); print $1, $3 }' | sort >$side.names
	done
	for form in full stripped; do
		"$MX" analyze --json old.$form new.$form >map.json
		for side in old new; do
			jq -r ".objects[0].${side}_functions[] | select(.refused == null) | .address" map.json |
				sort | join - $side.names | cut -d ' ' -f 2 | sort >free
			missing=$(comm -12 depends free)
			[ -z "$missing" ] || fail "$cc -O$level, $grown, $form, $side: $missing"
		done
	done
}

@test "a structure that grew in the middle is refused for what uses it, as gcc compiles it" {
	refused gcc 0 'MIDDLE=long mx;' yes
	refused gcc 2 'MIDDLE=long mx;' ''
	refused gcc 2 'MIDDLE=long mx;' yes
	refused gcc s 'MIDDLE=int mx;' ''
}

@test "a structure that grew in the middle is refused for what uses it, as clang compiles it" {
	refused clang 0 'MIDDLE=long mx;' ''
	refused clang 1 'MIDDLE=long mx;' yes
	refused clang 2 'MIDDLE=long mx;' ''
	# At fixed addresses next to nothing of it finds a counterpart.
	refused clang 2 'MIDDLE=long mx;' '' fixed
}

@test "a structure that grew at its end is refused for what copies, compares, passes and makes it" {
	refused gcc 0 'END=long mx;' ''
	refused gcc 2 'END=long mx;' ''
	refused gcc s 'END=long mx;' yes
	refused clang 0 'END=long mx;' ''
}

# accepted OLD NEW NAMES: those of OLD's functions that differ and are not refused, by their names in NAMES.
accepted() {
	local addr
	"$MX" analyze --json "$1" "$2" |
		jq -r '.objects[0].old_functions[] | select(.verdict != "identical" and .refused == null) | .address' |
		while read -r addr; do
			nm -C "$3" | sed -n "s/^0*${addr#0x} [TtWw] //p" | head -n 1
		done
}

@test "a C++ class with virtual methods that grew: what makes, walks, reads and deletes its objects" {
	local cc level
	need g++ clang++
	cd "$BATS_TEST_TMPDIR" || return
	cat >shapes.cc <<-'C'
		#include <cstdio>
		#include <cstdlib>
		#include <new>
		#include <vector>
		struct base { virtual int area(int k) const = 0; virtual ~base() {} };
		struct shape : base {
			int w;
			MIDDLE
			int h;
			shape(int a, int b) : w(a), h(b) {}
			__attribute__((noinline)) int area(int k) const override { return w * h + k; }
			__attribute__((noinline)) void grow(int d) { w += d; h += d; }
		};
		__attribute__((noinline)) int sum(const std::vector<shape> &v) { int s = 0; for (auto &x : v) s += x.area(1); return s; }
		__attribute__((noinline)) shape *make(int n) { return new shape(n, n + 1); }
		__attribute__((noinline)) shape *many(int n) {
			shape *p = (shape *)calloc(n, sizeof(shape));
			for (int i = 0; i < n; i++) new (p + i) shape(i, i);
			return p;
		}
		__attribute__((noinline)) int plain(int a, int b) { return a * 3 + b + PLUS; }
		int main(int c, char **) {
			std::vector<shape> s;
			for (int i = 0; i < c + 3; i++) s.push_back(shape(i, 2));
			shape *m = make(c), *q = many(5);
			m->grow(c); q[2].grow(3);
			printf("%d %d %d %d\n", sum(s), m->area(2), q[2].area(1), plain(c, 2));
			delete m; free(q);
		}
	C
	for cc in g++ clang++; do
		for level in -O1 -O2 -Os; do
			$cc $level -DMIDDLE= -DPLUS=0 -o old shapes.cc
			$cc $level '-DMIDDLE=long more = 7;' -DPLUS=1 -o new shapes.cc
			strip -o old.stripped old
			strip -o new.stripped new
			run -0 accepted old.stripped new.stripped old
			[[ -z $output || $output = "plain(int, int)" ]] || fail "$cc $level: $output"
			[[ $("$MX" analyze --all old.stripped new.stripped) = *"must not run on the old version's data"* ]]
		done
	done
}

# both OLD NEW: those of either version's functions that differ and are not refused.
both() {
	accepted "$1" "$2" old.full
	accepted "$2" "$1" new.full
}

@test "places and sizes in functions that changed otherwise as well, far before what others show to have moved" {
	local cc level form
	cd "$BATS_TEST_TMPDIR" || return
	cat >far.c <<-'C'
		#include <stdio.h>
		#include <stdlib.h>
		#define APART __attribute__((noinline))
		#ifdef CHANGED
		#define X(k) if (k == 77) { fprintf(stderr, "changed %d\n", k); seen |= 4; }
		#else
		#define X(k)
		#endif
		int seen;
		struct conn { START char state; unsigned short port; char text[120]; int hits[3]; unsigned flags; };
		APART struct conn *u_make(void) { return calloc(1, sizeof(struct conn)); }
		APART void u_flags(struct conn *c, int k) { c->flags |= k; }
		APART unsigned u_both(struct conn *a, struct conn *b) { return a->flags + b->flags * 3; }
		APART int u_state(struct conn *c, int k) { X(k) return c->state; }
		APART unsigned u_port(struct conn *c, int k) { X(k) return c->port; }
		APART size_t u_sizeof(int k) { X(k) return sizeof(struct conn); }
		APART size_t u_most(int k) { X(k) return (size_t)-1 / 2 / sizeof(struct conn); }
		APART size_t u_bytes(size_t n, int k) { X(k) return n * sizeof(struct conn); }
		void *volatile sink;
		int main(void)
		{
			void *const all[] = { u_make, u_flags, u_both, u_state, u_port, u_sizeof, u_most, u_bytes };
			for (int i = 0; i < (int)(sizeof(all) / sizeof(*all)); i++)
				sink = all[i];
			return puts("main");
		}
	C
	for cc in gcc clang; do
		for level in 1 2; do
			$cc -w -O$level -DSTART= -o old.full far.c
			$cc -w -O$level '-DSTART=long mx;' -DCHANGED -o new.full far.c
			strip -o old.stripped old.full
			strip -o new.stripped new.full
			for form in full stripped; do
				run -0 both old.$form new.$form
				[[ $output != *u_* ]] || fail "$cc -O$level, $form: $output"
			done
			run -0 "$MX" analyze --all old.full new.full
			[[ $output =~ refused\ +[1-9][0-9]*\ of\ the\ old\ version.s\ functions\ and\ [1-9] ]] || fail "$output"
			[[ $output = *"u_sizeof"*"which may be a size or a place in structures that grew"*"u_most"* ]] || fail "$output"
		done
	done
}

@test "a field that moves into the padding of a global variable, whose size stays" {
	local cc form
	cd "$BATS_TEST_TMPDIR" || return
	cat >padding.c <<-'C'
		#include <stdio.h>
		#define APART __attribute__((noinline))
		#ifdef CHANGED
		#define X(k) if (k == 77) { fprintf(stderr, "changed %d\n", k); seen |= 4; }
		#else
		#define X(k)
		#endif
		int seen;
		struct rec { START int id; long val; double w; } one;
		APART void u_set(int k) { X(k) one.id = k; one.w = k; }
		APART void u_val(int k) { X(k) one.val = k; }
		void *volatile sink;
		int main(void) { sink = u_set; sink = u_val; return puts("main"); }
	C
	for cc in gcc clang; do
		$cc -w -O2 -g -DSTART= -o old.full padding.c
		$cc -w -O2 -g '-DSTART=int mx;' -DCHANGED -o new.full padding.c
		for form in old new; do
			strip -g -o $form.symbols $form.full
			strip -o $form.stripped $form.full
		done
		for form in symbols stripped full; do
			run -0 both old.$form new.$form
			[[ $output != *u_set* ]] || fail "$cc, $form: $output"
		done
		# Debug information says whose the variable is.
		[[ $output != *u_val* ]] || fail "$cc: $output"
	done
}
