#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Kubernetes: containerd's CRI, driven with the calls that the kubelet makes.
# shellcheck disable=SC2016,SC2034

load ../lib/common
load ../lib/engines
load ../lib/cri

setup_file() {
        engines_begin cri
}

setup() {
        engines_test
        # the bridge of the pods comes with the first of them, and stays
        rm -f "$T/before"
        if ip link show "$CRI_BRIDGE" >/dev/null 2>&1; then :; else ip link add "$CRI_BRIDGE" type bridge; fi
        snapshot >"$T/before"
}

a_pod() {
        pod one '.dns_config = { servers: ["192.0.2.53"], searches: ["example.test"], options: ["ndots:2"] }
                | .linux.sysctls = { "net.ipv4.ip_local_port_range": "20000 30000", "kernel.shm_rmid_forced": "1" } | .annotations = { note: "kept" }'
        cri PodSandboxStatus "$(of_pod)" | jq -c '.status | [.state, .annotations, (.network.ip | startswith("10.88.9."))]'
        container first 'hostname; cat /etc/resolv.conf /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced; echo err >&2
                echo $A; pwd; printf unfinished; exit 3' '.envs = [{ key: "A", value: "b c" }] | .working_dir = "/tmp"'
        ended
        log_of one first
        log_of one first stderr
        container_status '[.created_at, .started_at, .finished_at | tonumber > 0] | all'
        must cri RemoveContainer "$(of_container)"
        # it is made again in the same pod, and there is a second one beside it
        container first 'sleep 1000' '.metadata.attempt = 1'
        container_status '.state, .metadata.attempt'
        pod_gone
}

@test "a pod and its containers: status, address, names, settings, environment, logs" {
        both a_pod
        assert_line '["SANDBOX_READY",{"note":"kept"},true]'
        assert_line '3 Error'
        assert_line unfinished
        assert_clean
}

execs() {
        pod one
        container first 'sleep 1000'
        exec_sync 30 sh -c 'echo out; echo err >&2; exit 4'
        echo "$status $output $stderr"
        exec_sync 0 no-such-program
        echo "$status" "$(grep -o 'executable file not found' <<<"$output")"
        exec_sync 1 sh -c 'echo begun; sleep 500'
        echo "$status $output" | sed "s/$C/ID/"
        sleep_until 10 eval '! exec_output ps | grep -q "sleep 500"'
        in_container 'head -c 200000 /dev/zero | wc -c; echo A=$A'
        echo "$output"
        pod_gone
}

exec_output() {
        exec_sync 10 "$@"
        echo "$output"
}

@test "commands in a container: status, both streams, a time limit" {
        both execs
        assert_line '4 out err'
        assert_line --partial 'timeout 1s exceeded'
        assert_clean
}

ends() {
        pod one
        container completed true
        ended
        container failed 'exit 42'
        ended
        container memory 'tail /dev/zero' '.linux.resources = { memory_limit_in_bytes: 50331648 }'
        # the engine hears of the end by one way, and of the reason by another
        sleep_until 30 has_reason OOMKilled || true
        ended
        container_config missing '' '.command = ["no-such-program"]'
        must cri CreateContainer "$(container_request)"
        C=$(jq -r .container_id <<<"$output")
        refused StartContainer "$(of_container)"
        grep -o 'exec: "no-such-program": executable file not found in $PATH' <<<"$output"
        ended
        container polite 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
        sleep_until 20 eval '[ "$(log_of one polite)" = ready ]'
        must cri StopContainer "$(of_container '{ timeout: 20 }')"
        ended
        must cri StopContainer "$(of_container '{ timeout: 20 }')"
        container stubborn 'trap "" TERM; while :; do sleep 0.1; done'
        must cri StopContainer "$(of_container '{ timeout: 1 }')"
        ended
        container removed 'sleep 1000'
        must cri RemoveContainer "$(of_container)"
        must cri RemoveContainer "$(of_container)"
        refused ContainerStatus "$(of_container)"
        cri PodSandboxStatus "$(of_pod)" | jq -r .status.state
        must cri StopPodSandbox "$(of_pod)"
        must cri StopPodSandbox "$(of_pod)"
        cri PodSandboxStatus "$(of_pod)" | jq -r .status.state
        pod_gone
}

