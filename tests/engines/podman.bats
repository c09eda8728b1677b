#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman: what a user of it does every day, with conmon between it and carrel.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin podman
}

# As same_as_runc, with podman.
podman_as_runc() {
        local theirs theirs_status

        try podman --runtime runc run --rm --network none --cgroup-parent "/$GROUP" "$@"
        theirs=$output theirs_status=$status
        try podman_run "$@"
        assert_equal "$status $output" "$theirs_status $theirs"
}

podman_detached() {
        local name=$1
        shift

        must podman run -d --name "$name" --network none --cgroup-parent "/$GROUP" "$@"
}

@test "exit statuses; a program that is not there (127), or cannot be run (126)" {
        local code

        for code in 0 42; do
                try podman_run "$ENGINE_IMAGE" sh -c "exit $code"
                assert_equal "$status $output $stderr" "$code  "
        done
        podman_as_runc "$ENGINE_IMAGE" no-such-program
        assert_equal "$status" 127
        [[ $stderr = *'exec: "no-such-program": executable file not found in $PATH'* ]] || fail "$stderr"
        podman_as_runc "$ENGINE_IMAGE" /etc
        assert_equal "$status" 126
        assert_clean
}

@test "standard input, output, error; options on who the process is; volumes" {
        try podman_run -i "$ENGINE_IMAGE" sh -c 'echo out; echo err >&2; cat' < <(echo in)
        assert_equal "$status,$output,$stderr" $'0,out\nin,err'
        mkdir folder
        podman_as_runc --user 1000:1001 --group-add 2000 --cap-drop CHOWN --cap-add NET_ADMIN --env A=b --workdir /tmp --hostname over.there \
                --sysctl kernel.shmmax=123456 --security-opt no-new-privileges --read-only --tmpfs /t:size=1m --shm-size 7m \
                -v "$T/folder:/folder:ro" "$ENGINE_IMAGE" sh -c '
                id; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; echo $A; pwd; cat /proc/sys/kernel/shmmax; hostname
                touch /x || echo refused; touch /folder/x || echo refused; df -k /t /dev/shm | awk "{ print \$2, \$6 }"'
        assert_equal "$status" 0
        assert_line over.there
        try podman_run --init --ulimit nofile=123:456 --memory 64m --pids-limit 20 --annotation some.thing=other "$ENGINE_IMAGE" sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; ulimit -n; ulimit -Hn'
        assert_equal "$output" $'67108864\n20\n123\n456'
        assert_clean
}

@test "terminals: size, resize, exec, detach and attach" {
        run "$TESTS/lib/terminal" 31x97 'expect:# ' "$(size_becomes 31 97)" 'expect:31 97' 'resize:40x120' "$(size_becomes 40 120)" \
                'expect:40 120' 'send:\x10' pause:0.3 'send:\x11' -- podman run -it --name one --network none --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" sh
        [ "$status" -eq 0 ] || fail "$status: $output"
        assert_equal "$(podman inspect one --format '{{.State.Status}}')" running
        run "$TESTS/lib/terminal" 30x90 'expect:# ' "$(size_becomes 30 90)" 'expect:30 90' 'send:exit 4\n' -- podman exec -it one sh
        [ "$status" -eq 4 ] || fail "$status: $output"
        run "$TESTS/lib/terminal" 24x80 'pause:0.5' 'send:\n' 'expect:# ' 'send:exit 5\n' -- podman attach one
        assert_output --partial 'exit 5'
        assert_equal "$(podman wait one)" 5
        must podman rm one
        assert_clean
}

