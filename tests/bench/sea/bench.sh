#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How right the analyser is: builds pairs of programs from Debian's sources, strips them, and compares
# the maps with what the symbols say. `make bench-sea` calls it; sea_truth does the comparing.
# Sources and builds are kept below $SEA_BENCH (default build/bench-sea) for the next time. The
# machine's own lists of packages are not touched: apt runs with private ones.
# usage: bench.sh TRUTH-PROGRAM [PAIR...]
# shellcheck disable=SC2086,SC2046 # lists of flags and of files
set -u

truth=$1
shift
renice -n 15 $$ >/dev/null
home=${SEA_BENCH:-build/bench-sea}
mkdir -p "$home" && home=$(cd "$home" && pwd) || exit 1
truth=$(realpath "$truth")
flags="-g -O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE"
link="-pie -Wl,-z,relro -Wl,-z,now"
shared="-Wl,-z,relro -Wl,-z,now"
# Patched sources look newer than what the autotools made of them.
export LC_ALL=C MAKEFLAGS="ACLOCAL=: AUTOMAKE=: AUTOCONF=: AUTOHEADER=: MAKEINFO=:"

apt_options() {
	printf '%s\n' -o "Dir::Etc::SourceList=$home/apt/list" -o Dir::Etc::SourceParts=/dev/null \
		-o "Dir::State::lists=$home/apt/lists" -o "Dir::Cache=$home/apt/cache" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none
}

prepare_apt() {
	local suite
	[ -e "$home/apt/ready" ] && return
	mkdir -p "$home/apt/lists/partial" "$home/apt/cache/archives/partial"
	for suite in 'debian bookworm' 'debian bookworm-updates' 'debian-security bookworm-security'; do
		echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"http://deb.debian.org/${suite% *} ${suite#* } main"
	done >"$home/apt/list"
	mapfile -t opts < <(apt_options)
	apt-get "${opts[@]}" -qq update && touch "$home/apt/ready"
}

# fetch PACKAGE VERSION SIDE: the patched source as $home/src/PACKAGE/SIDE.
fetch() {
	local package=$1 version=$2 side=$3 dir=$home/src/$1
	mapfile -t opts < <(apt_options)
	rm -rf "${dir:?}/$side"
	(cd "$dir/get" && apt-get "${opts[@]}" -qq --only-source --download-only source "$package=$version" &&
		dpkg-source --no-check -x "${package}_${version#*:}.dsc" "../$side") >"$dir/$side.log" 2>&1 &&
		echo "$version" >"$dir/$side.version"
}

# revert FOLDER COUNT: takes back the last of Debian's patches that change the program itself.
revert() {
	local patch series=$1/debian/patches/series done=0
	[ -e "$series" ] || return
	while read -r patch; do
		[ $done -lt "$2" ] || break
		grep -qE '^\+\+\+ .*\.(c|cc|h)([[:space:]]|$)' "$1/debian/patches/$patch" || continue
		patch -d "$1" -R -p1 -s -f --dry-run <"$1/debian/patches/$patch" >/dev/null 2>&1 || continue
		patch -d "$1" -R -p1 -s -f <"$1/debian/patches/$patch" && done=$((done + 1))
	done < <(sed -E 's/[[:space:]].*//; /^(#|$)/d' "$series" | tac)
	[ $done -gt 0 ]
}

# source_of PACKAGE: two neighbouring revisions as $home/src/PACKAGE/{old,new}. Archives drop old
# revisions; where only one is left, the other is that one without Debian's last patches.
source_of() {
	local package=$1 dir=$home/src/$1 versions version newest=''
	[ -e "$dir/done" ] && return
	prepare_apt || return
	mapfile -t opts < <(apt_options)
	versions=$(apt-cache "${opts[@]}" showsrc "$package" |
		awk -v p="$package" '/^Package:/ { ok = $2 == p } ok && /^Version:/ { print $2 }' |
		sort -u | sort -V -r | head -n 3)
	rm -rf "$dir"
	mkdir -p "$dir/get"
	for version in $versions; do
		if [ -z "$newest" ]; then
			fetch "$package" "$version" new && newest=$version
		else
			fetch "$package" "$version" old && break
		fi
	done
	[ -n "$newest" ] || return
	if [ ! -d "$dir/old" ]; then
		cp -a "$dir/new" "$dir/old"
		if revert "$dir/old" 2; then
			echo "$newest without its last patches" >"$dir/old.version"
		else
			touch "$dir/single"
		fi
	fi
	touch "$dir/done"
}

