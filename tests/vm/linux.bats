#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The linux section of config.json: namespaces, devices, sysctl, seccomp, cgroups, user namespaces.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
}

fine() {
        [ "$status" -eq 0 ] || fail "status $status: $stderr"
}

@test "namespaces: pid, ipc, uts, mount and cgroup are the container's own, network and user the guest's" {
        script 'echo $$; ls /proc | grep -c "^[0-9]*$"; echo $(ls /sys/class/net); cat /proc/self/cgroup; readlink /proc/self/ns/pid'
        run_carrel run "$CT"
        fine
        assert_equal "${lines[0]}" 1
        [ "${lines[1]}" -lt 10 ]
        [[ ${lines[2]} = *lo* ]]
        assert_equal "${lines[3]}" 0::/
        local pid_namespace=${lines[4]} name own guests

        # without a pid namespace, process 1 is the agent, whose namespaces are the guest's own
        edit '.linux.namespaces |= map(select(.type != "pid")) | .process.capabilities |= map_values(. + ["CAP_SYS_PTRACE"])'
        script 'for ns in pid user ipc uts mnt net cgroup; do echo $ns $(readlink /proc/self/ns/$ns) $(readlink /proc/1/ns/$ns); done'
        run_carrel run "$CT"
        fine
        assert_equal "${#lines[@]}" 7
        while read -r name own guests; do
                [[ $own = "$name":\[[1-9]*\] && $guests = "$name":\[[1-9]*\] ]] || fail "$name: $own $guests"
                case $name in
                pid | user | net) assert_equal "$own" "$guests" ;;
                *) [ "$own" != "$guests" ] || fail "$own is the guest's own" ;;
                esac
                # the number of the first pid namespace is one of the kernel's constants
                if [ "$name" = pid ]; then [ "$pid_namespace" != "$guests" ] || fail "$guests is the guest's own"; fi
        done <<<"$output"
        assert_clean
}

@test "without namespaces of its own the container still runs" {
        edit '.linux.namespaces = [{type: "mount"}] | del(.hostname)'
        script 'echo fine'
        run_carrel run "$CT"
        fine
        assert_equal "$output" fine
        assert_clean
}

@test "sysctl" {
        edit '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "100", "net.ipv4.ping_group_range": "0 10"}'
        script 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni; cat /proc/sys/net/ipv4/ping_group_range'
        run_carrel run "$CT"
        fine
        assert_equal "${lines[0]} ${lines[1]} $(tr -s '\t' ' ' <<<"${lines[2]}")" '1 100 0 10'
        assert_clean
}

@test "a sysctl that does not exist is named" {
        edit '.linux.sysctl = {"kernel.nosuch": "1"}'
        run_carrel run "$CT"
        assert_equal "$status" 1
        [[ $stderr = *kernel.nosuch* ]] || fail "$stderr"
        assert_clean
}

@test "devices: made with number, mode and owner; the rest is denied" {
        edit '.linux.devices = [
                {path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 384, uid: 7, gid: 8},
                {path: "/dev/deep/fifo", type: "p", fileMode: 438}]
                | .linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 5, access: "rw"}]'
        script 'stat -c "%a %u %g %t %T %F" /dev/mine; stat -c "%F" /dev/deep/fifo; head -c 4 /dev/mine | wc -c; mknod /tmp/kmem c 1 1 && cat /tmp/kmem 2>&1 | tail -n 1; head -c 3 /dev/null | wc -c; : </dev/full && echo full'
        run_carrel run "$CT"
        fine
        assert_equal "${lines[0]}" '600 7 8 1 5 character special file'
        assert_equal "${lines[1]}" fifo
        assert_equal "${lines[2]}" 4
        [[ $output = *"not permitted"* ]] || fail "$output"
        assert_equal "${lines[-1]}" full
        assert_clean
}

@test "a block device that the host does not have is named" {
        edit '.linux.devices = [{path: "/dev/disk", type: "b", major: 8, minor: 40000}]'
        assert_refused 'linux.devices: block device 8:40000: this host has no such block device' run "$CT"
}

