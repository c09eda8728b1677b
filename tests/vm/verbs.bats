#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is done to a container that runs, on a real machine: its clock after a pause, its limits, its figures.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
}

# Starts the container with a script whose output goes to $T/out, and waits for the word "ready".
start_script() {
        script "$1"
        carrel create "$CT" </dev/null >"$T/out" 2>&1
        carrel start "$CT"
        sleep_until 20 grep -q ready "$T/out" || fail "$(cat "$T/out")"
}

inside() {
        run_carrel exec "$CT" sh -c "$1"
        [ "$status" -eq 0 ] || fail "exec: status $status: $stderr"
}

@test "pause and resume: the guest stands still, then has the right time, and noticed nothing" {
        local before now
        start_script 'echo ready; while :; do cat /proc/uptime; sleep 0.2; done'
        carrel pause "$CT"
        status_is "$CT" paused
        sleep 1
        before=$(wc -l <"$T/out")
        sleep 6
        assert_equal "$(wc -l <"$T/out")" "$before"
        carrel resume "$CT"
        status_is "$CT" running
        # the time of day is the host's ...
        now=$(date +%s)
        inside 'date +%s'
        [ "$output" -ge "$((now - 1))" ] && [ "$output" -le "$(($(date +%s) + 1))" ] || fail "guest: $output, host: $now"
        # ... and the guest's own clock has not jumped
        sleep_until 10 eval '[ "$(wc -l <"$T/out")" -gt "$((before + 1))" ]' || fail 'it stands still'
        awk '/ready/ { next } last && $1 - last > 6 { print "from", last, "to", $1 } { last = $1 }' "$T/out" >"$T/jumps"
        assert_equal "$(cat "$T/jumps")" ''
        run_carrel console "$CT"
        refute_output --regexp '(stall|lockup|hung|blocked for)'
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "a paused container is killed" {
        start_script 'echo ready; sleep 1000'
        carrel pause "$CT"
        carrel kill "$CT" KILL
        wait_status "$CT" stopped 5
        carrel delete "$CT"
        carrel_detached run -d "$CT"
        carrel pause "$CT"
        carrel delete --force "$CT"
        assert_clean
}

# Each process has become the program that it is to be, and waits.
all_wait() {
        run_carrel ps --guest "$CT"
        [ "$(grep -Ec '^1 .* S |^[0-9]+ .* S .* sleep 6[12]$' <<<"$output")" -eq 3 ]
}

# field NAME: of /proc/self/status in $output.
field() {
        awk -v key="$1:" '$1 == key { print $2 }' <<<"$output"
}

@test "exec --cap and --no-new-privs" {
        local set
        # CAP_KILL is 5, CAP_SYS_TIME 25, CAP_NET_ADMIN 12
        edit '.process.capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"]} | .process.noNewPrivileges = false'
        start_script 'echo ready; sleep 1000'
        inside 'cat /proc/self/status'
        for set in CapBnd CapPrm CapEff; do assert_equal "$set $(field $set)" "$set 0000000000000020"; done
        assert_equal "$(field NoNewPrivs)" 0
        run_carrel exec --cap CAP_SYS_TIME --cap net_admin "$CT" cat /proc/self/status
        assert_equal "$status" 0
        for set in CapBnd CapPrm CapEff; do assert_equal "$set $(field $set)" "$set 0000000002001020"; done
        assert_equal "$(field NoNewPrivs)" 0
        # it may do what that is for
        run_carrel exec --cap CAP_SYS_TIME "$CT" sh -c 'date -s 2030-01-01 >/dev/null && date +%Y'
        assert_equal "$status $output" '0 2030'
        run_carrel exec "$CT" date -s 2031-01-01
        [[ $stderr = *'Operation not permitted'* ]] || fail "$stderr"
        run_carrel exec --no-new-privs "$CT" cat /proc/self/status
        assert_equal "$(field NoNewPrivs)" 1
        carrel delete --force "$CT"
        assert_clean
}

@test "kill --all reaches every process, kill the program alone" {
        start_script 'trap "echo got" TERM; sh -c "trap \"echo child; exit\" TERM; echo ready; while :; do sleep 0.1; done" & while :; do sleep 0.1; done'
        carrel_detached exec --detach "$CT" sh -c 'trap "echo >/exec-got; exit" TERM; echo >/exec-up; while :; do sleep 0.1; done'
        sleep_until 10 test -e rootfs/exec-up
        carrel kill "$CT" TERM
        sleep_until 10 grep -q got "$T/out"
        sleep 0.5
        assert_equal "$(grep -c child "$T/out")" 0
        [ ! -e rootfs/exec-got ]
        carrel kill --all "$CT" TERM
        sleep_until 10 grep -q child "$T/out" || fail "$(cat "$T/out")"
        sleep_until 10 test -e rootfs/exec-got
        sleep_until 10 eval '[ "$(grep -c got "$T/out")" -eq 2 ]' || fail "$(cat "$T/out")"
        status_is "$CT" running
        carrel kill --all "$CT" KILL
        wait_status "$CT" stopped
        carrel delete "$CT"

        # without a pid namespace nothing else would end them
        edit '.linux.namespaces |= map(select(.type != "pid"))'
        start_script 'setsid sleep 71 & setsid sleep 72 & echo ready; sleep 73'
        carrel kill -a "$CT" 9
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "update: limits act in the guest" {
        edit '.linux.resources.memory = {limit: 134217728}'
        # shellcheck disable=SC2016 # for the container's shell
        start_script 'echo ready; sleep 1000'
        carrel update --memory 32m --memory-swap 32m --pids-limit 20 --cpu-quota 50000 --cpu-period 100000 --cpu-share 512 "$CT"
        inside 'cd /sys/fs/cgroup && cat memory.max pids.max cpu.max cpu.weight'
        assert_equal "$output" $'33554432\n20\n50000 100000\n20'
        # what takes more than that is killed, and not the container
        run_carrel exec "$CT" sh -c 'head -c 40000000 /dev/zero | tail >/dev/null'
        [ "$status" -ne 0 ] || fail 'nobody was killed'
        status_is "$CT" running
        carrel update --memory 96m --memory-swap 96m "$CT"
        run_carrel exec "$CT" sh -c 'head -c 40000000 /dev/zero | tail >/dev/null'
        assert_equal "$status" 0
        run_carrel update --memory 4g --memory-swap 4g "$CT"
        assert_equal "$status" 0
        [[ $stderr = *'are more than the virtual machine has'* ]] || fail "$stderr"
        inside 'cat /sys/fs/cgroup/memory.max'
        [ "$output" -ge 134000000 ] && [ "$output" -lt 200000000 ] || fail "$output"
        carrel delete --force "$CT"
        assert_clean
}

@test "events: figures of the guest, and an oom event" {
        edit '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
        start_script 'echo ready; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; sleep 1000'
        sleep 1
        run_carrel events --stats "$CT"
        assert_equal "$status" 0
        jq -e '.type == "stats" and .data.cpu.usage.total > 1000000 and .data.memory.usage.limit == 67108864
                and .data.memory.usage.usage > 4096 and .data.memory.usage.usage < 67108864 and .data.pids.current >= 1
                and (.data | has("blkio") and has("hugetlb") and has("network_interfaces"))' <<<"$output" >/dev/null || fail "$output"
        carrel events --interval 1s "$CT" >>"$T/events" 2>&1 &
        local follower=$!
        sleep_until 10 grep -q '"stats"' "$T/events"
        run_carrel exec "$CT" sh -c 'head -c 100000000 /dev/zero | tail >/dev/null'
        sleep_until 10 grep -q '"type":"oom"' "$T/events" || fail "$(cat "$T/events")"
        carrel kill "$CT" KILL
        wait "$follower"
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "ps: the host's processes; --guest: the container's" {
        start_script 'sleep 61 & sleep 62 & echo ready; wait'
        run_carrel ps "$CT" -eo pid,comm
        assert_equal "$status" 0
        [[ $output = *carrel-shim* && $output = *qemu-system* ]] || fail "$output"
        sleep_until 10 all_wait || fail "$output"
        assert_line --regexp '^1 +[0-9]+ +0 +S +00:00:0[0-9] +sh -c sleep 61'
        assert_line --regexp '^[0-9]+ +[0-9]+ +0 +S +00:00:0[0-9] +sleep 62$'
        run_carrel ps --guest --format json "$CT"
        assert_equal "$(jq -r '[.[].command | select(startswith("sleep"))] | sort | join(",")' <<<"$output")" 'sleep 61,sleep 62'
        carrel delete --force "$CT"
        assert_clean
}

@test "exec --cgroup: a cgroup that the container has made" {
        edit '(.mounts[] | select(.type == "cgroup").options) |= map(select(. != "ro"))'
        start_script 'mkdir /sys/fs/cgroup/sub && echo ready; sleep 1000'
        run_carrel exec --cgroup sub "$CT" cat /proc/self/cgroup
        assert_equal "$output" 0::/sub
        run_carrel exec --cgroup / "$CT" cat /proc/self/cgroup
        assert_equal "$output" 0::/
        run_carrel exec --cgroup ../.. "$CT" cat /proc/self/cgroup
        assert_equal "$output" 0::/
        run_carrel exec --cgroup none "$CT" true
        assert_equal "$status" 255
        [[ $stderr = *cgroup*none* ]] || fail "$stderr"
        carrel delete --force "$CT"
        assert_clean
}
