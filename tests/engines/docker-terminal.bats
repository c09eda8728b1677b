#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Terminals as docker gives them: run -t, -it, exec -it, attach and detach; their size, their signals.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin docker
}

# on_terminal SIZE STEP... -- ARGUMENT OF docker...
on_terminal() {
        local steps=()

        while [ "$1" != -- ]; do
                steps+=("$1")
                shift
        done
        shift
        run "$TESTS/lib/terminal" "${steps[@]}" -- "$DOCKER" "$@"
}

@test "run -t, without input" {
        same_as_runc -t "$ENGINE_IMAGE" sh -c 'test -t 1 && tty; stty -a | grep -c isig; echo two; exit 4'
        assert_equal "$status" 4
        assert_line --index 0 $'/dev/pts/0\r'
        assert_clean
}

@test "run -it: size, resize, ^C, exit status" {
        on_terminal 31x97 'expect:# ' 'send:PS1=ready\\>\n' 'expect:ready>' "$(size_becomes 31 97)" 'expect:31 97' 'expect:ready>' \
                'resize:40x120' "$(size_becomes 40 120)" 'expect:40 120' 'expect:ready>' \
                'send:sleep 100\n' pause:1 'send:\x03' 'expect:ready>' 'send:echo after $?\n' 'expect:after 130' \
                'send:exit 9\n' -- run -it --rm --network none "$ENGINE_IMAGE" sh
        [ "$status" -eq 9 ] || fail "$status: $output"
        assert_clean
}

@test "detach keys, attach again, exec -it with a size of its own" {
        on_terminal 24x80 'expect:# ' 'send:echo fir""st\n' 'expect:first' 'send:\x10\x11' -- run -it --name one --network none "$ENGINE_IMAGE" sh
        [ "$status" -eq 0 ] || fail "$status: $output"
        assert_equal "$(inspect one '{{.State.Status}}')" running
        on_terminal 30x90 'expect:# ' "$(size_becomes 30 90)" 'expect:30 90' 'resize:33x99' "$(size_becomes 33 99)" 'expect:33 99' \
                'send:test -t 0 && tty\n' 'expect:/dev/pts/1' 'send:exit 4\n' -- exec -it one sh
        [ "$status" -eq 4 ] || fail "$status: $output"
        on_terminal 24x80 'pause:0.5' 'send:\n' 'expect:# ' 'send:echo se""cond\n' 'expect:second' 'send:exit 5\n' -- attach one
        [ "$status" -eq 5 ] || fail "$status: $output"
        must docker logs one
        assert_output --partial first
        assert_output --partial second
        must docker rm one
        assert_clean
}

@test "the client of a terminal is killed: the container goes on" {
        PATIENCE=20 "$TESTS/lib/terminal" 24x80 'expect:# ' 'send:sleep 300\n' pause:0.5 signal:SIGKILL -- "$DOCKER" run -it --name one --network none "$ENGINE_IMAGE" sh >/dev/null 2>&1 || true
        assert_equal "$(inspect one '{{.State.Status}}')" running
        must docker exec -t one tty
        must docker rm -f one
        assert_clean
}
