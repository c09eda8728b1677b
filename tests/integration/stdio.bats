#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bytes through the monitor, with a stand-in for the guest.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle
}

@test "100 MiB through stdout arrive unchanged" {
        head -c 104857600 /dev/urandom >rootfs/data
        args cat /data
        assert_equal "$(LIMIT=120 carrel run "$CT" </dev/null | sha256sum)" "$(sha256sum <rootfs/data)"
        assert_clean
}

@test "100 MiB through stdin arrive unchanged" {
        head -c 104857600 /dev/urandom >"$T/data"
        args sha256sum
        assert_equal "$(LIMIT=120 carrel run "$CT" <"$T/data")" "$(sha256sum <"$T/data")"
        assert_clean
}

@test "100 MiB through both at once" {
        head -c 104857600 /dev/urandom >"$T/data"
        args cat
        assert_equal "$(LIMIT=120 carrel run "$CT" <"$T/data" | sha256sum)" "$(sha256sum <"$T/data")"
        assert_clean
}

@test "output just before the exit is not lost, 30 times" {
        local i
        script 'yes x | tr -d "\n" | head -c 3000; echo end; echo err >&2'
        for i in $(seq 30); do
                run_carrel run "$CT"
                [ "${#output}" -eq 3003 ] || fail "time $i: ${#output} bytes"
                assert_equal "$stderr" err
        done
        assert_clean
}

@test "stdout and stderr are kept apart" {
        script 'for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; done'
        run_carrel run "$CT"
        assert_equal "$output" "$(printf 'out%d\n' 1 2 3 4 5 6 7 8 9)"
        assert_equal "$stderr" "$(printf 'err%d\n' 1 2 3 4 5 6 7 8 9)"
        assert_clean
}

@test "stdin closed from the start" {
        script 'cat; echo done'
        run_carrel run "$CT" <&-
        assert_equal "$output" 'done'
        assert_clean
}

@test "the program closes stdin early: the writer gets SIGPIPE, not a hang" {
        script 'head -c 5; exec <&-; sleep 1; echo; echo done'
        run bash -c "set -o pipefail; yes 2>/dev/null | timeout 30 '$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT'"
        assert_line 'done'
        assert_clean
}

@test "a program that ignores stdin ends while the writer goes on" {
        script 'echo done'
        run timeout 30 bash -c "yes 2>/dev/null | '$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT'"
        assert_output 'done'
        assert_clean
}

@test "the reader of stdout goes away: the program gets SIGPIPE" {
        script 'yes; echo "status $?" >&2'
        run timeout 30 bash -c "'$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT' 2>'$T/err' | head -n 1"
        assert_output y
        assert_clean
}

@test "stdout closed from the start" {
        script 'echo one || true; echo two >&2; exit 4'
        run bash -c "'$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT' 2>&1 >&-"
        assert_equal "$status" 4
        assert_line two
        assert_clean
}

@test "files as stdio, output appended where the file stood" {
        echo first >"$T/out"
        script 'cat; echo err >&2'
        echo input >"$T/in"
        carrel run "$CT" <"$T/in" >>"$T/out" 2>"$T/err"
        assert_equal "$(cat "$T/out")" $'first\ninput'
        assert_equal "$(cat "$T/err")" err
        assert_clean
}

@test "/dev/null keeps its owner and mode" {
        local before
        before=$(stat -c '%U %G %a' /dev/null)
        edit '.process.user = {"uid": 1000, "gid": 1000}'
        carrel run "$CT" </dev/null >/dev/null 2>/dev/null
        assert_equal "$(stat -c '%U %G %a' /dev/null)" "$before"
        assert_clean
}

@test "a slow reader costs no more than a window" {
        script 'yes | head -c 20000000; echo done >&2'
        mkfifo "$T/pipe"
        carrel run "$CT" </dev/null >"$T/pipe" 2>"$T/err" &
        local reader run=$!
        exec 8<"$T/pipe"
        wait_status "$CT" running
        sleep 2
        local pid
        pid=$(pids_of carrel-shim)
        reader=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
        echo "monitor: $reader KiB" >&3
        run grep -c 'done' "$T/err"
        assert_output 0
        assert_equal "$(wc -c <&8)" 20000000
        exec 8<&-
        wait "$run"
        assert_equal "$(cat "$T/err")" 'done'
        assert_clean
}
