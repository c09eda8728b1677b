#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A container of docker from start to removal: logs, exec, signals, restarts, copies, events, health.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin docker
}

@test "detached: logs, inspect, exec, cp, rename, wait" {
        local pid

        docker_detached one --hostname in-one "$ENGINE_IMAGE" sh -c 'echo out; echo err >&2; mkdir /data; read -t 300 x; sleep 300'
        sleep_until 10 eval '[ "$(docker logs one 2>&1 | wc -l)" -eq 2 ]'
        try docker logs one
        assert_equal "$output,$stderr" out,err
        pid=$(inspect one '{{.State.Pid}}')
        assert_equal "$(inspect one '{{.State.Status}} {{.State.Running}} {{.HostConfig.Runtime}}')" 'running true carrel'
        kill -0 "$pid"
        assert_equal "$(cat "/proc/$pid/comm")" carrel-shim

        # exec: status, streams, user, folder, environment, capabilities
        try docker exec one sh -c 'echo out; echo err >&2; exit 5'
        assert_equal "$status,$output,$stderr" 5,out,err
        try docker exec -i one sh -c 'cat; hostname' < <(echo in)
        assert_equal "$output" $'in\nin-one'
        try docker exec -u 1000:2000 -w /tmp -e A=b one sh -c 'id -u; id -g; pwd; echo $A; grep CapEff /proc/self/status'
        assert_equal "$output" $'1000\n2000\n/tmp\nb\nCapEff:\t0000000000000000'
        try docker exec --privileged one grep CapEff /proc/self/status
        assert_output --regexp "^CapEff:[[:space:]]$(all_capabilities)\$"
        try docker exec one no-such-program
        # as with runc: docker 20.10 has 127 for start only
        if docker_since 28; then assert_equal "$status" 127; else assert_equal "$status" 126; fi
        [[ "$output$stderr" = *'executable file not found'* ]] || fail "$output $stderr"
        try docker exec one /etc
        assert_equal "$status" 126
        try docker exec -d one sh -c 'sleep 0.1; echo detached >/data/mark; sleep 301'
        sleep_until 10 docker exec one test -s /data/mark
        try docker exec one ps
        assert_line --partial 'sleep 301'

        # cp: files and folders, both ways, owners
        mkdir -p "$T/tree/below"
        echo text >"$T/tree/below/file"
        chown 1000:1001 "$T/tree/below/file"
        must docker cp -a "$T/tree" one:/data/
        must docker exec one stat -c '%u %g %s' /data/tree/below/file
        assert_equal "$output" '1000 1001 5'
        must docker exec one sh -c 'echo from inside >/data/tree/below/other'
        must docker cp one:/data/tree "$T/back"
        assert_equal "$(cat "$T/back/below/other")" 'from inside'
        assert_equal "$(docker diff one | grep -c /data/tree)" 4

        must docker rename one two
        docker wait two >"$T/waited" &
        must docker kill two
        wait $!
        assert_equal "$(cat "$T/waited")" 137
        assert_equal "$(inspect two '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}')" 'exited 137 0'
        must docker commit two committed
        must docker rm two
        try docker_run committed cat /data/mark
        assert_equal "$output" detached
        must docker rmi committed
        assert_clean
}

@test "stop with grace and without, kill with a signal, restart, start again" {
        docker_detached one "$ENGINE_IMAGE" sh -c 'trap "echo got TERM; exit 7" TERM; trap "echo got USR1" USR1; echo up; while :; do sleep 0.1; done'
        sleep_until 10 eval 'docker logs one | grep -q up'
        must docker kill -s USR1 one
        sleep_until 10 eval 'docker logs one | grep -q USR1'
        must docker stop -t 20 one
        assert_equal "$(inspect one '{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}')" '7 false '
        must docker start one
        sleep_until 10 eval '[ "$(docker logs one | grep -c up)" -eq 2 ]'
        must docker restart -t 20 one
        sleep_until 10 eval '[ "$(docker logs one | grep -c up)" -eq 3 ]'
        assert_equal "$(docker logs one)" $'up\ngot USR1\ngot TERM\nup\ngot TERM\nup'
        must docker rm -f one
        # process 1 without a handler ignores SIGTERM
        docker_detached two --stop-timeout 1 "$ENGINE_IMAGE" sleep 300
        must docker stop two
        assert_equal "$(inspect two '{{.State.ExitCode}}')" 137
        must docker rm two
        # another signal to stop with
        docker_detached three --stop-signal INT "$ENGINE_IMAGE" sh -c 'trap "exit 3" INT; echo ready; while :; do sleep 0.1; done'
        sleep_until 10 eval '[ "$(docker logs three)" = ready ]'
        must docker stop -t 20 three
        assert_equal "$(inspect three '{{.State.ExitCode}}')" 3
        must docker rm three
        assert_clean
}

