#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods: containers that join the namespaces of a container run in its virtual machine.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle sleep 1000
        POD=$CT-pod
        edit '.hostname = "thepod"'
        carrel_detached create "$POD"
        carrel start "$POD"
        POD_PID=$(carrel state "$POD" | jq .pid)
}

# member NAMESPACE...: the bundle is that of a container which joins these of the pod.
member() {
        local type
        for type; do
                # shellcheck disable=SC2016
                edit '(.linux.namespaces[] | select(.type == $type)).path = $path | del(.hostname)' \
                        --arg type "$type" --arg path "/proc/$POD_PID/ns/${type/network/net}"
        done
}

end_pod() {
        carrel delete --force "$POD"
        assert_clean
}

# What the pod's guest is served: names below members/.
served() {
        local pid
        for pid in $(carrel ps --format json "$POD" | jq '.[]'); do
                if [ "$(<"/proc/$pid/comm")" = virtiofsd ] && [ -d "/proc/$pid/root/rootfs" ]; then
                        ls "/proc/$pid/root/members"
                        break
                fi
        done
}

@test "a member has the pod's machine, host name and processes, and its own files, streams and status" {
        member network uts ipc pid
        mkdir -p "$T/data"
        echo given >"$T/data/file"
        # shellcheck disable=SC2016
        edit '.mounts += [{destination: "/data", type: "bind", source: $data, options: ["rbind"]}]' --arg data "$T/data"
        script 'hostname; cat /data/file; tr "\0" " " </proc/1/cmdline; echo; cat; echo answer >/data/answer; echo err >&2; exit 3'
        head -c 1048576 /dev/urandom | base64 -w 0 >"$T/input"
        status=0
        carrel run "$CT" <"$T/input" >"$T/out" 2>"$T/err" || status=$?
        assert_equal "$status" 3
        assert_equal "$(head -n 3 "$T/out")" $'thepod\ngiven\nsleep 1000 '
        cmp "$T/input" <(tail -n +4 "$T/out")
        assert_equal "$(<"$T/err")" err
        assert_equal "$(<"$T/data/answer")" answer
        assert_equal "$(served)" ''
        assert_equal "$(carrel state "$POD" | jq -r .status)" running
        end_pod
}

@test "a member outlives bootTimeoutMs" {
        member network
        configure '{ "bootTimeoutMs": 4000 }'
        script 'sleep 6; echo still here; exit 4'
        run_carrel run "$CT"
        assert_equal "$status $output $stderr" '4 still here '
        end_pod
}