@test "how containers end: reasons, out of memory, stop with grace, removal; the same twice" {
        both ends
        assert_line '0 Completed'
        assert_line '42 Error'
        assert_line '137 OOMKilled'
        assert_line '128 StartError'
        assert_line '7 Error'
        assert_line SANDBOX_NOTREADY
        assert_clean
}

shared() {
        mkdir -p "$T/empty-dir"
        echo from the host >"$T/file"
        pod one
        rm -f "$T/empty-dir/word"
        container server 'echo in memory >/dev/shm/word; echo in a folder >/shared/word; network-exercise serve 4000 served' \
                '.mounts = [{ container_path: "/shared", host_path: $shared }]' --arg shared "$T/empty-dir"
        SERVER=$C
        container client 'until network-exercise ask 4000 tcp 127.0.0.1; do sleep 0.1; done; cat /shared/word /dev/shm/word /file; echo no >/file; hostname; cat /proc/1/comm
                echo told >/dev/shm/answer; sleep 1000' \
                '.mounts = [{ container_path: "/shared", host_path: $shared }, { container_path: "/file", host_path: $file, readonly: true }]' \
                --arg shared "$T/empty-dir" --arg file "$T/file"
        sleep_until 30 eval '[ "$(log_of one client | wc -l)" -ge 6 ]' || fail "$(log_of one client; log_of one client stderr)"
        log_of one client
        C=$SERVER
        sleep_until 10 eval '[ "$(exec_output cat /dev/shm/answer)" = told ]'
        pod_gone
}

@test "two containers of a pod: one loopback, one memory, folders and files of the host" {
        need_built tests/vm/network-exercise
        both shared
        assert_line served
        assert_line 'in memory'
        assert_clean
}

# sleepers COUNT: the sleeping processes that $C sees, when there are that many: a shell may be about to start one.
sleepers() {
        sleep_until 10 eval '[ "$(list_sleepers | wc -l)" -eq '"$1"' ]' || true
        list_sleepers
}

list_sleepers() {
        exec_output ps | awk '{ print $1 == 1, $3, $4 }' | grep sleep | sort
}

processes() {
        pod one '.linux.security_context.namespace_options.pid = "POD"'
        container first 'sleep 111' '.linux.security_context.namespace_options.pid = "POD"'
        container second 'sleep 222' '.linux.security_context.namespace_options.pid = "POD"'
        sleepers 3
        # by itself, and another one that looks at it (kubectl debug --target)
        container third 'exec sleep 333'
        container debug 'sleep 444' '.linux.security_context.namespace_options = { pid: "TARGET", target_id: $target }' --arg target "$C"
        sleepers 2
        pod_gone
}

@test "processes of a pod that are shared, and those of one other container" {
        both processes
        assert_line '1 sleep 1000000'
        assert_line '1 sleep 333'
        assert_clean
}

secured() {
        pod one
        container first 'id; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; touch /x || echo refused; touch /tmp/x && echo written' \
                '.linux.security_context += { run_as_user: { value: 1000 }, run_as_group: { value: 1000 }, supplemental_groups: [2000, 3000],
                        capabilities: { drop_capabilities: ["ALL"], add_capabilities: ["NET_RAW", "CHOWN"] }, no_new_privs: true, readonly_rootfs: true,
                        seccomp: { profile_type: "RuntimeDefault" } }
                | .mounts = [{ container_path: "/tmp", host_path: $tmp }]' --arg tmp "$T/tmp-of-container"
        ended
        log_of one first
        container second 'id; grep CapEff /proc/self/status; wc -c </proc/meminfo; echo 1 >/proc/sys/kernel/domainname || echo refused' \
                '.linux.security_context += { run_as_username: "user", masked_paths: ["/proc/meminfo"], readonly_paths: ["/proc/sys"] }'
        ended
        log_of one second
        pod_gone
}

