#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bytes through monitor, virtio-serial and agent.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
        export LIMIT=180
}

@test "100 MiB through stdout arrive unchanged" {
        head -c 104857600 /dev/urandom >rootfs/data
        args cat /data
        assert_equal "$(carrel run "$CT" </dev/null 2>"$T/err" | sha256sum)" "$(sha256sum <rootfs/data)"
        assert_clean
}

# peak FILE: the most memory that a process has had, in KiB, from its /proc/PID/status.
peak() {
        awk '/^VmHWM/ { print $2 }' "$1"
}

@test "a slow reader, much output: monitor and agent hold a few windows of it, not more" {
        local mib=64 carrel_pid shim agent
        if [ -n "${CARREL_FULL-}" ]; then mib=1024; fi
        LIMIT=$((200 + mib)) # at 16 MiB a second or less

        # without a pid namespace it sees process 1 of the guest, the agent
        edit '.linux.namespaces |= map(select(.type != "pid"))'
        head -c 1048576 /dev/urandom >rootfs/mebibyte
        script "for i in \$(seq $mib); do cat /mebibyte; done"
        mkfifo "$T/pipe"
        carrel run "$CT" </dev/null >"$T/pipe" 2>"$T/err" &
        carrel_pid=$!
        "$TESTS/lib/slow-reader" $((mib << 20)) $((16 << 20)) "$T/mark" <"$T/pipe" >"$T/read" &
        sleep_until "$LIMIT" test -e "$T/mark" || fail "$(cat "$T/err")"
        shim=$(peak "/proc/$(carrel state "$CT" | jq .pid)/status")
        agent=$(peak <(carrel exec "$CT" cat /proc/1/status))
        echo "$mib MiB: monitor's peak $shim KiB (limit 6144), agent's $agent KiB (limit 4096)" >&3
        rm "$T/mark"
        wait "$carrel_pid"
        sleep_until 10 test -s "$T/read"
        assert_equal "$(cat "$T/read")" "$((mib << 20)) $(for _ in $(seq "$mib"); do cat rootfs/mebibyte; done | sha256sum | cut -d' ' -f1)"
        [ "$shim" -le 6144 ]
        [ "$agent" -le 4096 ]
        assert_clean
}

@test "100 MiB through stdin arrive unchanged" {
        head -c 104857600 /dev/urandom >"$T/data"
        args sha256sum
        assert_equal "$(carrel run "$CT" <"$T/data" 2>"$T/err")" "$(sha256sum <"$T/data")"
        assert_clean
}

@test "stdin and stdout at once" {
        head -c 30000000 /dev/urandom >"$T/data"
        args cat
        assert_equal "$(carrel run "$CT" <"$T/data" 2>"$T/err" | sha256sum)" "$(sha256sum <"$T/data")"
        assert_clean
}

@test "output just before the exit is not lost, neither the container's nor an exec's (50 times)" {
        local i
        script 'head -c 100000 /dev/zero | tr "\0" x; echo end'
        assert_equal "$(carrel run "$CT" 2>/dev/null | tail -c 4)" end
        args sleep 300
        carrel_detached run -d "$CT"
        for i in $(seq 50); do
                run_carrel exec "$CT" sh -c 'head -c 3000 /dev/zero | tr "\0" x; echo end; echo err >&2'
                [ "${#output}" -eq 3003 ] || fail "time $i: ${#output} bytes"
                assert_equal "$stderr" err
        done
        carrel delete --force "$CT"
        assert_clean
}

@test "stdout and stderr are kept apart, stdin may be closed, early too" {
        script 'for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; done; cat; head -c 3; echo done'
        run_carrel run "$CT" <&-
        assert_equal "$output" "$(printf 'out%d\n' 1 2 3 4 5 6 7 8 9)"$'\ndone'
        assert_equal "$(tail -n 9 <<<"$stderr")" "$(printf 'err%d\n' 1 2 3 4 5 6 7 8 9)"
        assert_clean
}

@test "a program that closes or ignores its stdin ends, whoever writes" {
        script 'head -c 2; exec <&-; sleep 1; echo; echo done'
        run bash -c "yes 2>/dev/null | timeout 60 '$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT' 2>/dev/null"
        assert_line 'done'
        assert_clean
}

@test "the reader of stdout goes away: the program gets SIGPIPE" {
        script 'yes; echo "yes: $?" >&2'
        run bash -c "timeout 60 '$CARREL' --root '$ROOT' --config '$CONFIG' run '$CT' 2>'$T/err' | head -n 1"
        assert_output y
        grep -q 'yes: [1-9]' "$T/err"
        assert_clean
}
