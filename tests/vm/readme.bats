#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the README tells a person to type does what it says.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
}

# The indented lines of a section.
commands_of() {
        sed -n "/^## $1\$/,/^## /{s/^    //p}" "$TESTS/../README.md"
}

@test "a bundle by hand" {
        mkdir "$T/bin"
        cat >"$T/bin/carrel" <<WRAPPER
#!/bin/sh
exec "$CARREL" --root "$ROOT" --config "$CONFIG" "\$@"
WRAPPER
        chmod +x "$T/bin/carrel"
        commands_of 'A bundle by hand' >"$T/commands"
        [ "$(wc -l <"$T/commands")" -ge 4 ]
        cd "$T"
        PATH=$T/bin:$PATH run --separate-stderr bash -eux "$T/commands" </dev/null 3>&-
        [ "$status" -eq 0 ] || fail "$stderr"
        [[ ${lines[-1]} = Linux*carrel* ]] || fail "$output"
        assert_clean
}
