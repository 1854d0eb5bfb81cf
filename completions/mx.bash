# SPDX-License-Identifier: Apache-2.0
# Completion of mx and mx-shim for bash: the verbs and options that the installed program itself names.

# The verbs of PROGRAM, from its help: mx's own form, then those of crun and runc.
_mx_verbs() {
	"$1" --help 2>/dev/null | awk '
		/^COMMANDS:/ { list = 1; next }
		/^$/ { list = 0 }
		/^  [a-z][a-z-]*  / || list && /^[ \t]+[a-z]/ { sub(/,$/, "", $1); print $1 }
		/^  help VERB/ { print $1 }'
}

# The options that WORDS... prints: a line each, that begins with one.
_mx_options() {
	"$@" 2>/dev/null | awk '/^ *-/ {
		for (i = 1; i <= NF && $i ~ /^-/; i++) {
			sub(/[=,].*/, "", $i)
			print $i
		}
	}'
	printf '%s\n' --help
}

# The values of OPTION, from "--option a|b|c" in what WORDS... prints.
_mx_values() {
	local option=$1
	shift
	"$@" 2>/dev/null |
		sed -n "s/^ *\(-., \)\?$option \([a-z-]*\(|[a-z-]*\)\+\).*/\2/p; s/^ *$option, --[a-z-]* \([a-z-]*\(|[a-z-]*\)\+\).*/\1/p" |
		head -n 1 | tr '|' ' '
}

_mx_give() {
	mapfile -t COMPREPLY < <(compgen "$@")
}

# What stands behind a verb; HELP... prints its help.
_mx_behind() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i values
	# After -- everything is the program's.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			_mx_give -f -- "$word"
			return
		fi
	done
	case $before in
	-*)
		values=$(_mx_values "$before" "$@")
		if [ -n "$values" ]; then
			_mx_give -W "$values" -- "$word"
			return
		fi
		;;
	esac
	case $word in
	-*) _mx_give -W "$(_mx_options "$@")" -- "$word" ;;
	*) _mx_give -f -- "$word" ;;
	esac
}

_mx() {
	local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} verb=${COMP_WORDS[1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		_mx_give -W "$(_mx_verbs "$program") $(_mx_options "$program" --help)" -- "$word"
	elif [ "$verb" = help ]; then
		_mx_give -W "$(_mx_verbs "$program")" -- "$word"
	else
		_mx_behind "$program" help "$verb"
	fi
}

# Global options stand before the verb; some have a value as the next word.
_mx_shim() {
	local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} verb='' i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--mx-conf | --root | --log | --log-format | --cgroup-manager | --rootless | --criu) i=$((i + 1)) ;;
		-* | =) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	if [ -n "$verb" ]; then
		_mx_behind "$program" "$verb" --help
		return
	fi
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--mx-conf | --root | --log) _mx_give -f -- "$word" ;;
	*) _mx_give -W "$(_mx_verbs "$program") $(_mx_options "$program" --help)" -- "$word" ;;
	esac
}

complete -o filenames -F _mx mx
complete -o filenames -F _mx_shim mx-shim
