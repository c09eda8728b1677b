#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent's cgroup module on the guest's kernel: a privileged container plays agent.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        need_built tests/vm/cgroup-exercise
        EXERCISE=$CARREL_BUILD/tests/vm/cgroup-exercise
        make_bundle
}

@test "resources, refusals, devices, out of memory, freezing, killing, delegation, statistics" {
        local all='["CAP_SYS_ADMIN", "CAP_BPF", "CAP_MKNOD", "CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SYS_RESOURCE"]'

        cp "$EXERCISE" rootfs/bin/
        edit ".process.capabilities = {bounding: $all, permitted: $all, effective: $all} | .process.noNewPrivileges = false
                | (.mounts[] | select(.type == \"cgroup\").options) |= map(select(. != \"ro\"))
                | .linux.resources.devices = [{allow: true, access: \"rwm\"}]"
        script 'mkdir /sys/fs/cgroup/own && echo 0 >/sys/fs/cgroup/own/cgroup.procs && cgroup-exercise /sys/fs/cgroup'
        run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "status $status: $stderr
$output"
        assert_equal "$(grep -v '^stats: ' <<<"$output" | sed 's/\(current usage: \)[0-9]*/\1N/; s/only 0-*[0-9]*$/only N/')" \
                'memory.max: 67108864
memory.swap.max: 33554432
memory.low: 33554432
memory.high: 59998208
cpu.max: 50000 100000
cpu.max.burst: 20000
cpu.weight: 77
cpuset.cpus: 0
cpuset.mems: 0
pids.max: 20
hugetlb.2MB.max: 4194304
hugetlb.2MB.rsvd.max: 4194304
io.weight: default 4950
cpu.max: 10000 100000
cpu.max.burst: 10000
cpu.max: max 100000
cpu.idle: 1
memory.max: max
memory.swap.max: max
pids.max: max
cpu.weight: 1
refused: linux.resources.cpu.cpus: "0,900": the virtual machine has no CPU 900, only N
refused: linux.resources.cpu.cpus: "x" is not a list of numbers
refused: linux.resources.cpu.mems: "7": the virtual machine has no memory node 7, only N
refused: linux.resources.cpu.realtimeRuntime, realtimePeriod: cgroup v2 has no real-time budgets
refused: linux.resources.memory.swap: memory and swap together (50) are less than memory.limit (100)
refused: linux.resources.unified: "../x" must be the name of a file (no slashes)
refused: linux.resources.unified["no.such"]: the guest'\''s kernel has no no.such
refused: linux.resources.hugepageLimits: the guest'\''s kernel has no hugetlb.3MB.max
devices: 9 11 15
eating: 137 oom_kill 1
refused: unable to set memory limit to 1 (current usage: N)
processes: fine'
        # What runc's `events --stats` has, with the same names.
        sed -n 's/^stats: //p' <<<"$output" | jq -e '
                .cpu.usage.total > 0 and (.cpu.throttling | has("periods"))
                and .memory.usage.limit == 16777216 and .memory.usage.max > 0 and .memory.swap.limit == 16777216
                and .memory.raw.pgfault > 0 and (.pids | has("current")) and .hugetlb."2MB".usage == 0
                and (.blkio | has("ioServiceBytesRecursive")) and (.network_interfaces | type) == "array"' >/dev/null
        assert_clean
}
