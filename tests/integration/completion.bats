#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What --help, the manual page and the completion say of commands and options is the same.

load ../lib/common

setup() {
        top=$TESTS/..
        # shellcheck source=data/completion/carrel.bash
        source "$top/data/completion/carrel.bash"
}

help_commands() {
        "$CARREL" --help | awk '/^Commands:/ { found = 1; next } found && /^  [a-z]/ { print $1 }' | sort
}

# Long and short options of --help, one a line.
help_options() {
        # shellcheck disable=SC2086
        "$CARREL" $1 --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z0-9-]+' | grep -oE -e '--?[a-zA-Z0-9-]+' | sort
}

# Those of the manual page: the text of a section between its heading and the next.
man_options() {
        local heading='# OPTIONS'

        if [ -n "$1" ]; then heading="## $1"; fi
        {
                awk -v heading="$heading" '$0 == heading { found = 1; next } /^#/ { found = 0 } found' \
                        "$top/docs/man/carrel.8.scd" | grep -E '^\*-' | grep -oE -e '\*--?[a-zA-Z0-9-]+\*' | tr -d '*'
                # said once for all commands
                if [ -n "$1" ]; then printf '%s\n' --help -h; fi
        } | sort
}

completion_options() {
        _carrel_options "$1" | tr -s ' ' '\n' | sort
}

@test "commands" {
        local commands
        commands=$(help_commands)
        [ "$(printf '%s\n' "$commands" | wc -l)" -ge 10 ]
        assert_equal "$(tr ' ' '\n' <<<"$_carrel_commands" | sort)" "$commands"
        assert_equal "$(sed -n 's/^## //p' "$top/docs/man/carrel.8.scd" | sort)" "$commands"
}

@test "options in front of the command" {
        assert_equal "$(completion_options '')" "$(help_options '')"
        assert_equal "$(man_options '')" "$(help_options '')"
}

@test "options of each command" {
        local command
        for command in $(help_commands); do
                assert_equal "$command $(completion_options "$command")" "$command $(help_options "$command")"
                assert_equal "$command $(man_options "$command")" "$command $(help_options "$command")"
        done
}

complete_line() {
        # shellcheck disable=SC2034 # read by _carrel
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        compopt() { :; }
        _carrel
}

@test "completion: commands, options, values, ids" {
        complete_line carrel st
        assert_equal "${COMPREPLY[*]}" 'start state'
        complete_line carrel --log-format ''
        assert_equal "${COMPREPLY[*]}" 'text json'
        complete_line carrel --log-format json list --q
        assert_equal "${COMPREPLY[*]}" '--quiet'
        complete_line carrel list -f ''
        assert_equal "${COMPREPLY[*]}" 'table json'
        carrel() {
                [ "$*" = '--root /r list --quiet' ] && echo 'one two'
        }
        complete_line carrel --root /r delete --force t
        assert_equal "${COMPREPLY[*]}" two
        complete_line carrel cdi --vendor x --class y ''
        assert_equal "${COMPREPLY[*]}" generate
        complete_line carrel kill one K
        assert_equal "${COMPREPLY[*]}" KILL
}
