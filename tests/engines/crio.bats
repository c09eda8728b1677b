#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What CRI-O does for a pod, without CRI-O: it has the network, IPC and UTS namespaces made and bound to files before there is a container, gives
# their paths to the pause container as well as to the others, and calls carrel by conmon (internal/oci/runtime_oci.go).

load ../lib/common
load ../lib/engines
load ../lib/network

setup_file() {
        engines_begin conmon
}

setup() {
        engines_test
        pin
        namespace pod
        mkdir -p "$T/shm"
        mount -t tmpfs -o size=4m shm "$T/shm"
        snapshot >"$T/before"
}

teardown() {
        unpin || true
        release_all
        engines_test_end
}

# bundle NAME SCRIPT [FILTER [JQ OPTION...]]: config.json as CRI-O writes it, in the pod's namespaces.
bundle() {
        local name=$1 script=$2 filter=${3-.}
        shift $(($# < 3 ? $# : 3))

        BUNDLE=$T/$name make_bundle sh -c "$script"
        joins network "$T/netns/pod"
        joins ipc "$T/pinned/ipc"
        joins uts "$T/pinned/uts"
        # shellcheck disable=SC2016
        edit 'del(.hostname) | .linux.cgroupsPath = $group + "/crio-" + $name
                | .mounts |= map(select(.destination != "/dev/shm"))
                        + [{ destination: "/dev/shm", type: "bind", source: $shm, options: ["rw", "bind"] }]
                | .annotations = { "io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "pod",
                        "io.kubernetes.cri-o.Name": $name }' \
                --arg group "/$GROUP/pod-one" --arg name "$name" --arg shm "$T/shm"
        edit "$filter" "$@"
        cd "$T" || return
}

SANDBOX='.annotations += { "io.kubernetes.cri-o.ContainerType": "sandbox",
        "io.kubernetes.cri-o.PodLinuxResources": "{\"cpu_period\":100000,\"cpu_quota\":100000,\"memory_limit_in_bytes\":268435456}" }'

# created NAME: by a conmon that goes on, and not by us: as its child a container would outlive the test.
created() {
        conmon_create "$1"
        [ "$(jq .pid "$T/$1.sync")" -gt 0 ] || fail "$1: $(<"$T/$1.sync")"
        assert_equal "$(jq .pid "$T/$1.sync")" "$(<"$T/$1.pid")"
}

# The same where carrel refuses; its words are in $output.
not_created() {
        conmon_create "$1"
        assert_equal "$(jq .pid "$T/$1.sync")" -1
        output=$(jq -r .message "$T/$1.sync")
}

# conmon_create ID: what conmon says to CRI-O is in $T/ID.sync as soon as the container is there.
conmon_create() {
        local id=$1 line

        mkdir -p "$T/exits" "$T/sockets"
        mkfifo "$T/$id.pipe"
        # (both ends, or each would wait for the other)
        exec 8<>"$T/$id.pipe"
        rm "$T/$id.pipe"
        _OCI_SYNCPIPE=9 timeout 60 conmon -c "$id" -n "$id" -r /usr/local/bin/carrel --runtime-arg "--root=$T/crio" --socket-dir-path "$T/sockets" \
                -b "$T/$id" --exit-dir "$T/exits" -l "$T/$id.log" -P "$T/$id.conmon" -p "$T/$id.pid" --persist-dir "$T/$id" -u "$id" \
                --log-level info 9>&8 8>&- 3>&- 4>&- </dev/null >"$T/conmon.out" 2>&1 || fail "conmon: $?: $(<"$T/conmon.out")"
        read -r -t 60 -u 8 line || fail "conmon says nothing: $(<"$T/conmon.out")"
        exec 8>&-
        echo "$line" >"$T/$id.sync"
}

# executed ID WORD...: as ExecSync: standard output, then the status.
executed() {
        local id=$1
        shift

        jq -c '.process + { args: $ARGS.positional, terminal: false }' "$T/$id/config.json" --args -- "$@" >"$T/process.json"
        rm -f "$T/exec.log"
        _OCI_SYNCPIPE=9 engine_call conmon -c "$id" -n "$id" -r /usr/local/bin/carrel -p "$T/exec.pid" -e -l "$T/exec.log" \
                --socket-dir-path "$T/sockets" --log-level info --sync --exec-process-spec "$T/process.json" --runtime-arg "--root=$T/crio" \
                9>"$T/exec.sync" || true
        sed -n 's/^[^ ]* stdout F //p' "$T/exec.log"
        jq .exit_code "$T/exec.sync"
}

as_crio() {
        LIMIT=30 engine_call /usr/local/bin/carrel --root="$T/crio" "$@"
}

ended_with() {
        sleep_until 20 test -s "$T/exits/$1" || fail "$1 goes on: $(as_crio state "$1")"
        assert_equal "$(<"$T/exits/$1")" "$2"
}

said() {
        sed -n 's/^[^ ]* stdout F //p' "$T/$1.log"
}

pod_ends() {
        local id

        for id; do must as_crio delete --force "$id"; done
        sleep_until 10 no_monitors
        sleep_until 10 find /sys/fs/cgroup -mindepth 2 -maxdepth 3 -type d -path "*/$GROUP/pod-one" -exec rmdir {} +
        rm -rf "$T/crio"
        assert_pinned
        inside pod true
        assert_clean
}

@test "a pod whose namespaces are pinned: one machine, one host name, one IPC; exec; ends; the namespaces stay" {
        bundle sandbox 'exec sleep 1000' "$SANDBOX | .linux.sysctl = { \"kernel.shmmni\": \"1234\" }"
        bundle one 'echo word >/dev/shm/word; : >/dev/mqueue/queue; hostname; cat /proc/sys/kernel/domainname
                trap "exit 7" TERM; while :; do sleep 0.1; done'
        bundle two 'until [ -e /dev/mqueue/queue ]; do sleep 0.1; done; cat /dev/shm/word /proc/sys/kernel/shmmni; hostname; exit 3'
        created sandbox
        [ "/proc/$(<"$T/sandbox.pid")/ns/ipc" -ef "$T/pinned/ipc" ]
        [ "/proc/$(<"$T/sandbox.pid")/ns/uts" -ef "$T/pinned/uts" ]
        must as_crio start sandbox
        created one
        must as_crio start one
        created two
        must as_crio start two
        ended_with two 3
        assert_equal "$(said two)" $'word\n1234\nof-the-pod'
        assert_equal "$(said one)" $'of-the-pod\nexample.test'
        assert_equal "$(executed one sh -c 'hostname; ls /dev/mqueue; exit 4')" $'of-the-pod\nqueue\n4'
        assert_equal "$(pids_of qemu-system | wc -l)" 1
        assert_equal "$(as_crio state one | jq -r .status)" running
        must as_crio kill one TERM
        ended_with one 7
        must as_crio kill sandbox KILL
        ended_with sandbox 137
        pod_ends two one sandbox
}

@test "a host name in config.json counts; the namespaces are the next pod's as soon as the first has ended" {
        local turn

        for turn in first second; do
                # shellcheck disable=SC2016
                bundle sandbox 'exec sleep 1000' "$SANDBOX"' | .hostname = $name' --arg name "$turn"
                bundle one 'hostname'
                created sandbox
                must as_crio start sandbox
                created one
                must as_crio start one
                ended_with one 0
                assert_equal "$(said one)" "$turn"
                must as_crio delete --force one
                must as_crio delete --force sandbox
                sleep_until 10 no_monitors
                rm -rf "$T/exits" "$T"/{sandbox,one}*
        done
        pod_ends
}

@test "hostIPC, for which CRI-O gives the path of the host's namespace: the guest's, the same for all containers" {
        local host='(.linux.namespaces[] | select(.type == "ipc")).path = "/proc/1/ns/ipc"'

        bundle sandbox 'exec sleep 1000' "$SANDBOX | $host"
        bundle one 'echo word >/dev/shm/word; : >/dev/mqueue/queue; exec sleep 1000' "$host"
        bundle two 'until [ -e /dev/mqueue/queue ]; do sleep 0.1; done; cat /dev/shm/word; hostname' "$host"
        created sandbox
        [ ! "/proc/$(<"$T/sandbox.pid")/ns/ipc" -ef /proc/1/ns/ipc ]
        must as_crio start sandbox
        created one
        must as_crio start one
        created two
        must as_crio start two
        ended_with two 0
        assert_equal "$(said two)" $'word\nof-the-pod'
        pod_ends two one sandbox
}

@test "a pod whose IPC namespace has a process of the host: refused with words" {
        nsenter "--ipc=$T/pinned/ipc" sleep 60 3>&- 4>&- &
        local pid=$!

        sleep_until 10 grep -qx sleep "/proc/$pid/comm"
        bundle sandbox 'exec sleep 1000' "$SANDBOX"
        not_created sandbox
        [[ $output = *"ipc namespace $T/pinned/ipc is that of process $pid (sleep)"* ]] || fail "$output"
        kill "$pid"
        pod_ends
}
