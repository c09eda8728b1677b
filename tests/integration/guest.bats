#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What comes from the guest is hostile: nonsense ends the VM with words, never the monitor, and leaves nothing.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle sleep 20
}

# A guest that misbehaves while `run` waits for it.
assert_broken() {
        local pattern=$1
        shift

        fake "$@"
        run_carrel run "$CT"
        [ "$status" -ne 0 ] || fail "status 0"
        [ "$status" -lt 124 ] || [ "$status" -eq 255 ] || fail "status $status: $stderr"
        [[ $stderr =~ $pattern ]] || fail "expected /$pattern/ in: $stderr"
        [ "${#stderr}" -lt 8192 ] || fail "${#stderr} bytes of error"
        if grep -q $'\x1b' <<<"$stderr"; then fail "control characters in the error"; fi
        assert_clean
}

@test "bytes that are no frames" {
        assert_broken 'broke the protocol' send=garbage
}

@test "a frame of 4 GiB" {
        assert_broken 'broke the protocol' send=oversize
}

@test "flags that must be 0" {
        assert_broken 'broke the protocol' send=flags
}

@test "an unknown type" {
        assert_broken 'broke the protocol' send=type
}

@test "data before the container exists" {
        assert_broken 'broke the protocol' send=early-data
}

@test "JSON that is cut short, and JSON that is deep" {
        assert_broken 'broke the protocol' send=json at=started
        assert_broken 'broke the protocol' send=deep at=started
}

@test "more output than there is credit for" {
        assert_broken 'broke the protocol' send=credit at=started
}

@test "credit without end" {
        fake send=window at=started
        script 'echo fine'
        run_carrel run "$CT"
        [[ $output = fine || $stderr = *'broke the protocol'* ]]
        assert_clean
}

@test "the exit of processes that are not there" {
        assert_broken 'broke the protocol' send=exited at=started
}

@test "an answer nobody asked for" {
        assert_broken 'broke the protocol' send=reply at=started
}

@test "two hellos" {
        assert_broken 'second hello' hellos=2
}

@test "another version of the protocol: what to do is said" {
        assert_broken 'version 99.*rebuild the initrd' hello=99
}

@test "no hello: the time limit is named, and the console's end shown" {
        fake silent
        configure "$(jq '. + {bootTimeoutMs: 1500}' "$CONFIG")"
        assert_refused '1500 ms.*fake guest: the last line' run "$CT"
}

@test "QEMU's last words are in the error when it dies at start" {
        assert_broken 'exit status 3.*these are my last words' die=start
}

@test "QEMU dies after the hello" {
        assert_broken 'exit status 3.*these are my last words' die=hello
}

@test "QEMU dies while the container is created, and the caller learns it" {
        fake die=created
        run_carrel run "$CT"
        [ "$status" -ne 0 ]
        assert_clean
}

@test "QEMU dies while the container runs: status 255, stopped, deletable" {
        fake die=started
        run_carrel run "$CT"
        [ "$status" -ne 0 ]
        assert_clean
        carrel run -d "$CT" </dev/null >/dev/null 2>&1 || true
        if carrel state "$CT" >/dev/null 2>&1; then
                wait_status "$CT" stopped
                carrel delete "$CT"
        fi
        assert_clean
}

@test "an error of the agent is shown as it is, without control characters" {
        fake error=plain
        assert_refused 'mounting proc: out of luck' create "$CT"
        fake error=control
        assert_refused 'one.*two.*three' create "$CT"
        if grep -q $'[\x07\x1b]' <<<"$stderr"; then fail "control characters in the error"; fi
}

@test "an error of megabytes is cut" {
        fake error=long
        run_carrel create "$CT"
        assert_equal "$status" 1
        [ "${#stderr}" -lt 8192 ]
        assert_clean
}

@test "start refused by the agent" {
        fake start-error=5
        run_carrel run "$CT"
        [ "$status" -ne 0 ]
        [[ $stderr = *'not today'* ]]
        assert_clean
}

@test "QMP that is no QMP" {
        assert_broken '[Qq][Mm][Pp]' qmp=garbage
}

@test "QMP without an end" {
        assert_broken '[Qq][Mm][Pp]' qmp=long
}

@test "a guest that does not sync at the end is not waited for without end" {
        fake deaf
        script 'echo fine'
        LIMIT=30 run_carrel run "$CT"
        assert_equal "$output" fine
        assert_clean
}

@test "a thousand log messages cannot fill anything" {
        fake log=1000
        script 'echo fine'
        run_carrel --log "$T/log" run "$CT"
        assert_equal "$output" fine
        [ "$(stat -c %s "$T/log" 2>/dev/null || echo 0)" -lt 1000000 ]
        if grep -q $'\x1b' "$T/log"; then fail "control characters in the log"; fi
        assert_clean
}