@test "security: users, groups, capabilities, read-only root, seccomp, masked places" {
        mkdir -m 777 "$T/tmp-of-container"
        both secured
        assert_line --partial 'groups=1000(user),2000(more),3000'
        assert_line written
        assert_clean
}

@test "privileged, and what means the node: everything in the guest, nothing of the host" {
        pod one '.linux.security_context.privileged = true | .linux.security_context.namespace_options = { pid: "NODE", ipc: "NODE" }'
        container first 'uname -r; mkdir /mnt; mount -t tmpfs none /mnt && echo mounted; ps | grep -c "[q]emu-system"; sleep 1000' \
                '.linux.security_context = { privileged: true, namespace_options: { pid: "NODE", ipc: "NODE" } }'
        sleep_until 10 eval '[ "$(log_of one first | wc -l)" -ge 3 ]' || fail "$(log_of one first; log_of one first stderr)"
        run log_of one first
        assert_line --index 0 --partial carrel
        assert_line --index 1 mounted
        assert_line --index 2 0
        pod_gone
        pod_config two '.linux.security_context.namespace_options = { network: "NODE" }'
        refused RunPodSandbox "$(pod_request)"
        assert_output --partial 'linux.namespaces: no network namespace is asked for'
        pod_cgroup_gone two
        assert_clean
}

@test "resources: of the pod, of a container, changed while it runs; figures" {
        local used
        pod one '.linux.resources = { memory_limit_in_bytes: 2684354560, cpu_quota: 150000, cpu_period: 100000 }'
        container first 'sleep 1000' '.linux.resources = { memory_limit_in_bytes: 67108864, cpu_quota: 50000, cpu_period: 100000, cpu_shares: 512 }'
        in_container 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; awk "/MemTotal/ { print (\$2 > 2560 * 1024) }" /proc/meminfo'
        assert_output $'67108864\n50000 100000\n1'
        must cri UpdateContainerResources "$(of_container '{ linux: { memory_limit_in_bytes: 134217728, cpu_quota: 80000, cpu_period: 100000 } }')"
        in_container 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max'
        assert_output $'134217728\n80000 100000'
        used=$(cri ContainerStats "$(of_container)" | jq '.stats | [.cpu.usage_core_nano_seconds.value, .memory.working_set_bytes.value | tonumber > 0] | all')
        assert_equal "$used" true
        # the machine's are the pod's
        used=$(cri ListPodSandboxStats | jq -c '.stats[0].linux | [(.memory.usage_bytes.value | tonumber > 50e6), (.containers | length), .network.default_interface.name]')
        assert_equal "$used" '[true,1,"eth0"]'
        pod_gone
        assert_clean
}

# As the kubelet, which tries again; here only when a CNI plugin has failed. (Debian's portmap looks whether there is a chain for
# all ports and makes it; with iptables 1.8.9 the second one that does so at the same time ends with status 4, which it does not
# take for "there is one": "CHAIN_USER_ADD failed (File exists)". Seen in one of fifteen times three.)
run_pod() {
        local answer result

        for _ in 1 2 3; do
                result=0
                answer=$(LIMIT=120 cri RunPodSandbox "$(pod_request)") || result=$?
                if [ "$result" -eq 0 ] || [[ $answer != *'plugin type='* ]]; then break; fi
        done
        printf '%s\n' "$answer"
        [ "$result" -eq 0 ] || printf 'status %s\n' "$result"
        return "$result"
}

