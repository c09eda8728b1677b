#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Terminals: of a foreground run, of exec, over a console socket; their size, their signals.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
        edit '.process.terminal = true'
}

on_terminal() {
        local steps=()
        while [ "$1" != -- ]; do
                steps+=("$1")
                shift
        done
        shift
        run "$TESTS/lib/terminal" "${steps[@]}" -- "$CARREL" --root "$ROOT" --config "$CONFIG" "$@"
}

@test "a shell on a terminal: size, resize, ^C, exit status" {
        edit '.process.env += ["PS1=ready> "]'
        args sh
        on_terminal 31x97 'expect:ready> ' 'send:stty size\n' 'expect:31 97' \
                "send:sh -c 'trap \"stty size; exit\" WINCH; echo ar\"\"med; while :; do sleep 0.1; done'\\n" 'expect:armed' \
                'resize:40x120' 'expect:40 120' \
                'send:test -t 0 && test -t 1 && test -t 2 && tty\n' 'expect:/dev/pts/0' \
                "send:sh -c 'echo be\"\"gun; exec sleep 100'\\n" 'expect:begun' 'send:\x03' 'expect:ready> ' 'send:echo after $?\n' 'expect:after 130' \
                'send:exit 9\n' -- run "$CT"
        [ "$status" -eq 9 ] || fail "$status: $output"
        assert_clean
}

@test "exec on a terminal beside a container that has none" {
        edit '.process.terminal = false'
        args sleep 300
        carrel_detached run -d "$CT"
        on_terminal 30x90 'expect:# ' 'send:stty size\n' 'expect:30 90' 'resize:33x99' \
                'send:until [ "$(stty size)" = "33 9""9" ]; do sleep 0.1; done; stty size\n' 'expect:33 99' \
                'send:exit 4\n' -- exec -t "$CT" sh
        [ "$status" -eq 4 ] || fail "$status: $output"
        carrel delete --force "$CT"
        assert_clean
}

@test "consoleSize, and the console over a socket, as engines do it" {
        edit '.process.consoleSize = {height: 17, width: 71}'
        script 'stty size; test -t 0 && tty; exit 6'
        run "$TESTS/lib/engine" --terminal "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT"
        assert_output --partial '17 71'
        assert_output --partial /dev/pts/0
        assert_output --partial 'engine: exit 6'
        assert_clean
}

@test "the caller's terminal is as it was afterwards, whatever the program did to its own" {
        script 'stty raw -echo; exit 0'
        run "$TESTS/lib/terminal" 24x80 'expect:before' 'expect:after' -- \
                bash -c "stty -a >'$T/before.tty'; echo before; '$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT'; stty -a >'$T/after.tty'; echo after"
        assert_equal "$status" 0
        assert_equal "$(cat "$T/after.tty")" "$(cat "$T/before.tty")"
        assert_clean
}