# How each program is built, run in its source folder: leaves the result as ./result.
configure() { ./configure --quiet CFLAGS="$flags $more" CXXFLAGS="$flags $more" LDFLAGS="$ld" "$@"; }

build_redis() { make -C src -j2 MALLOC=libc OPTIMIZATION=-O2 CFLAGS="$flags $more" LDFLAGS="$link" redis-server && cp src/redis-server result; }
build_nginx() {
	./configure --with-cc-opt="$flags $more" --with-ld-opt="$link" --without-http_rewrite_module \
		--with-http_ssl_module --with-stream && make -j2 && cp objs/nginx result
}
build_libevent() { ld=$shared configure --disable-samples --disable-libevent-regress --enable-shared && make -j2 && cp "$(realpath .libs/libevent.so)" result; }
build_memcached() {
	local event=$home/build/libevent/old
	./configure --quiet --with-libevent="$event" CFLAGS="$flags $more -I$event/include -Wno-error" LDFLAGS="$link -L$event/.libs" &&
		make -j2 memcached && cp memcached result
}
build_unzip() { make -f unix/Makefile CC=gcc CF="$flags $more -I. -DACORN_FTYPE_NFS -DWILD_STOP_AT_DIR -DLARGE_FILE_SUPPORT -DUNICODE_SUPPORT -DUNICODE_WCHAR -DUTF8_MAYBE_NATIVE -DNO_LCHMOD -DDATE_FORMAT=DF_YMD -DNOMEMCPY -DNO_WORKING_ISPRINT" LF2="$link" unzips && cp unzip result; }
build_jbig2dec() {
	touch config.h
	gcc $flags $more $link -DHAVE_STDINT_H -DHAVE_STRING_H -DJBIG_EXTERNAL_MEMENTO_H='<stddef.h>' -DHAVE_GETOPT_H -o result $(printf '%s\n' jbig2*.c sha1.c | grep -vE 'jbig2_image_png|pbm2png' | sort $reorder)
}
build_haproxy() { make -j2 TARGET=linux-glibc CPU_CFLAGS="$flags $more" LDFLAGS="$link" V=0 && cp haproxy result; }
build_libde265() {
	cd libde265 && { [ -e de265-version.h ] || sed 's/@NUMERIC_VERSION@/0x01000b00/; s/@PACKAGE_VERSION@/1.0.11/' de265-version.h.in >de265-version.h; } &&
		g++ $flags $more -fPIC -shared -DHAVE_POSIX_MEMALIGN -DHAVE_STDINT_H -DHAVE_STDBOOL_H -I.. -I. -o ../result $(printf '%s\n' ./*.cc | grep -vE 'win|arm') -lpthread
}
build_tar() { configure --without-selinux --without-posix-acls --without-xattrs FORCE_UNSAFE_CONFIGURE=1 && make -j2 && cp src/tar result; }
build_cpio() { configure FORCE_UNSAFE_CONFIGURE=1 && make -j2 && cp src/cpio result; }
build_less() { configure && make -j2 less && cp less result; }
build_lighttpd() { (mkdir -p b && cd b && cmake -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$flags $more" -DCMAKE_EXE_LINKER_FLAGS="$link" -DWITH_PCRE2=OFF .. && make -j2 lighttpd && cp build/lighttpd ../result); }

# Changes as upstream makes them, on one program: each edits a copy of the source.
edit_added() {
	perl -0pi -e 's/(Jbig2Allocator \*\njbig2_ctx_free\(Jbig2Ctx \*ctx\)\n\{\n.*?\n\n)/static int __attribute__((noinline))\njbig2_count_large(Jbig2Ctx *ctx)\n{\n    uint32_t i, n = 0;\n    for (i = 0; ctx != NULL && i < ctx->n_segments; i++)\n        n += ctx->segments[i]->data_length > 4096;\n    return n;\n}\n\n$1    if (jbig2_count_large(ctx) > 100)\n        return NULL;\n/s' jbig2.c
	grep -q 'jbig2_count_large(ctx) >' jbig2.c
}
edit_grown() {
	perl -0pi -e 's/(struct _Jbig2Page \{\n[^\n]*\n)/$1    uint32_t mx_flags;\n    void *mx_hook;\n/' jbig2_page.h
	grep -q mx_hook jbig2_page.h
}
edit_request() {
	perl -0pi -e 's/(struct request_st \{\n[^\n]*\n)/$1    int mx_flags;\n    void *mx_hook;\n/' src/request.h
	grep -q mx_hook src/request.h
}
edit_conn() {
	perl -0pi -e 's/(\nstruct conn \{\n[^\n]*\n[^\n]*\n)/$1    int mx_flags;\n    void *mx_hook;\n/' memcached.h
	grep -q mx_hook memcached.h
}
edit_older() { revert "$PWD" 8; }
edit_none() { :; }

options_inlined() { more=-fno-inline-small-functions; }
options_slower() { more=-O1; }
options_faster() { more=-O3; }
options_smaller() { more=-Os; }
options_reordered() { reorder=-r; }
options_plain() { :; }

# build NAME PACKAGE SIDE EDIT OPTIONS
build() {
	local name=$1 package=$2 side=$3 edit=$4 options=$5 from=$3 dir=$home/build/$1/$3 more='' reorder='' ld=$link edited=new
	[ -e "$dir/result" ] && return
	# A pair made by an edit starts from one revision on both sides.
	[ "$edit$options" = noneplain ] && [ "$name" = "$package" ] || from=new
	rm -rf "$dir"
	mkdir -p "$home/build/$name"
	cp -a "$home/src/$package/$from" "$dir" || return
	# What a change adds, its reverse takes away.
	[[ $name = *-removed ]] && edited=old
	if [ "$side" = $edited ]; then
		(cd "$dir" && "edit_$edit") || return
		"options_$options"
	fi
	more="$more -ffile-prefix-map=$dir=."
	(cd "$dir" && "build_$package" && [ -e "$dir/result" ]) >"$dir.log" 2>&1
}

# NAME PACKAGE EDIT OPTIONS CLASS: neighbours have to meet the thresholds, stress is only shown.
pairs='redis redis none plain neighbour
nginx nginx none plain neighbour
libevent libevent none plain neighbour
memcached memcached none plain neighbour
unzip unzip none plain neighbour
jbig2dec jbig2dec none plain neighbour
haproxy haproxy none plain neighbour
libde265 libde265 none plain neighbour
lighttpd lighttpd none plain neighbour
tar tar none plain neighbour
cpio cpio none plain neighbour
less less none plain neighbour
nginx-older nginx older plain neighbour
haproxy-older haproxy older plain neighbour
unzip-older unzip older plain neighbour
libde265-older libde265 older plain neighbour
function-added jbig2dec added plain upstream
function-removed jbig2dec added plain upstream
request-grown lighttpd request plain upstream
conn-grown memcached conn plain upstream
struct-grown jbig2dec grown plain upstream
reordered jbig2dec none reordered upstream
uninlined jbig2dec none inlined stress
O3 jbig2dec none faster stress
Os jbig2dec none smaller stress
lighttpd-O3 lighttpd none faster stress'

arguments=()
while read -r name package edit options class; do
	[ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
	printf 'building %-16s\r' "$name" >&2
	if ! source_of "$package"; then
		echo "$name: no source" >&2
		continue
	fi
	# Without a neighbour it serves only as what edits start from.
	if [ -e "$home/src/$package/single" ] && [ "$edit$options" = noneplain ]; then
		echo "$name: no neighbouring revision" >&2
		continue
	fi
	ok=yes
	for side in old new; do
		build "$name" "$package" $side "$edit" "$options" || ok=no
	done
	if [ $ok = no ]; then
		echo "$name: does not build; see $home/build/$name/*.log" >&2
		continue
	fi
	for side in old new; do
		cp "$home/build/$name/$side/result" "$home/build/$name/$side.full"
		strip -o "$home/build/$name/$side.stripped" "$home/build/$name/$side/result"
	done
	arguments+=("$name" "$class" "$home/build/$name")
done <<<"$pairs"
printf '%-40s\r' '' >&2
[ ${#arguments[@]} -gt 0 ] || exit 1
"$truth" "${arguments[@]}"