@test "three pods at once, and they reach one another" {
        local i pids=()
        for i in 1 2 3; do
                pod_config "pod$i" '.port_mappings = [{ container_port: 4000, host_port: $port }]' --argjson port $((8090 + i))
                run_pod >"$T/pod$i" &
                pids+=($!)
                CONFIGS[i]=$POD_CONFIG
        done
        for i in 1 2 3; do
                wait "${pids[i - 1]}" || fail "pod $i: $(cat "$T/pod$i")"
        done
        for i in 1 2 3; do
                PODS[i]=$(jq -r .pod_sandbox_id "$T/pod$i")
                POD=${PODS[i]} POD_CONFIG=${CONFIGS[i]}
                container server "exec nc -ll -p 4000 -e echo from pod $i"
                ADDRESSES[i]=$(cri PodSandboxStatus "$(of_pod)" | jq -r .status.network.ip)
        done
        in_container "for a in ${ADDRESSES[*]}; do until nc \$a 4000 </dev/null; do sleep 0.1; done; done"
        assert_output $'from pod 1\nfrom pod 2\nfrom pod 3'
        # and at a port of the host
        assert_equal "$(timeout 10 busybox nc 10.88.9.1 8092 </dev/null)" 'from pod 2'
        for i in 1 2 3; do
                POD=${PODS[i]} POD_CONFIG=${CONFIGS[i]}
                pod_gone
        done
        assert_clean
}

@test "containerd is killed while a pod runs; the pod's machine is killed" {
        pod one '.annotations = { "io.carrel.memoryMiB": "300" }'
        container first 'sleep 1000'
        in_container "awk '/MemTotal/ { print (\$2 < 300 * 1024) }' /proc/meminfo"
        assert_output 1
        daemon_kill containerd KILL
        containerd_start
        sleep_until 30 cri_ready
        container_is RUNNING
        in_container 'echo still'
        assert_output still
        container second 'sleep 1000'
        container_is RUNNING
        kill -KILL "$(pids_of qemu-system)"
        ended
        sleep_until 20 eval '[ "$(cri PodSandboxStatus "$(of_pod)" | jq -r .status.state)" = SANDBOX_NOTREADY ]'
        pod_gone
        assert_clean
}

# stream METHOD REQUEST INPUT: what a client sees of it.
stream() {
        local url

        url=$(cri "$1" "$2" | jq -r .url)
        try timeout 30 "$TESTS/lib/cri" stream "$url" <<<"$3"
        printf '%s %s %s\n' "$status" "${output//$'\r'/}" "$stderr"
}

streams() {
        pod one
        # (Without stdin_once containerd lets go of the rest of stdout when stderr has ended before it, with runc too.)
        container first 'while read -r line; do echo "got $line"; case $line in end) exit 5 ;; esac; done' '.stdin = true | .stdin_once = true'
        stream Exec "$(of_container '{ cmd: ["sh", "-c", "read -r line; echo in: $line; echo err >&2; exit 6"], stdin: true, stdout: true, stderr: true }')" input
        stream Exec "$(of_container '{ cmd: ["sh", "-c", "read -r line; tty; exit 7"], tty: true, stdin: true, stdout: true }')" input
        stream Attach "$(of_container '{ stdin: true, stdout: true, stderr: true }')" $'one\nend'
        ended
        log_of one first
        container second 'exec nc -ll -p 4000 -e echo from the port'
        sleep_until 10 eval 'exec_output netstat -ltn | grep -q ":4000 "'
        stream PortForward "$(of_pod '{ port: [4000] }')" ''
        pod_gone
}

@test "streams: exec with input, and on a terminal, attach; a port is refused" {
        HANDLER=runc streams >"$T/theirs"
        HANDLER=carrel streams >"$T/ours"
        assert_equal "$(head -n -1 "$T/ours")" "$(head -n -1 "$T/theirs")"
        [[ $(tail -n 1 "$T/theirs") = '0 from the port'* ]] || fail "$(cat "$T/theirs")"
        [[ $(tail -n 1 "$T/ours") = *'connection refused'* ]] || fail "$(cat "$T/ours")"
        assert_clean
}
