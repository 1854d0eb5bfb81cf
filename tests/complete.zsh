#!/bin/zsh -f
# SPDX-License-Identifier: Apache-2.0
# What Tab offers in an interactive zsh, a word a line: complete.zsh FOLDER LINE FILE. FOLDER holds the
# completion functions; FILE and FILE.dump are written to. The shell inside reads this file, too.
if [[ -o interactive ]]; then
	PROMPT='' RPROMPT=''
	fpath=($mx_folder $fpath)
	autoload -Uz compinit
	compinit -u -d $mx_answer.dump
	# It tells what it was given, and which of that fits, as well as adding it.
	compadd() {
		local -a hits
		if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
			builtin compadd -A hits "$@"
			(( $#hits )) && print -rl -- $hits >>$mx_answer
		fi
		builtin compadd "$@"
	}
	mx-tell() {
		zle mx-complete
		print -r -- '@end@' >>$mx_answer
	}
	zle -C mx-complete list-choices _main_complete
	zle -N mx-tell
	bindkey '^I' mx-tell
	print -r -- '@ready@'
	return
fi
zmodload zsh/zpty || exit 1
: >${3:?usage: complete.zsh FOLDER LINE FILE}
export mx_folder=$1 mx_answer=$3
zpty shell 'TERM=dumb zsh -f -i'
zpty -w shell "source ${(q)ZSH_ARGZERO:a}"
zpty -r -m shell seen $'*@ready@\r*' || exit 1
zpty -w -n shell "$2"$'\t'
for (( i = 0; i < 200; i++ )); do
	grep -qx '@end@' $mx_answer && break
	sleep 0.02
done
zpty -d shell
grep -qx '@end@' $mx_answer || { print -u2 "complete.zsh: no answer for: $2"; exit 1 }
grep -vx '@end@' $mx_answer
exit 0