@test "detached: logs by conmon, exec, cp, inspect, stop with grace, wait, start again, kill, rm -f" {
        podman_detached one "$ENGINE_IMAGE" sh -c 'trap "echo got TERM; exit 7" TERM; echo up; echo err >&2; while :; do sleep 0.1; done'
        sleep_until 10 eval '[ "$(podman logs one 2>&1 | wc -l)" -eq 2 ]'
        try podman logs one
        assert_equal "$output,$stderr" up,err
        kill -0 "$(podman inspect one --format '{{.State.Pid}}')"
        assert_equal "$(podman inspect one --format '{{.OCIRuntime}}')" carrel
        try podman exec one sh -c 'echo out; echo err >&2; exit 5'
        assert_equal "$status,$output" 5,out
        try podman exec -i one cat < <(echo in)
        assert_equal "$output" in
        try podman exec one no-such-program
        assert_equal "$status" 127
        try podman exec one /etc
        assert_equal "$status" 126
        must podman exec -d one sh -c 'echo detached >/mark; sleep 300'
        sleep_until 10 podman exec one test -s /mark
        must podman cp one:/mark "$T/mark"
        assert_equal "$(cat "$T/mark")" detached
        # into the container, and nowhere into the host
        must podman cp "$T/mark" one:/etc/copied-in
        try podman exec one sh -c 'sleep 1.1; cat /etc/copied-in'
        assert_equal "$output" detached
        [ ! -e /etc/copied-in ] && [ ! -e /mark ]
        must podman stop -t 20 one
        assert_equal "$(podman wait one)" 7
        must podman start one
        sleep_until 10 eval '[ "$(podman logs one 2>/dev/null | grep -c up)" -eq 2 ]'
        must podman kill one
        assert_equal "$(podman wait one)" 137
        must podman restart one
        must podman rm -f -t 0 one
        assert_clean
}

@test "exec: ten at once; --preserve-fds" {
        local i pids=() result

        podman_detached one "$ENGINE_IMAGE" sleep 300
        for i in $(seq 10); do
                LIMIT=200 podman exec one sh -c "echo $i; exit $i" >"$T/out$i" 2>&1 </dev/null &
                pids[i]=$!
        done
        for i in $(seq 10); do
                result=0
                wait "${pids[i]}" || result=$?
                assert_equal "$result $(cat "$T/out$i")" "$i $i"
        done
        must podman rm -f -t 0 one
        # a descriptor of the host's means nothing in a virtual machine
        status=0
        timeout 60 podman run --rm --network none --cgroup-parent "/$GROUP" --preserve-fds 1 "$ENGINE_IMAGE" test -e /proc/1/fd/3 3</dev/null 4>&- >"$T/out" 2>&1 || status=$?
        assert_equal "$status $(cat "$T/out")" '1 '
        assert_clean
}

@test "a health check, and restart policies" {
        podman_detached one --health-cmd 'test -e /healthy' --health-interval disable "$ENGINE_IMAGE" sleep 300
        try podman healthcheck run one
        assert_equal "$status" 1
        must podman exec one touch /healthy
        must podman healthcheck run one
        must podman rm -f -t 0 one
        podman_detached two --restart on-failure:2 "$ENGINE_IMAGE" sh -c 'echo run; exit 9'
        sleep_until 90 eval '[ "$(podman logs two | grep -c run)" -eq 3 ]'
        sleep_until 10 eval '[ "$(podman inspect two --format "{{.State.Status}} {{.State.ExitCode}}")" = "exited 9" ]'
        must podman rm two
        assert_clean
}

@test "OOMKilled" {
        # (with runc it stays false here: this conmon leaves its mark in the folder that podman was called in)
        podman_detached one --memory 48m --memory-swap 48m "$ENGINE_IMAGE" tail /dev/zero
        assert_equal "$(podman wait one)" 137
        assert_equal "$(podman inspect one --format '{{.State.OOMKilled}} {{.State.ExitCode}}')" 'true 137'
        must podman start one
        assert_equal "$(podman wait one)" 137
        must podman rm one
        podman_detached one --memory 48m "$ENGINE_IMAGE" sh -c 'exit 3'
        assert_equal "$(podman wait one) $(podman inspect one --format '{{.State.OOMKilled}}')" '3 false'
        must podman rm one
        assert_clean
}

