#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What docker asks and changes while a container runs: pause, top, stats, update, its memory running out.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin docker
}

@test "pause and unpause; a paused container is stopped and removed" {
        docker_detached one "$ENGINE_IMAGE" sh -c 'i=0; while :; do echo $i; i=$((i + 1)); sleep 0.1; done'
        sleep_until 10 eval 'docker logs one | grep -q 3'
        must docker pause one
        assert_equal "$(inspect one '{{.State.Status}}')" paused
        logs_settle docker one
        sleep 1
        assert_equal "$(docker logs one)" "$(cat "$T/log")"
        try docker exec one true
        [[ $stderr = *'is paused'* ]] || fail "$stderr"
        must docker unpause one
        sleep_until 10 eval '[ "$(docker logs one | wc -l)" -gt "$(wc -l <"$T/log")" ]'
        must docker pause one
        must docker stop -t 2 one
        assert_equal "$(inspect one '{{.State.ExitCode}}')" 137
        must docker start one
        must docker pause one
        must docker rm -f one
        assert_clean
}

@test "top and stats" {
        docker_detached one --memory 128m "$ENGINE_IMAGE" sh -c 'while :; do :; done'
        must docker top one
        assert_line --partial carrel-shim
        assert_line --partial qemu-system
        sleep 1
        must docker stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' one
        # what the machine takes on the host
        [[ $output =~ ^[1-9][0-9.]*%\ [1-9][0-9.]*MiB ]] || fail "$output"
        must docker rm -f one
        assert_clean
}

@test "update: memory, processors and processes of a running container" {
        docker_detached one --memory 128m --cpus 1 "$ENGINE_IMAGE" sleep 300
        must docker update --memory 64m --memory-swap 64m --cpus 0.5 --pids-limit 33 one
        try docker exec one sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max pids.max'
        assert_equal "$output" $'67108864\n50000 100000\n33'
        must docker rm -f one
        assert_clean
}

@test "OOMKilled and the event of it, as with runc; a program that lives on; none where memory sufficed" {
        local since runtime

        for runtime in runc carrel; do
                since=$(date +%s)
                docker_detached one --runtime "$runtime" --memory 48m --memory-swap 48m "$ENGINE_IMAGE" tail /dev/zero
                assert_equal "$(docker wait one)" 137
                assert_equal "$runtime $(inspect one '{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}')" "$runtime true 137 exited"
                # by its id: in the same second another one of this name may have ended
                try docker events --since "$since" --until "$(($(date +%s) + 1))" --filter container="$(inspect one '{{.Id}}')" --format '{{.Action}}'
                # what comes first is known first
                assert_equal "$runtime $(printf '%s\n' "${lines[@]}" | grep -xE 'oom|die' | uniq | paste -sd ' ')" "$runtime oom die"
                must docker rm one
        done
        # a child of the program is killed; the program ends as it likes, much later; and once more, with memory enough
        docker_detached one --memory 48m "$ENGINE_IMAGE" sh -c 'test -e /again && exec sleep 300
                touch /again; tail /dev/zero; echo "it ended with $?"; exit 4'
        assert_equal "$(docker wait one)" 4
        assert_equal "$(docker logs one 2>/dev/null)" 'it ended with 137'
        assert_equal "$(inspect one '{{.State.OOMKilled}}')" true
        must docker start one
        must docker kill one
        must docker rm one
        # killed by somebody
        docker_detached one --memory 48m "$ENGINE_IMAGE" sh -c 'kill -KILL -1; sleep 300'
        must docker kill one
        assert_equal "$(inspect one '{{.State.OOMKilled}} {{.State.ExitCode}}')" 'false 137'
        must docker rm one
        assert_clean
}
