#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What docker sees when something is killed under it, and what is left: nothing.

load ../lib/common
load ../lib/engines

setup_file() {
        DOCKERD_MORE='{ "live-restore": true }' engines_begin docker
}

@test "kill -9 of carrel-shim, QEMU, virtiofsd: the exit is seen, nothing is left, it starts again" {
        local program

        for program in carrel-shim qemu-system virtiofsd; do
                docker_detached one "$ENGINE_IMAGE" sleep 300
                kill -KILL "$(pids_of "$program" | head -n 1)"
                wait_state one exited
                [ "$(inspect one '{{.State.ExitCode}}')" -ne 0 ]
                sleep_until 10 none_running || fail "$(ours_running)"
                must docker start one
                try docker exec one echo again
                assert_equal "$output" again
                must docker rm -f one
                assert_clean
        done
}

@test "the guest's kernel panics, QEMU crashes: status 255, and the container's log says why; an exec ends" {
        local exec R=0

        docker_detached one --privileged "$ENGINE_IMAGE" sh -c 'echo before; echo err >&2; until test -e /go; do sleep 0.1; done
                echo c >/proc/sysrq-trigger; sleep 300'
        docker exec one sleep 12345 </dev/null >/dev/null 2>&1 &
        exec=$!
        sleep_until 10 eval 'docker exec one ps | grep -q "sleep 12345"'
        sleep_until 10 eval '[ "$(docker logs one 2>&1 | wc -l)" -eq 2 ]'
        # whether it hears of its own end is open
        docker exec one touch /go >/dev/null 2>&1 || R=$?
        [[ $R = 0 || $R = 137 ]] || fail "the exec with which it ended: $R"
        assert_equal "$(docker wait one)" 255
        # one that docker hears of after its container would never end
        R=0
        wait "$exec" || R=$?
        assert_equal "the exec: $R" 'the exec: 137'
        try docker logs one
        assert_equal "$output" before
        [[ $stderr = $'err\ncarrel: '*'console ends: '*'Kernel panic - not syncing: sysrq triggered crash' ]] || fail "$stderr"
        must docker rm one
        assert_clean
        docker_detached one -t "$ENGINE_IMAGE" sleep 300
        kill -SEGV "$(pids_of qemu-system)"
        assert_equal "$(docker wait one)" 255
        try docker logs one
        assert_output --partial 'carrel: QEMU was killed by signal 11'
        must docker rm one
        assert_clean
}

@test "kill -9 of containerd's shim: the exit is seen, nothing is left" {
        local shim

        docker_detached one "$ENGINE_IMAGE" sleep 300
        shim=$(pgrep -f 'containerd-shim-runc-v2 .*-id '"$(inspect one '{{.Id}}')")
        kill -KILL "$shim"
        wait_state one exited
        sleep_until 10 none_running || fail "$(ours_running)"
        must docker rm -f one
        assert_clean 20
}

@test "the daemon is killed and started: containers run on, and what they wrote is there" {
        docker_detached one "$ENGINE_IMAGE" sh -c 'echo before; while ! test -e /go; do sleep 0.1; done; echo after; sleep 1; exit 8'
        docker_detached two "$ENGINE_IMAGE" sh -c 'sleep 2; echo ended alone; exit 3'
        sleep_until 10 eval 'docker logs one | grep -q before'
        daemon_kill dockerd KILL
        sleep 3
        docker_start
        assert_equal "$(inspect one '{{.State.Status}}')" running
        wait_state two exited
        assert_equal "$(inspect two '{{.State.ExitCode}}')" 3
        must docker exec one touch /go
        assert_equal "$(docker wait one)" 8
        assert_equal "$(docker logs one)" $'before\nafter'
        must docker rm one two
        daemon_kill dockerd TERM
        docker_start
        assert_clean
}

@test "containerd is killed and started: containers run on" {
        docker_detached one "$ENGINE_IMAGE" sleep 300
        daemon_kill containerd KILL
        containerd_start
        sleep_until 20 docker exec one true
        assert_equal "$(docker exec one echo there)" there
        must docker stop -t 1 one
        assert_equal "$(inspect one '{{.State.ExitCode}}')" 137
        must docker rm one
        assert_clean
}

@test "kill -9 while it is paused, and while it is being stopped: the exit is seen, nothing is left" {
        local program

        for program in carrel-shim qemu-system virtiofsd; do
                docker_detached one "$ENGINE_IMAGE" sh -c 'trap "" TERM; sleep 300'
                docker_detached two "$ENGINE_IMAGE" sh -c 'trap "" TERM; sleep 300'
                must docker pause one
                docker stop -t 60 two >/dev/null &
                sleep 0.5
                # the end of one may be that of the next in the list
                pids_of "$program" | xargs -n 1 kill -KILL || true
                wait_state one exited
                wait_state two exited
                wait $! || fail 'docker stop'
                must docker rm one two
                assert_clean
        done
}

# The command VERB of carrel: its pid. (Its children have its name until they are something else.)
carrel_command() {
        pgrep -o -f "^$CARREL .* $1 "
}

# docker's hook has made the network: a create that dies before leaves it to docker's own tidying, which may take a minute. (Newer
# docker makes it after create.)
hook_is_over() {
        if docker_since 28; then
                [ "$(pgrep -c -P "$(carrel_command create)")" -eq 1 ]
                return
        fi
        grep -q " $E/exec/netns/" /proc/self/mountinfo && [ "$(pgrep -c -P "$(carrel_command create)")" -eq 1 ]
}

# A create that goes on until something happens to it: its machine stands still.
create_waits() {
        sleep_until 20 eval '[ -n "$(pids_of qemu-system)" ]' || fail "no machine: $(cat "$T/out")"
        kill -STOP "$(pids_of qemu-system)"
        sleep_until 20 hook_is_over || fail "no network: $(cat "$T/out")"
}

@test "kill -9 of carrel while it creates, and while it starts an exec: docker says so, nothing is left" {
        local shim

        docker run --name one --network none "$ENGINE_IMAGE" sleep 300 >"$T/out" 2>&1 </dev/null &
        create_waits
        kill -KILL "$(carrel_command create)"
        ! wait $! || fail 'it came to life'
        must docker rm -f one
        assert_clean
        docker_detached two "$ENGINE_IMAGE" sleep 300
        shim=$(pids_of carrel-shim)
        # it does not get an answer
        kill -STOP "$shim"
        docker exec two sleep 12345 >"$T/out" 2>&1 </dev/null &
        sleep_until 20 carrel_command exec >/dev/null
        sleep 0.3
        kill -KILL "$(carrel_command exec)"
        ! wait $! || fail 'the exec ended well'
        kill -CONT "$shim"
        sleep_until 10 eval '[ "$(pids_of carrel-shim | wc -l)" -eq 1 ]'
        sleep_until 10 eval '! docker exec two ps | grep "sleep 12345"' || fail "$(docker exec two ps)"
        must docker rm -f two
        assert_clean
}

@test "killed while it starts: dockerd says so, nothing is left" {
        local program

        for program in qemu-system carrel-shim; do
                docker run --name one --network none "$ENGINE_IMAGE" sleep 300 >"$T/out" 2>&1 </dev/null &
                create_waits
                kill -KILL "$(pids_of "$program" | head -n 1)"
                ! wait $! || fail 'it came to life'
                must docker rm -f one
                assert_clean
        done
}

