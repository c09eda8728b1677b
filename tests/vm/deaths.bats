#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Signals and SIGKILL to the processes of a real VM: nothing is left that a delete does not remove.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle sleep 300
}

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

runs() {
        [ -n "$(pids_of "$1")" ]
}

# The process the signal goes to: $P is carrel's own.
victim_pid() {
        if [ "$1" = carrel ]; then echo "$P"; else pids_of "$1" | head -n 1; fi
}

# What carrel says of a victim and its signal.
says() {
        case $2-$1 in
        carrel-shim-KILL) echo 'carrel-shim ended unexpectedly' ;;
        carrel-shim-*) echo "carrel-shim was ended by signal $(kill -l "$1")" ;;
        qemu-system-KILL) echo 'QEMU was killed by signal 9' ;;
        virtiofsd-KILL) echo 'virtiofsd was killed by signal 9' ;;
        esac
}

# ended SIGNAL VICTIM: nothing is left, and $T/err has one line, of the right victim.
ended() {
        if [ "$2" != carrel ]; then
                assert_equal "$1 $2: $(grep -vc '^carrel: warning: ' "$T/err")" "$1 $2: 1"
                grep -Eq "^carrel: $(says "$1" "$2")" "$T/err" || fail "$1 $2: $(cat "$T/err")"
                refute grep -q 'exit status 0' "$T/err"
        fi
        assert_clean
}

# QEMU and virtiofsd are ended by SIGKILL only (the test after the next one).
victims_of() {
        echo carrel carrel-shim
        if [ "$1" = KILL ]; then echo qemu-system virtiofsd; fi
}

@test "SIGINT, SIGTERM, SIGKILL to each process while the guest boots: create names the victim" {
        local signal victim
        # which it does for ever: no machine is so quick that it has come up before the signal
        configure '{"kernelAppend": "rdinit=/nowhere root=/dev/nowhere rootwait"}'
        for signal in INT TERM KILL; do
                for victim in $(victims_of "$signal"); do
                        start_carrel create "$CT"
                        sleep_until 10 runs qemu-system
                        sleep 0.4
                        kill -"$signal" "$(victim_pid "$victim")"
                        reap
                        [ "$R" -ne 0 ] || fail "$signal to $victim: status 0"
                        ended "$signal" "$victim"
                done
        done
}

@test "SIGINT, SIGTERM, SIGKILL to each process while the container runs: run names the victim" {
        local signal victim
        script 'trap "exit 21" TERM; trap "exit 22" INT; echo ready; while :; do sleep 0.1; done'
        for signal in INT TERM KILL; do
                for victim in $(victims_of "$signal"); do
                        start_carrel run "$CT"
                        sleep_until 20 grep -q ready "$T/out" || fail "$(cat "$T/err")"
                        kill -"$signal" "$(victim_pid "$victim")"
                        reap
                        case $signal-$victim in
                        # what is sent to the two of carrel is meant for the program
                        TERM-carrel*) assert_equal "$signal $victim $R" "$signal $victim 21" ;;
                        INT-carrel*) assert_equal "$signal $victim $R" "$signal $victim 22" ;;
                        KILL-carrel*) assert_equal "$signal $victim $R" "$signal $victim 137" ;;
                        *) assert_equal "$signal $victim $R" "$signal $victim 255" ;;
                        esac
                        if [ "$R" -ge 128 ]; then ended "$signal" "$victim"; else assert_clean; fi
                done
        done
}

@test "a signal for all processes, as a job launcher sends it, is the program's, and it gets one" {
        local signal pids
        script 'for s in HUP INT QUIT USR1 USR2 ALRM; do trap "echo $s" $s; done; trap "echo TERM; exit 3" TERM; echo ready; while :; do sleep 0.1; done'
        start_carrel run "$CT"
        sleep_until 20 grep -q ready "$T/out" || fail "$(cat "$T/err")"
        # two that reach the shim within 20 ms are taken for one: however busy the machine is, carrel hands its own on at once
        renice -n -20 -p "$P" "$(pids_of carrel-shim)" >/dev/null 2>&1 || true
        for signal in HUP INT QUIT USR1 USR2 ALRM TERM; do
                # as Slurm does it, from the leaves
                pids="$(pids_of virtiofsd) $(pids_of qemu-system) $(pids_of carrel-shim) $P"
                # shellcheck disable=SC2086
                kill -"$signal" $pids
                sleep_until 10 grep -q "^$signal\$" "$T/out" || fail "$signal: $(cat "$T/out" "$T/err")"
        done
        reap
        assert_equal "$R" 3
        assert_equal "$(tr '\n' ' ' <"$T/out")" 'ready HUP INT QUIT USR1 USR2 ALRM TERM '
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
                if ! sleep_until 1 looks_like_before; then
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

@test "what the program has written is there, whatever ends it: a file system on a block device that nobody synced" {
        local disk how sum fd

        need_program mkfs.ext4
        need "no loop devices" losetup -f
        mkdir "$T/mnt"
        for how in exit kill delete; do
                rm -f "$T/disk" # ext4 in the guest writes five seconds later at the soonest
                truncate -s 64M "$T/disk"
                mkfs.ext4 -q -F "$T/disk"
                disk=$(losetup -f --show "$T/disk")
                exec {fd}<>"$disk"
                losetup -d "$disk" # when nobody has it open any more
                edit '.linux.devices = [{path: "/dev/disk", type: "b", major: $major, minor: $minor}]
                        | .linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "b", major: $major, minor: $minor, access: "rw"}]
                        | .process.capabilities[] += ["CAP_SYS_ADMIN"]' \
                        --argjson major "$((16#$(stat -c %t "$disk")))" --argjson minor "$((16#$(stat -c %T "$disk")))"
                script "mkdir -p /m; mount -t ext4 /dev/disk /m; head -c 8000000 /dev/urandom >/m/file; sha256sum </m/file; [ $how = exit ] || sleep 300"
                start_carrel run "$CT"
                sleep_until 30 test -s "$T/out" || fail "$(cat "$T/err")"
                case $how in
                kill) carrel kill "$CT" KILL ;;
                delete) carrel delete --force "$CT" ;;
                esac
                reap
                mount "$disk" "$T/mnt"
                sum=$(sha256sum <"$T/mnt/file") || true
                umount "$T/mnt"
                exec {fd}>&-
                assert_equal "$how $sum" "$how $(cat "$T/out")"
                assert_clean
        done
}