@test "restart policies, and the events of it" {
        local since
        since=$(date +%s)
        docker_detached one --restart on-failure:2 "$ENGINE_IMAGE" sh -c 'echo run; exit 9'
        wait_state one exited 90
        assert_equal "$(inspect one '{{.RestartCount}} {{.State.ExitCode}}')" '2 9'
        assert_equal "$(docker logs one)" $'run\nrun\nrun'
        try docker events --since "$since" --until "$(($(date +%s) + 1))" --filter container="$(inspect one '{{.Id}}')" \
                --format '{{.Action}} {{index .Actor.Attributes "exitCode"}}'
        assert_equal "$(printf '%s\n' "${lines[@]}" | grep -c '^start ')" 3
        assert_equal "$(printf '%s\n' "${lines[@]}" | grep -c '^die 9')" 3
        must docker rm one
        # always, until somebody stops it
        docker_detached two --restart always "$ENGINE_IMAGE" sh -c 'echo run; sleep 0.3'
        sleep_until 90 eval '[ "$(docker logs two | grep -c run)" -ge 3 ]'
        must docker stop -t 1 two
        assert_equal "$(inspect two '{{.State.Status}}')" exited
        must docker rm two
        assert_clean
}

@test "a health check" {
        docker_detached one --health-cmd 'test -e /healthy' --health-interval 1s --health-retries 1 "$ENGINE_IMAGE" sleep 300
        sleep_until 20 eval '[ "$(inspect one "{{.State.Health.Status}}")" = unhealthy ]' || fail "$(inspect one '{{json .State.Health}}')"
        must docker exec one touch /healthy
        sleep_until 20 eval '[ "$(inspect one "{{.State.Health.Status}}")" = healthy ]' || fail "$(inspect one '{{json .State.Health}}')"
        must docker rm -f one
        assert_clean
}

@test "create, start attached, with input; remove while it runs" {
        must docker create -i --name one --network none "$ENGINE_IMAGE" sh -c 'read word; echo "got $word"; exit 6'
        try docker start -ai one < <(echo word)
        assert_equal "$status $output" '6 got word'
        must docker rm one
        docker_detached two "$ENGINE_IMAGE" sh -c 'while :; do echo line; sleep 0.1; done'
        LIMIT=30 docker logs -f two >"$T/followed" &
        sleep_until 10 grep -q line "$T/followed"
        must docker rm -f two
        wait $!
        assert_clean
}

@test "exec: fifty at once; one that is killed; all end with the container" {
        local i pids=() result

        docker_detached one "$ENGINE_IMAGE" sleep 300
        for i in $(seq 50); do
                LIMIT=200 docker exec one sh -c "echo $i; exit $i" >"$T/out$i" 2>&1 </dev/null &
                pids[i]=$!
        done
        for i in $(seq 50); do
                result=0
                wait "${pids[i]}" || result=$?
                assert_equal "$result $(cat "$T/out$i")" "$i $i"
        done
        # the stand-in of an exec is killed: the process in the guest goes with it
        docker exec one sleep 12345 </dev/null >/dev/null 2>&1 &
        sleep_until 10 eval 'docker exec one ps | grep -q "sleep 12345"'
        # of those that looked none is left
        sleep_until 10 eval '[ "$(inspect one "{{len .ExecIDs}}")" -eq 1 ]' || fail "$(inspect one '{{.ExecIDs}}')"
        kill -KILL "$(exec_pid "$(inspect one '{{index .ExecIDs 0}}')")"
        result=0
        wait $! || result=$?
        assert_equal "$result" 137
        sleep_until 10 eval '! docker exec one ps | grep -q "sleep 12345"' || true
        try docker exec one ps
        refute_line --partial 'sleep 12345'
        # the end of all
        docker exec one sleep 23456 </dev/null >/dev/null 2>&1 &
        sleep_until 10 eval 'docker exec one ps | grep -q "sleep 23456"'
        must docker kill one
        result=0
        wait $! || result=$?
        assert_equal "$result" 137
        must docker rm one
        assert_clean
}

@test "long logs are whole, and much output arrives unharmed" {
        docker_run "$ENGINE_IMAGE" sh -c 'seq 200000; head -c 20000000 /dev/zero' | md5sum >"$T/sum"
        assert_equal "$(cat "$T/sum")" "$({ seq 200000 && head -c 20000000 /dev/zero; } | md5sum)"
        docker_detached one "$ENGINE_IMAGE" seq 100000
        assert_equal "$(docker wait one)" 0
        assert_equal "$(docker logs one | md5sum)" "$(seq 100000 | md5sum)"
        must docker rm one
        assert_clean
}
