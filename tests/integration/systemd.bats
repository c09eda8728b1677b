#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --systemd-cgroup. A program that answers as systemd's manager does stands in for it, on a bus of the test's own.

load ../lib/common
load ../lib/fake

setup() {
        need_program dbus-daemon
        need_built tests/integration/systemd-fake
        FAKE=$CARREL_BUILD/tests/integration/systemd-fake
        need 'no cgroup hierarchy of systemd here' test -d /sys/fs/cgroup/systemd
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sleep 60
        edit '.linux.cgroupsPath = $path' --arg path "$CT-pod.slice:test:$CT"
        UNIT=test-$CT.scope
        FOLDER=$CT.slice/$CT-pod.slice/$UNIT
        start_bus
}

# None, one or two. (A wait without their names would wait for bats' own timer, too.)
stop_helpers() {
        local helper

        for helper in ${helpers-}; do
                kill "$helper" 2>/dev/null || true
                wait "$helper" 2>/dev/null || true
        done
        helpers=''
}

teardown() {
        stop_helpers
        # what the real one does with slices that are empty
        find /sys/fs/cgroup -depth -type d -name "${CT-none}*" -exec rmdir {} + 2>/dev/null || true
        test_end
}

start_bus() {
        cat >"$T/bus.conf" <<END
<busconfig><type>system</type><listen>unix:path=$T/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
END
        export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/bus
        dbus-daemon --config-file="$T/bus.conf" --nofork --nopidfile >"$T/bus.log" 2>&1 3>&- &
        helpers="${helpers-} $!"
        sleep_until 10 test -S "$T/bus" || fail "$(cat "$T/bus.log")"
}

# start_systemd [WORD] [HIERARCHY...]
start_systemd() {
        FAKE_SYSTEMD=${1-} "$FAKE" "${@:2}" >"$T/systemd" 2>&1 3>&- &
        helpers="${helpers-} $!"
        sleep_until 10 grep -q ready "$T/systemd" || fail "$(cat "$T/systemd")"
}

slices_gone() {
        [ -z "$(find /sys/fs/cgroup -type d -name "*$CT*")" ] ||
                find /sys/fs/cgroup -depth -type d -name "$CT*.slice" -exec rmdir {} + 2>/dev/null
}

@test "a container is a scope in its slice, and all of it is in there" {
        start_systemd '' /sys/fs/cgroup/systemd
        edit '.linux.resources = {memory: {limit: 268435456}, cpu: {shares: 512, quota: 150000, period: 100000}}'
        carrel_detached --systemd-cgroup create "$CT"
        local shim memory
        shim=$(carrel state "$CT" | jq .pid)
        assert_equal "$(sed -n 's/ MemoryLimit=[0-9]*//; s/^StartTransientUnit //p' "$T/systemd")" \
                "$UNIT replace Description=\"carrel container $CT\" Slice=\"$CT-pod.slice\" Delegate=true DefaultDependencies=false PIDs=1 MemoryAccounting=true CPUAccounting=true BlockIOAccounting=true TasksAccounting=true"
        memory=$(sed -n 's/^Start.* MemoryLimit=\([0-9]*\).*/\1/p' "$T/systemd")
        [ "$memory" -gt 268435456 ]
        grep -qx "SetUnitProperties $UNIT runtime CPUShares=512 CPUQuotaPeriodUSec=100000 CPUQuotaPerSecUSec=1500000" "$T/systemd" ||
                fail "$(cat "$T/systemd")"
        grep -q "name=systemd:/$FOLDER\$" "/proc/$shim/cgroup" || fail "$(cat "/proc/$shim/cgroup")"
        # nobody else is left in it
        run_carrel ps --format json "$CT"
        assert_equal "$(jq -c sort <<<"$output")" "$(jq -cs sort "/sys/fs/cgroup/systemd/$FOLDER/cgroup.procs")"
        carrel start "$CT"
        carrel_detached exec -d --pid-file "$T/exec.pid" "$CT" sleep 30
        grep -q "name=systemd:/$FOLDER\$" "/proc/$(cat "$T/exec.pid")/cgroup"

        carrel update --memory 128m --cpu-share 256 "$CT"
        grep -qx "SetUnitProperties $UNIT runtime MemoryLimit=$memory CPUShares=256" "$T/systemd" || fail "$(cat "$T/systemd")"
        carrel update --memory -1 --cpu-quota -1 "$CT"
        grep -qx "SetUnitProperties $UNIT runtime MemoryLimit=18446744073709551615 CPUQuotaPerSecUSec=18446744073709551615" "$T/systemd" ||
                fail "$(cat "$T/systemd")"

        # delete does not have to be told
        carrel delete --force "$CT"
        assert_equal "$(tail -n 2 "$T/systemd")" "StopUnit $UNIT replace"$'\n'"ResetFailedUnit $UNIT"
        slices_gone
        assert_clean
}

