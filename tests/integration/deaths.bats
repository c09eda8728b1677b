#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Signals and SIGKILL to every process at every phase: nothing is left that a delete does not remove.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sleep 60
}

# Starts carrel as it is, so that a signal reaches it and nobody else; its pid is $P.
start_carrel() {
        rm -f "$T/out" "$T/err" # of the one before
        env --default-signal "$CARREL" --root "$ROOT" --config "$CONFIG" "$@" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&- &
        P=$!
}

# How it ended: $R.
reap() {
        R=0
        wait "$P" 2>/dev/null || R=$?
}

phase_create_booting() {
        fake silent
        start_carrel create "$CT"
        sleep_until 10 qemu_runs
}

phase_run_booting() {
        fake silent
        start_carrel run "$CT"
        sleep_until 10 qemu_runs
}

phase_run_running() {
        fake
        start_carrel run "$CT"
        wait_status "$CT" running
}

qemu_runs() {
        [ -n "$(pids_of qemu-system)" ]
}

@test "SIGINT, SIGTERM, SIGHUP to create while the guest boots: nothing is left" {
        local signal
        for signal in INT TERM HUP; do
                phase_create_booting
                kill -"$signal" "$P"
                reap
                [ "$R" -ne 0 ]
                assert_clean
        done
}

@test "SIGKILL to create while the guest boots: nothing is left" {
        phase_create_booting
        kill -KILL "$P"
        reap
        assert_equal "$R" 137
        assert_clean
}

@test "SIGKILL to create at any moment: nothing is left, or delete --force removes it" {
        local delay
        for delay in 0.000 0.005 0.010 0.020 0.030 0.050 0.080 0.120 0.200 0.300; do
                start_carrel create "$CT"
                sleep "$delay"
                kill -KILL "$P" 2>/dev/null || true
                reap
                if ! sleep_until 1 looks_like_before; then
                        carrel delete --force "$CT" || fail "after $delay s: delete --force fails"
                fi
                assert_clean
        done
}

@test "SIGTERM and SIGINT to a foreground run reach the program" {
        local signal
        script 'trap "exit 21" TERM; trap "exit 22" INT; echo ready; while :; do sleep 0.1; done'
        for signal in TERM:21 INT:22; do
                phase_run_running
                sleep_until 10 grep -q ready "$T/out"
                kill -"${signal%:*}" "$P"
                reap
                assert_equal "$R" "${signal#*:}"
                assert_clean
        done
}

@test "SIGTERM to a foreground run while the guest boots" {
        phase_run_booting
        kill -TERM "$P"
        reap
        [ "$R" -ne 0 ]
        assert_clean
}

@test "SIGKILL to a foreground run: the container goes with it" {
        phase_run_booting
        kill -KILL "$P"
        reap
        assert_equal "$R" 137
        assert_clean
        phase_run_running
        kill -KILL "$P"
        reap
        assert_equal "$R" 137
        assert_clean
}

@test "SIGINT, SIGTERM, SIGKILL to the monitor: create and run name it" {
        local signal
        script 'trap "exit 21" TERM; trap "exit 22" INT; echo ready; while :; do sleep 0.1; done'
        for signal in INT TERM KILL; do
                phase_create_booting
                kill -"$signal" "$(pids_of carrel-shim)"
                reap
                assert_equal "$R" 1
                assert_one_line_error "$(cat "$T/err")"
                grep -q 'carrel-shim' "$T/err" || fail "$(cat "$T/err")"
                assert_clean
        done
        # one that runs hands on to the program what it can
        for signal in TERM:21 INT:22 KILL:137; do
                phase_run_running
                sleep_until 10 grep -q ready "$T/out"
                kill -"${signal%:*}" "$(pids_of carrel-shim)"
                reap
                assert_equal "$R" "${signal#*:}"
                assert_clean
        done
        assert_equal "$(cat "$T/err")" 'carrel: carrel-shim ended unexpectedly'
}

@test "SIGKILL to the monitor of a created and of a running container: stopped, deletable" {
        carrel_detached create "$CT"
        kill -KILL "$(carrel state "$CT" | jq .pid)"
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
        carrel_detached run -d "$CT"
        kill -KILL "$(carrel state "$CT" | jq .pid)"
        wait_status "$CT" stopped
        sleep_until 5 none_running
        carrel delete "$CT"
        assert_clean
}

@test "SIGKILL to QEMU at each phase" {
        phase_create_booting
        kill -KILL "$(pids_of qemu-system)"
        reap
        assert_equal "$R" 1
        assert_one_line_error "$(cat "$T/err")"
        grep -q 'carrel: QEMU was killed by signal 9' "$T/err" || fail "$(cat "$T/err")"
        assert_clean

        fake
        carrel_detached create "$CT"
        kill -KILL "$(pids_of qemu-system)"
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean

        phase_run_running
        kill -KILL "$(pids_of qemu-system)"
        reap
        [ "$R" -ne 0 ]
        grep -q 'signal 9' "$T/err"
        assert_clean
}

@test "the parent's death signal: create dies with its caller, what was made goes too" {
        fake silent
        python3 -c '
import ctypes, subprocess, sys
subprocess.Popen(sys.argv[1:], preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9), stdin=subprocess.DEVNULL)
import time; time.sleep(1.5)' "$CARREL" --root "$ROOT" --config "$CONFIG" create "$CT" >"$T/out" 2>&1 3>&- 4>&-
        assert_clean
}

no_process() {
        ! pgrep -f "$1" >/dev/null
}

@test "a container ends after its execs, whatever ends it" {
        local end
        args sleep 1000
        fake
        jq '.process | .args = ["sh", "-c", "touch /runs; sleep 1000"]' config.json >"$T/process.json"
        for end in QEMU TERM KILL; do
                rm -f rootfs/runs
                "$TESTS/lib/engine" --exec "$T/process.json" "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT" >"$T/$end" 2>&1 3>&- &
                P=$!
                sleep_until 20 test -e rootfs/runs || fail "$(cat "$T/$end")"
                if [ "$end" = QEMU ]; then kill -KILL "$(pids_of qemu-system)"; else carrel kill "$CT" "$end"; fi
                reap
                [ "$R" -eq 0 ] || fail "$end: $(cat "$T/$end")"
                [[ $(cat "$T/$end") = *'engine: exec exit 137'*'engine: exit '* ]] || fail "$end: $(cat "$T/$end")"
                assert_clean
        done
}

@test "SIGKILL to an exec in the foreground takes its process along; a detached one stays" {
        args sleep 60
        fake
        carrel_detached run -d "$CT"
        carrel_detached exec --detach "$CT" sleep 65432
        start_carrel exec "$CT" sleep 54321
        sleep_until 10 pgrep -f '^sleep 54321$'
        kill -KILL "$P"
        reap
        sleep_until 10 no_process '^sleep 54321$' || fail "its process goes on"
        pgrep -f '^sleep 65432$'
        sleep_until 10 eval '[ "$(pids_of carrel-shim | wc -l)" -eq 2 ]' || fail "$(pids_of carrel-shim)"
        carrel delete --force "$CT"
        assert_clean
}
