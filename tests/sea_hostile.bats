#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mx analyze on files that lie: a clear end within bounds of memory and time, never a signal.

load lib

setup() {
	need gcc g++ strip objcopy python3
	cd "$BATS_TEST_TMPDIR" || return
}

@test "spoiled headers, tables, symbols, debug information and packed symbols end in an error or a report" {
	cat >a.cc <<-'C'
		#include <cstdio>
		#include <stdexcept>
		struct shape { virtual ~shape() {} virtual int area() const = 0; };
		struct square : shape { int side; square(int s) : side(s) {} int area() const override { return side * side; } };
		thread_local int seen;
		static const char *const names[] = { "one", "two", "three" };
		__attribute__((noinline)) int check(const shape &s)
		{
			if (s.area() > 3)
				throw std::runtime_error(names[seen++ % 3]);
			return s.area();
		}
		int main(int argc, char **)
		{
			try { return check(square(argc)); } catch (std::exception &e) { puts(e.what()); }
			return 1;
		}
	C
	g++ -O1 -g -o sound a.cc
	strip -o stripped sound
	# The sound ones are a program, and pass.
	run -0 "$MX" analyze stripped sound
	run -0 python3 "$BATS_TEST_DIRNAME/hostile.py" "$MX" sound stripped "$PWD"
	[[ ${lines[-1]} =~ ^([0-9]+)\ files,\ 0\ not ]]
	[ "${BASH_REMATCH[1]}" -gt 400 ]
}
