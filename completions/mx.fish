# SPDX-License-Identifier: Apache-2.0
# Completion of mx for fish: the verbs and options that the installed mx itself names.

# The verbs with what they do, from mx's help.
function __mx_verbs
    mx --help 2>/dev/null | string match -rg '^  ([a-z][a-z-]*)(?: VERB)?  +(.*)' | paste -d \t - -
end

function __mx_verb
    set -l words (commandline -opc)
    test (count $words) -gt 1; and echo $words[2]
end

# Whether an option may stand here: not behind --, where everything is the program's.
function __mx_is_ours
    not contains -- -- (commandline -opc)
end

# The options of the verb that was typed, or of mx, with what they do. A text may stand in the next line.
function __mx_options
    set -l verb (__mx_verb)
    begin
        if test -n "$verb"
            mx help $verb
        else
            mx --help
        end
        echo "  --help  what it does, and its options"
    end 2>/dev/null | awk '
        function tell(  i) { for (i = 1; i <= n; i++) if (!seen[name[i]]++) print name[i] "\t" text; n = 0 }
        /^ *-/ {
            tell()
            sub(/^ +/, "")
            at = match($0, /  +/)
            head = at ? substr($0, 1, at - 1) : $0
            text = at ? substr($0, at + RLENGTH) : ""
            count = split(head, word, /[ ,=]+/)
            for (i = 1; i <= count; i++) if (word[i] ~ /^-/) name[++n] = word[i]
            next
        }
        /^ / && text == "" { sub(/^ +/, ""); text = $0; next }
        END { tell() }'
end

# The values of the option before, from "--option a|b|c".
function __mx_values
    set -l verb (__mx_verb)
    set -l words (commandline -opc)
    set -l option $words[-1]
    string match -q -- '-*' $option; or return 1
    set -l values (mx help $verb 2>/dev/null | string match -rg -- "^ *(?:-., )?$option(?:, --[a-z-]+)? ([a-z-]+(?:\|[a-z-]+)+)")
    test -n "$values[1]"; and string split '|' -- $values[1]
end

complete -c mx -f -n 'test -z (__mx_verb)' -a '(__mx_verbs)'
complete -c mx -f -n 'contains -- help (__mx_verb)' -a '(__mx_verbs)'
complete -c mx -n 'string match -q -- "-*" (commandline -ct); and __mx_is_ours' -a '(__mx_options)'
complete -c mx -f -n '__mx_is_ours; and __mx_values >/dev/null' -a '(__mx_values)'