@test "pause and unpause; update of memory and processors acts inside" {
        podman_detached one --memory 128m "$ENGINE_IMAGE" sh -c 'while :; do date +%s; sleep 0.1; done'
        sleep_until 10 eval 'podman logs one | grep -q .'
        must podman pause one
        assert_equal "$(podman inspect one --format '{{.State.Status}}')" paused
        logs_settle podman one
        sleep 0.5
        assert_equal "$(podman logs one)" "$(cat "$T/log")"
        must podman unpause one
        sleep_until 10 eval '[ "$(podman logs one | wc -l)" -gt "$(wc -l <"$T/log")" ]'
        must podman update --memory 96m --cpus 0.5 one
        try podman exec one cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max
        assert_equal "$output" $'100663296\n50000 100000'
        must podman rm -f -t 0 one
        assert_clean
}

@test "kill -9 of carrel-shim, QEMU, conmon: the exit is seen, nothing is left" {
        local program

        for program in carrel-shim qemu-system; do
                podman_detached one "$ENGINE_IMAGE" sleep 300
                kill -KILL "$(pids_of "$program" | head -n 1)"
                sleep_until 20 eval '[ "$(podman inspect one --format "{{.State.Status}}")" = exited ]'
                must podman rm one
                assert_clean
        done
        podman_detached one "$ENGINE_IMAGE" sleep 300
        kill -KILL "$(podman inspect one --format '{{.State.ConmonPid}}')"
        must podman rm -f -t 0 one
        sleep_until 20 none_running || fail "$(ours_running)"
        # this podman does not have it deleted then, with runc neither
        must /usr/local/bin/carrel delete --force "$(/usr/local/bin/carrel list -q)"
        assert_clean
}

@test "kill -9 of a container that is created, and of carrel that starts it: podman says so, nothing is left" {
        local program shim

        for program in carrel-shim qemu-system; do
                must podman create --name one --network none --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" sleep 300
                must podman init one
                kill -KILL "$(pids_of "$program")"
                sleep_until 10 none_running || fail "$(ours_running)"
                ! podman start one >"$T/out" 2>&1 || assert_equal "$(podman inspect one --format '{{.State.Status}}')" running
                must podman rm -f -t 0 one
                assert_clean
        done
        must podman create --name one --network none --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" sleep 300
        must podman init one
        shim=$(pids_of carrel-shim)
        # it does not get an answer
        kill -STOP "$shim"
        podman start one >"$T/out" 2>&1 &
        sleep_until 20 eval 'pgrep -f "^$CARREL .*start " >/dev/null'
        sleep 0.3
        kill -KILL "$(pgrep -o -f "^$CARREL .*start ")"
        ! wait $! || fail 'it started'
        kill -CONT "$shim"
        must podman rm -f -t 0 one
        assert_clean
}

@test "pods: containers share one machine, its loopback and host name; each has its own status" {
        must podman pod create --name together --hostname both --network none --share net,ipc,uts
        must podman run -d --pod together --name server --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" nc -ll -p 7000 -e echo from the server
        try podman run --rm --pod together --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" sh -c '
                hostname; until nc 127.0.0.1 7000 </dev/null; do sleep 0.1; done; exit 7'
        assert_equal "$status,$output" $'7,both\nfrom the server'
        assert_equal "$(podman inspect -f '{{.State.Status}}' server)" running
        must podman exec server hostname
        assert_output both
        # one QEMU for three containers
        [ "$(pgrep -c -f 'qemu-system.*carrel.agent')" -eq 1 ] || fail "$(pgrep -a qemu)"
        must podman pod rm -f -t 0 together
        must podman rmi -f "$(podman images -q --filter reference=localhost/podman-pause)"
        assert_clean
}

@test "a pod with a container of runc in it is refused with words" {
        must podman --runtime runc pod create --name theirs --network none
        must podman --runtime runc run -d --name server --pod theirs "$ENGINE_IMAGE" sleep 300
        try podman run --rm --pod theirs "$ENGINE_IMAGE" true
        [ "$status" -ne 0 ]
        [[ $stderr = *'network namespace '*' is that of process '*': a virtual machine cannot share it'* ]] || fail "$stderr"
        must podman exec server true
        must podman pod rm -f -t 0 theirs
        must podman rmi -f "$(podman images -q --filter reference=localhost/podman-pause)"
        assert_clean
}