@test "without a path it is carrel-ID.scope in system.slice; a foreground run removes it" {
        start_systemd '' /sys/fs/cgroup/systemd
        edit 'del(.linux.cgroupsPath)'
        args echo hello
        run_carrel --systemd-cgroup run "$CT"
        assert_equal "$output" hello
        assert_equal "$status" 0
        grep -q "^StartTransientUnit carrel-$CT.scope .* Slice=\"system.slice\"" "$T/systemd" || fail "$(cat "$T/systemd")"
        grep -qx "StopUnit carrel-$CT.scope replace" "$T/systemd"
        rmdir /sys/fs/cgroup/*/system.slice 2>/dev/null || true
        assert_clean
}

@test "on a host with version 2 only, limits have that version's names" {
        start_systemd ''
        edit '.linux.resources = {memory: {limit: 268435456}, cpu: {shares: 512, cpus: "0", mems: "0"}}'
        # shellcheck disable=SC2016
        unshare -m sh -c 'umount -l /sys/fs/cgroup/* /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
                exec "$@" </dev/null >"$0" 2>&1' "$T/created" \
                "$CARREL" --root "$ROOT" --config "$CONFIG" --systemd-cgroup run "$CT" &
        local runner=$!
        sleep_until 20 grep -q '^SetUnit' "$T/systemd" || fail "$(cat "$T/created" "$T/systemd")"
        grep -q "^StartTransientUnit $UNIT .* IOAccounting=true .* MemoryMax=[0-9]*$" "$T/systemd" || fail "$(cat "$T/systemd")"
        grep -qx "SetUnitProperties $UNIT runtime CPUWeight=20 AllowedCPUs=01 AllowedMemoryNodes=01" "$T/systemd" || fail "$(cat "$T/systemd")"
        wait_status "$CT" running
        carrel kill "$CT" KILL
        wait "$runner" || true
        slices_gone
        assert_clean
}

@test "a unit that failed before is reset" {
        start_systemd exists /sys/fs/cgroup/systemd
        carrel_detached --systemd-cgroup create "$CT"
        assert_equal "$(cut -d' ' -f1 "$T/systemd" | head -n 4 | paste -sd' ')" \
                'ready StartTransientUnit ResetFailedUnit StartTransientUnit'
        carrel delete --force "$CT"
        slices_gone
        assert_clean
}

@test "systemd refuses, or is not there: one line, nothing left" {
        run_carrel --systemd-cgroup create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *"--systemd-cgroup: systemd does not answer on this host's system bus"* ]] || fail "$stderr"
        start_systemd failed
        run_carrel --systemd-cgroup create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *'--systemd-cgroup: systemd ended the job with "failed"'* ]] || fail "$stderr"
        slices_gone
        assert_clean
        DBUS_SYSTEM_BUS_ADDRESS=unix:path=$T/nowhere run_carrel --systemd-cgroup create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *"does not answer on this host's system bus"* ]] || fail "$stderr"
        assert_clean
}

@test "systemd goes away: the container can be deleted all the same" {
        start_systemd '' /sys/fs/cgroup/systemd
        carrel_detached --systemd-cgroup run -d "$CT"
        stop_helpers
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        run_carrel delete "$CT"
        assert_equal "$status" 0
        slices_gone
        assert_clean
}

@test "bad paths are refused" {
        local path
        start_systemd '' /sys/fs/cgroup/systemd
        for path in a b:c a.slice:b: /a.slice:b:c nosuch:b:c a/b.slice:b:c a.slice:b/c:d a.slice:b:c/d a.slice:b:c:d -a.slice:b:c a--b.slice:b:c a.slice:b:c.slice; do
                edit '.linux.cgroupsPath = $path' --arg path "$path"
                run_carrel --systemd-cgroup create "$CT"
                assert_equal "$path $status" "$path 1"
                assert_one_line_error
                [[ $stderr = *'linux.cgroupsPath: '* ]] || fail "$path: $stderr"
        done
        assert_equal "$(cat "$T/systemd")" ready
        assert_clean
}
