#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx analyze: which two programs are versions of one, and what tells the others apart.

load lib

setup() {
	need gcc strip
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
		[[ $output = *"not the same program: 1 of 1 and 1 functions correspond, "*" strings and "*" imports are shared"* ]]
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
			[[ $output = *"not the same program: "*" 0 of "*" strings and "*" imports are shared"* ]] || fail "$one $kind: $output"
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

@test "programs that say nothing are told apart by what they ask the libraries for" {
	cd "$BATS_TEST_TMPDIR" || return
	cat >ids.c <<-'C'
		#include <grp.h>
		#include <stdlib.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			gid_t ids[8];
			for (int i = 1; i < argc; i++)
				if (!getgrgid(atoi(argv[i])) || setegid(atoi(argv[i])) MORE)
					return 1;
			return getgroups(8, ids) < 0 || getegid() == getuid();
		}
	C
	cat >files.c <<-'C'
		#include <fcntl.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			char room[64];
			for (int i = 1; i < argc; i++)
				if (unlink(argv[i]) || symlink(argv[0], argv[i]) || readlink(argv[i], room, 64) < 0)
					return 1;
			return chdir(argv[0]) < 0 || fsync(0) == isatty(1);
		}
	C
	gcc -O2 -s -DMORE= -o ids ids.c
	gcc -O1 -s '-DMORE=|| getsid(0) < 0' -o newer ids.c
	gcc -O2 -s -DMORE= -o files files.c
	run -3 "$MX" analyze ids files
	[[ $output = *"not the same program: 1 of 1 and 1 functions correspond, 0 of 0 and 0 strings and 0 of 6 and 6 imports are shared"* ]] ||
		fail "$output"
	run -0 "$MX" analyze ids newer
}

@test "small programs of one package say too little in common, the less so where their files have other names" {
	local i
	cd "$BATS_TEST_TMPDIR" || return
	# program NAME COMMON OWN: a main that says so many words, among them such that the others say too.
	program() {
		local i
		printf '#include <stdio.h>\nint common(int n) { return n * 3 + (n >> 2); }\nint main(int argc, char **argv)\n{\n'
		for ((i = 0; i < $2; i++)); do echo "	if (argc == $i) puts(\"a word in common, $i\");"; done
		for ((i = 0; i < $3; i++)); do echo "	if (argc == $((i + 40))) puts(\"$1 has $i\");"; done
		printf '	return common(argc);\n}\n'
	}
	program least 3 3 >least.c
	program most 3 30 >most.c
	program least 13 8 >some.c
	program other 13 8 >other.c
	for i in least most some other; do
		gcc -O2 -s -o $i $i.c
	done
	cp least one
	cp most two
	run -3 "$MX" analyze one two
	[[ $output = *"not the same program: "*" of main's 3 of 6 and 33"* ]] || fail "$output"
	# A good part in common: the names of the files decide.
	run -3 "$MX" analyze some other
	[[ $output = *"not the same program: the old one is called some and the new one other; "* ]] || fail "$output"
	cp other some-2.0
	run -0 "$MX" analyze some some-2.0
}