@test "seccomp: errno, kill, argument filters" {
        edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], syscalls: [
                {names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95},
                {names: ["sethostname"], action: "SCMP_ACT_KILL_PROCESS"},
                {names: ["kill"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: [{index: 1, value: 12, op: "SCMP_CMP_EQ"}]}]}'
        script 'mkdir /tmp/x; sh -c "trap : TERM; kill -TERM \$\$ && echo term"; sh -c "kill -USR2 \$\$"; sh -c "hostname x"; echo $?; grep Seccomp: /proc/self/status'
        edit '.process.capabilities[] += ["CAP_SYS_ADMIN"]'
        run_carrel run "$CT"
        [[ $stderr = *"not supported"* ]] || fail "mkdir: $stderr"
        assert_line --index 0 term
        [[ $stderr = *"ermitted"* ]] || fail "kill: $stderr"
        assert_line 159
        assert_line --regexp 'Seccomp:.*2'
        assert_clean
}

# allow_list MORE: a profile that denies what a shell can do without, with MORE (JSON) over its object.
allow_list() {
        edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64"], syscalls: [{action: "SCMP_ACT_ALLOW", names: [
                "access", "arch_prctl", "brk", "clone", "close", "dup", "dup2", "dup3", "execve", "exit", "exit_group", "fcntl", "fork", "fstat",
                "futex", "getcwd", "getegid", "geteuid", "getgid", "getpgrp", "getpid", "getppid", "getrandom", "gettid", "getuid", "ioctl", "lseek",
                "mmap", "mprotect", "munmap", "newfstatat", "open", "openat", "pipe2", "poll", "prctl", "prlimit64", "read", "readlink", "rseq",
                "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "set_robust_list", "set_tid_address", "setgid", "setuid", "stat", "statx",
                "sysinfo", "umask", "uname", "vfork", "wait4", "write", "writev", "nosuchcall"]}]} + $more' --argjson more "$1"
}

@test "seccomp: what is not on an allow list fails, with EPERM unless it says otherwise" {
        allow_list '{}'
        script 'mkdir /made; echo "mkdir $?"; chmod 600 /etc/passwd; echo "chmod $?"; grep Seccomp: /proc/self/status; uname'
        run_carrel run "$CT"
        fine
        assert_equal "$output" $'mkdir 1\nchmod 1\nSeccomp:\t2\nLinux'
        [[ $stderr = *mkdir*"Operation not permitted"*chmod*"Operation not permitted"* ]] || fail "$stderr"
        [ ! -e rootfs/made ]
        allow_list '{"defaultErrnoRet": 95}'
        script 'mkdir /made; echo "mkdir $?"'
        run_carrel run "$CT"
        fine
        assert_equal "$output" 'mkdir 1'
        [[ $stderr = *mkdir*"not supported"* ]] || fail "$stderr"
        [ ! -e rootfs/made ]
        assert_clean
}

@test "seccomp: one thread is killed, or the process; the signal; a tracer that is not there; only logged" {
        need_built tests/vm/seccomp-exercise
        cp "$CARREL_BUILD/tests/vm/seccomp-exercise" rootfs/bin/
        edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
                {names: ["getpriority"], action: "SCMP_ACT_KILL_THREAD"}, {names: ["sched_rr_get_interval"], action: "SCMP_ACT_KILL_PROCESS"},
                {names: ["sched_getparam"], action: "SCMP_ACT_TRAP"}, {names: ["sched_get_priority_max"], action: "SCMP_ACT_TRACE"},
                {names: ["sched_get_priority_min"], action: "SCMP_ACT_LOG"}]}'
        script 'for call in getpriority sched_rr_get_interval sched_getparam sched_get_priority_max sched_get_priority_min; do
                seccomp-exercise $call; echo "$call: $?"; done 2>/dev/null'
        run_carrel run "$CT"
        fine
        # 128 + SIGSYS
        assert_equal "$output" 'the thread is gone
getpriority: 0
sched_rr_get_interval: 159
SIGSYS
sched_getparam: 0
Function not implemented
sched_get_priority_max: 0
Success
sched_get_priority_min: 0'
        assert_clean
}

@test "seccomp with notify is refused" {
        edit '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
        assert_refused 'linux.seccomp.*SCMP_ACT_NOTIFY' create "$CT"
}

