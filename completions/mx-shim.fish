# SPDX-License-Identifier: Apache-2.0
# Completion of mx-shim for fish: its own verbs and options, and those that its delegate names.

# The verb that was typed. Global options stand before it; some have a value as the next word.
function __mx_shim_verb
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --mx-conf --root --log --log-format --cgroup-manager --rootless --criu
                set skip 1
            case '-*'
            case '*'
                echo $word
                return
        end
    end
end

function __mx_shim_verbs
    mx-shim --help 2>/dev/null | awk '
        /^COMMANDS:/ { list = 1; next }
        /^$/ { list = 0 }
        /^  [a-z][a-z-]*  / || list && /^[ \t]+[a-z]/ {
            name = $1
            sub(/,$/, "", name)
            sub(/^[ \t]+[^ \t]+([ \t]+h)?[ \t]+(- )?/, "")
            print name "\t" $0
        }'
end

function __mx_shim_options
    mx-shim (__mx_shim_verb) --help 2>/dev/null | awk '
        /^ *-/ {
            sub(/^ +/, "")
            at = match($0, /  +/)
            head = at ? substr($0, 1, at - 1) : $0
            text = at ? substr($0, at + RLENGTH) : ""
            count = split(head, word, /[ ,=]+/)
            for (i = 1; i <= count; i++) if (word[i] ~ /^-/ && !seen[word[i]]++) print word[i] "\t" text
        }'
end

complete -c mx-shim -f -n 'test -z (__mx_shim_verb)' -a '(__mx_shim_verbs)'
complete -c mx-shim -n 'string match -q -- "-*" (commandline -ct)' -a '(__mx_shim_options)'
