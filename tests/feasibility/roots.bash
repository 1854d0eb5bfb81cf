# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Versions of Debian's packages, each unpacked with what it needs into a root of its own. $dir is where all
# of it is kept; say TEXT tells the user; SIBLINGS (packages.bash) is what is built of the same source.

# site CODENAME: where this machine's apt-get finds that suite.
site() {
	# shellcheck disable=SC2016 # apt-get expands these
	apt-get indextargets --format '$(CODENAME) $(SITE)' 'Created-By: Packages' |
		awk -v name="$1" '$1 == name { print $2; exit }'
}

# What apt-get does with this configuration has nothing to do with what is installed here.
make_apt() {
	local suite=$1 apt=$dir/apt/$1 main security
	[ -e "$apt/ready" ] && return
	main=$(site bookworm)
	security=$(site bookworm-security)
	if [ -z "$main" ] || [ -z "$security" ]; then
		say "apt-get of this machine has no bookworm, or no security updates of it"
		exit 1
	fi
	mkdir -p "$apt"/state/lists/partial "$dir/debs/partial" "$apt/none"
	: >"$apt/status"
	{
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main $suite main"
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main $suite-updates main"
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security $suite-security main"
	} >"$apt/sources.list"
	cat >"$apt/apt.conf" <<-END
		Dir::State "$apt/state";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt";
		Dir::Cache::archives "$dir/debs";
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "$apt/none";
		Dir::Etc::parts "$apt/none";
		Dir::Etc::preferences "$apt/none/none";
		Dir::Etc::preferencesparts "$apt/none";
		Acquire::Languages "none";
	END
	say "lists of $suite"
	# A suite that gets no updates any more has lost some of its lists: what is there counts.
	apt "$suite" update -qq >"$apt/update.log" 2>&1 || cat "$apt/update.log" >&2
	touch "$apt/ready"
}

# apt SUITE VERB ARGS...
apt() {
	local suite=$1 verb=$2
	shift 2
	case $verb in
	madison) APT_CONFIG=$dir/apt/$suite/apt.conf apt-cache madison "$@" ;;
	*) APT_CONFIG=$dir/apt/$suite/apt.conf apt-get "$verb" "$@" ;;
	esac
}

# versions SUITE PACKAGE: oldest first.
versions() {
	apt "$1" madison "$2" | awk '{ print $3 }' | sort -u | while read -r v; do
		printf '%s\n' "$v"
	done | sort_versions
}

sort_versions() {
	local all=() v i
	while read -r v; do
		for ((i = ${#all[@]}; i > 0; i--)); do
			dpkg --compare-versions "${all[i - 1]}" gt "$v" || break
			all[i]=${all[i - 1]}
		done
		all[i]=$v
	done
	[ ${#all[@]} = 0 ] || printf '%s\n' "${all[@]}"
}

# make_root SUITE PACKAGE VERSION ROOT: the package and all that it needs, unpacked.
make_root() {
	local suite=$1 package=$2 version=$3 root=$4 want=("$2=$3") other deb
	# What is built of the same source has to have the same version.
	for other in ${SIBLINGS[$package]-}; do
		apt "$suite" madison "$other" | awk '{ print $3 }' | grep -qFx "$version" &&
			want+=("$other=$version")
	done
	mkdir -p "$root.part"/{usr/{bin,sbin,lib,lib64},etc,tmp,run,dev,proc,var/{log,run,lib,tmp}}
	for other in bin sbin lib lib64; do
		ln -sfn "usr/$other" "$root.part/$other"
	done
	apt "$suite" install -qq -y --download-only --no-install-recommends \
		-o Dir::Cache::archives="$dir/debs" "${want[@]}" >"$root.log" 2>&1 || return
	apt "$suite" install -qq -y --print-uris --download-only --no-install-recommends \
		-o Dir::Cache::archives="$dir/apt/none" "${want[@]}" 2>/dev/null | awk '{ print $2 }' >"$root.debs"
	while read -r deb; do
		dpkg-deb --fsys-tarfile "$dir/debs/$deb" |
			tar -x --keep-directory-symlink -C "$root.part" || return
	done <"$root.debs"
	echo 'root:x:0:0::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh
www-data:x:33:33::/:/bin/sh' >"$root.part/etc/passwd"
	echo 'root:x:0:
nogroup:x:65534:
www-data:x:33:' >"$root.part/etc/group"
	chmod 1777 "$root.part/tmp"
	mkdir -p "$root.part/sys"
	mv "$root.part" "$root"
}

# These mounts are seen by this script alone, and end with it.
mount_kernel() {
	local what
	for what in proc sys dev; do
		mkdir -p "$1/$what"
		mount --bind "/$what" "$1/$what"
	done
}