@test "cgroup limits hold inside the guest" {
        edit '.linux.resources.memory = {limit: 67108864} | .linux.resources.pids = {limit: 20} | .linux.resources.cpu = {quota: 50000, period: 100000, shares: 512}'
        edit '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options = ["ro"] else . end)'
        script 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight; i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i + 1)); done 2>/dev/null; echo $(jobs | wc -l)'
        run_carrel run "$CT"
        assert_equal "${lines[0]}" 67108864
        assert_equal "${lines[1]}" 20
        assert_equal "${lines[2]}" '50000 100000'
        [ "${lines[3]}" -ge 15 ] && [ "${lines[3]}" -le 25 ]
        assert_clean
}

@test "out of memory in the container: it is killed, the VM and its status live" {
        edit '.linux.resources.memory = {limit: 33554432, swap: 33554432}'
        script 'tail /dev/zero; echo "tail: $?"'
        run_carrel run "$CT"
        assert_line 'tail: 137'
        assert_clean
}

@test "unified cgroup settings" {
        edit '.linux.resources.unified = {"memory.high": "50331648", "pids.max": "33"}'
        script 'cd /sys/fs/cgroup; cat memory.high pids.max'
        run_carrel run "$CT"
        fine
        assert_equal "$output" $'50331648\n33'
        assert_clean
}

@test "user namespace with mappings" {
        chmod 711 "$T" "$BUNDLE"
        chown -R 100000:100000 rootfs
        edit '.linux.namespaces += [{type: "user"}]
                | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
                | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
        script 'id -u; cat /proc/self/uid_map | tr -s " "; stat -c "%u %g" /bin; echo x >/made && stat -c %u /made'
        run_carrel run "$CT"
        fine
        assert_equal "${lines[0]}" 0
        assert_equal "${lines[1]}" ' 0 100000 65536'
        assert_equal "${lines[2]}" '0 0'
        assert_equal "${lines[3]}" 0
        assert_equal "$(stat -c %u rootfs/made)" 100000
        assert_clean
}

@test "capabilities of root: what is not in the bounding set is gone" {
        script 'chroot / true && echo chroot; date -s 2000-01-01 2>&1 | grep -q "not permitted" && echo no-time; mount -t tmpfs x /tmp 2>/dev/null || echo no-mount'
        run_carrel run "$CT"
        assert_line chroot
        assert_line no-time
        assert_line no-mount
        assert_clean
}

# Fields 40 and 41 of proc_pid_stat(5): priority and policy (1 is FIFO, 6 is DEADLINE).
scheduled() {
        awk '{ print $38, $39 }' <<<"${1##*) }"
}

@test "ioPriority, and the schedulers FIFO and DEADLINE" {
        edit '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}
                | .process.scheduler = {policy: "SCHED_FIFO", priority: 17, flags: ["SCHED_FLAG_RESET_ON_FORK"]}'
        script 'ionice; cat /proc/$$/stat; cat /proc/self/stat; true'
        run_carrel run "$CT"
        fine
        assert_equal "${lines[0]}" 'best-effort: prio 6'
        assert_equal "$(scheduled "${lines[1]}")" '17 1'
        assert_equal "$(scheduled "${lines[2]}")" '0 0'
        edit '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}
                | .process.scheduler = {policy: "SCHED_DEADLINE", runtime: 10000000, deadline: 30000000, period: 40000000}'
        args cat /proc/self/stat
        run_carrel run "$CT"
        fine
        assert_equal "$(scheduled "$output")" '0 6'
        assert_clean
}

@test "a time namespace with its offsets" {
        edit '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 86400, nanosecs: 5}, boottime: {secs: 604800}}'
        script 'cut -d . -f 1 /proc/uptime; tr -s " " </proc/self/timens_offsets'
        run_carrel run "$CT"
        fine
        [ "${lines[0]}" -ge 604800 ] && [ "${lines[0]}" -lt 604920 ] || fail "up ${lines[0]} s"
        assert_equal "${lines[1]}|${lines[2]}" 'monotonic 86400 5|boottime 604800 0'
        assert_clean
}

@test "time in the guest is the host's" {
        script 'date +%s'
        run_carrel run "$CT"
        fine
        local difference=$((output - $(date +%s)))
        [ "${difference#-}" -le 10 ] || fail "off by $difference s"
        assert_clean
}
