#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGKILL to the processes of a real VM: nothing is left that a delete does not remove.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle sleep 300
}

start_carrel() {
        env --default-signal "$CARREL" --root "$ROOT" --config "$CONFIG" "$@" </dev/null >"$T/out" 2>"$T/err" 3>&- 4>&- &
        P=$!
}

# How it ended: $R.
reap() {
        R=0
        wait "$P" 2>/dev/null || R=$?
}

runs() {
        [ -n "$(pids_of "$1")" ]
}

@test "SIGTERM and SIGKILL to run and create while the guest boots" {
        start_carrel run "$CT"
        sleep_until 10 runs qemu-system
        sleep 0.5
        kill -TERM "$P"
        reap
        [ "$R" -ne 0 ]
        assert_clean
        start_carrel create "$CT"
        sleep_until 10 runs qemu-system
        sleep 0.5
        kill -KILL "$P"
        reap
        assert_equal "$R" 137
        assert_clean
}

@test "SIGKILL to QEMU or virtiofsd while the guest boots: create names it" {
        local victim
        for victim in qemu-system virtiofsd; do
                start_carrel create "$CT"
                sleep_until 10 runs "$victim"
                sleep 0.3
                pids_of "$victim" | xargs kill -KILL
                reap
                assert_equal "$R" 1
                grep -Eqi "qemu|virtiofsd" "$T/err"
                assert_clean
        done
}

@test "SIGKILL to QEMU, virtiofsd, monitor and run while the container runs" {
        local victim
        for victim in qemu-system virtiofsd carrel-shim; do
                start_carrel run "$CT"
                wait_status "$CT" running
                pids_of "$victim" | xargs kill -KILL
                reap
                [ "$R" -ne 0 ]
                assert_clean
        done
        start_carrel run "$CT"
        wait_status "$CT" running
        kill -KILL "$P"
        reap
        assert_equal "$R" 137
        assert_clean
}

@test "SIGKILL to the monitor of a detached container: stopped, deletable" {
        carrel_detached run -d "$CT"
        kill -KILL "$(carrel state "$CT" | jq .pid)"
        wait_status "$CT" stopped
        sleep_until 5 none_running || fail "something outlives the monitor"
        carrel delete "$CT"
        assert_clean
}

@test "SIGKILL to any of its processes at any moment" {
        local delay victim i=0
        local victims=(carrel carrel-shim qemu-system virtiofsd)

        for delay in 0.05 0.15 0.3 0.6 0.9 1.1 1.2 1.3 1.5 1.8 2.2 3.0; do
                victim=${victims[i++ % 4]}
                start_carrel run "$CT"
                sleep "$delay"
                pids_of "$victim" | head -n 1 | xargs -r kill -KILL 2>/dev/null || true
                sleep 0.2
                # what nobody has killed goes on
                kill -TERM "$P" 2>/dev/null || true
                sleep 0.2
                kill -KILL "$P" 2>/dev/null || true
                reap
                if ! sleep_until 5 looks_like_before; then
                        carrel delete --force "$CT" || fail "$victim after $delay s: delete --force fails"
                fi
                assert_clean
        done
}

@test "the guest's kernel panics: said with the console's end" {
        edit '.process.capabilities[] += ["CAP_SYS_ADMIN"] | .linux.readonlyPaths = []'
        script 'echo c >/proc/sysrq-trigger; sleep 60'
        run_carrel run "$CT"
        [ "$status" -ne 0 ]
        [[ $stderr = *anic* ]] || fail "$stderr"
        assert_clean
}