@test "a member that takes the id of one before it" {
        local i names
        member network
        names=(rootfs/bin/*)
        script 'echo "$(cat /word) $(ls /bin | wc -l)"'
        for i in 1 2 3; do
                echo "$i" >rootfs/word
                run_carrel run "$CT"
                assert_equal "$output" "$i ${#names[@]}"
        done
        end_pod
}

@test "a block device for a further container is refused" {
        member network
        edit '.linux.devices = [{path: "/dev/disk", type: "b", major: 7, minor: 0}]'
        run_carrel run "$CT"
        assert_equal "$status" 1
        [[ $stderr = *'linux.devices[0] (/dev/disk): a block device cannot be added to the running virtual machine of a pod'* ]] || fail "$stderr"
        end_pod
}

@test "create, start, exec, ps --guest, update, events, kill, delete of a member; the pod goes on" {
        member network uts ipc
        args sleep 1000
        carrel_detached create "$CT"
        [[ $(served) = "$CT."* ]] || fail "$(served)"
        carrel start "$CT"
        run carrel exec "$CT" sh -c 'echo in; cat; exit 4' <<<stdin
        assert_output $'in\nstdin'
        assert_equal "$status" 4
        run carrel ps --guest --format json "$CT"
        assert_equal "$(jq -r '.[].command' <<<"$output")" "sleep 1000"
        run carrel events --stats "$CT"
        assert_equal "$(jq '.data.pids.current' <<<"$output")" 1
        carrel update --pids-limit 7 "$CT"
        run carrel events --stats "$CT"
        assert_equal "$(jq '.data.pids.limit' <<<"$output")" 7
        run_carrel pause "$CT"
        assert_equal "$status" 1
        [[ $stderr = *pod* ]] || fail "$stderr"
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_equal "$(served)" ''
        run carrel exec "$POD" cat /sys/fs/cgroup/cgroup.procs
        assert_equal "$status" 0
        end_pod
}

@test "a member's monitor is killed: the member is gone, the pod goes on" {
        member network pid
        args sleep 999
        carrel_detached create "$CT"
        carrel start "$CT"
        run carrel exec "$POD" ps </dev/null
        assert_output --partial 'sleep 999'
        kill -KILL "$(carrel state "$CT" | jq .pid)"
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_equal "$(served)" ''
        run carrel exec "$POD" ps </dev/null
        assert_output --partial 'sleep 1000'
        refute_output --partial 'sleep 999'
        end_pod
}

@test "a member with the processes of another member; it ends with them" {
        member network
        args sleep 999
        carrel_detached create "$CT"
        carrel start "$CT"
        # shellcheck disable=SC2016
        edit '(.linux.namespaces[] | select(.type == "pid")).path = $path' --arg path "/proc/$(carrel state "$CT" | jq .pid)/ns/pid"
        script 'tr "\0" " " </proc/1/cmdline'
        run_carrel run "$CT-look"
        assert_equal "$status $output" "0 sleep 999 "
        args sleep 998
        carrel_detached create "$CT-look"
        carrel start "$CT-look"
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        wait_status "$CT-look" stopped
        run_carrel run "$CT-late"
        assert_equal "$status" 1
        [[ $stderr = *'linux.namespaces'* ]] || fail "$stderr"
        carrel delete "$CT-look"
        carrel delete "$CT"
        end_pod
}

@test "the pod's container ends: its members end too, and say why" {
        member network
        args sleep 1000
        carrel_detached create "$CT"
        carrel start "$CT"
        carrel kill "$POD" KILL
        wait_status "$POD" stopped
        wait_status "$CT" stopped
        grep -q "virtual machine of the pod has ended" "$ROOT/$CT/shim.log"
        carrel delete "$CT"
        end_pod
}

@test "out of memory in one container is no news of the other" {
        member network
        args sleep 1000
        carrel_detached create "$CT"
        carrel start "$CT"
        carrel events --interval 1s "$POD" >"$T/of-pod" &
        local of_pod=$!
        carrel events --interval 1s "$CT" >"$T/of-member" &
        local of_member=$!
        # both listen
        sleep_until 20 grep -q '"type":"stats"' "$T/of-pod"
        sleep_until 20 grep -q '"type":"stats"' "$T/of-member"
        carrel update --memory 16777216 "$POD"
        run carrel exec "$POD" tail /dev/zero </dev/null
        assert_equal "$status" 137
        sleep_until 10 grep -q '"type":"oom"' "$T/of-pod" || fail "no event: $(<"$T/of-pod")"
        carrel delete --force "$CT"
        wait "$of_member" || true
        run grep '"type":"oom"' "$T/of-member"
        assert_output ''
        carrel delete --force "$POD"
        wait "$of_pod" || true
        assert_clean
}

@test "five members at once" {
        member network
        script 'sleep 1; echo member; exit 3'
        local i pids=()
        for i in 1 2 3 4 5; do
                carrel run "$CT-$i" </dev/null >"$T/out.$i" 2>&1 &
                pids+=($!)
        done
        for i in 1 2 3 4 5; do
                status=0
                wait "${pids[i - 1]}" || status=$?
                assert_equal "$status $(<"$T/out.$i")" "3 member"
        done
        assert_equal "$(served)" ''
        end_pod
}

@test "a program that is not there: runc's words, and nothing left" {
        member network
        args no-such-program
        run_carrel run "$CT"
        assert_equal "$status" 127
        [[ $stderr = *'executable file not found'* ]] || fail "$stderr"
        assert_equal "$(served)" ''
        end_pod
}
