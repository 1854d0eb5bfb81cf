# SPDX-License-Identifier: Apache-2.0
# Completion of mx for bash: the verbs and options that the installed mx itself names.

_mx_words_of_help() {
	mx help "$1" 2>/dev/null | grep -oE '(^| )--[a-z][a-z-]*' | tr -d ' ' | sort -u
}

# The values of an option, from the help's "--option a|b|c".
_mx_values() {
	mx help "$1" 2>/dev/null | sed -n "s/^ *\(-., \)\?$2 \([a-z-]*\(|[a-z-]*\)\+\).*/\2/p" | head -n 1 | tr '|' ' '
}

_mx() {
	local word=${COMP_WORDS[COMP_CWORD]} before='' verb=${COMP_WORDS[1]} i values
	[ "$COMP_CWORD" -gt 0 ] && before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(mx --help 2>/dev/null |
			sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p') --help --version" -- "$word")
		return
	fi
	# After -- everything is the program's.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
			return
		fi
	done
	if [ "$verb" = help ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(mx --help 2>/dev/null |
			sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')" -- "$word")
		return
	fi
	case $before in
	--*)
		values=$(_mx_values "$verb" "$before")
		if [ -n "$values" ]; then
			mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
			return
		fi
		;;
	esac
	case $word in
	-*) mapfile -t COMPREPLY < <(compgen -W "$(_mx_words_of_help "$verb")" -- "$word") ;;
	*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	esac
}

complete -o filenames -F _mx mx
