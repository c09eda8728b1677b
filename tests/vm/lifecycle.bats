#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The commands of a container's life on a real VM; tests/integration has all their corners.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
}

@test "an engine's way: create, start, exec, exit status of the pid, delete" {
        script 'echo hello; while [ ! -e /mark ]; do sleep 0.1; done; exit 5'
        jq '.process | .args = ["sh", "-c", "echo inside; exit 9"]' config.json >"$T/process.json"
        run "$TESTS/lib/engine" --exec "$T/process.json" --mark rootfs/mark "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT"
        assert_line hello
        assert_line inside
        assert_line 'engine: exec exit 9'
        assert_line 'engine: exit 5'
        assert_clean
}

@test "one container after the other (200 with tools/test --full): each leaves nothing" {
        local i count=5
        if [ -n "${CARREL_FULL-}" ]; then count=200; fi

        script 'exit 7'
        for i in $(seq "$count"); do
                run "$TESTS/lib/engine" "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT-$i"
                assert_line 'engine: exit 7'
                assert_clean
        done
        # what is kept for ids does not grow with them
        assert_equal "$(find "$ROOT" -type f ! -name '~lock')" ''
}

@test "created does not run; start runs; kill, state, list, delete" {
        script 'trap "exit 7" TERM; echo ran >/ran; while :; do sleep 0.1; done'
        carrel create --pid-file "$T/pid" "$CT" </dev/null >"$T/out" 2>&1
        wait_status "$CT" created 1
        sleep 1
        [ ! -e rootfs/ran ]
        carrel start "$CT"
        wait_status "$CT" running
        sleep_until 10 test -e rootfs/ran
        carrel kill "$CT" TERM
        wait_status "$CT" stopped
        assert_equal "$(carrel list --format json | jq -r '.[0].status')" stopped
        sleep_until 5 none_running || fail "a VM after the exit"
        carrel delete "$CT"
        assert_clean
}

@test "create says that there is no program, start that it went away" {
        args no-such-program
        assert_refused 'exec: "no-such-program": executable file not found in \$PATH' create "$CT"
        args /bin/own
        cp rootfs/bin/busybox rootfs/bin/own
        carrel_detached create --pid-file "$T/pid" "$CT"
        printf '#!/none\n' >rootfs/bin/own
        run_carrel start "$CT"
        assert_equal "$status" 1
        [[ $stderr = *'no such file or directory'* ]] || fail "$stderr"
        sleep_until 10 gone "$(cat "$T/pid")" || fail "it goes on"
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "exec: user, environment, capabilities, terminal-less, detached, many at once" {
        local i pids=()
        args sleep 300
        carrel_detached run -d "$CT"

        run_carrel exec --user 1000:1000 --additional-gids 2000 --env A=b --cwd /tmp "$CT" sh -c 'id -u; id -G; echo $A $PWD; echo $$'
        assert_equal "${lines[0]} ${lines[1]} ${lines[2]}" '1000 1000 2000 b /tmp'
        [ "${lines[3]}" -gt 1 ]

        jq '.process | .args = ["cat", "/proc/self/status"] | .capabilities = {bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"]}
                | .oomScoreAdj = 77 | .rlimits = [{type: "RLIMIT_NOFILE", soft: 55, hard: 66}]' config.json >"$T/process.json"
        run_carrel exec --process "$T/process.json" "$CT"
        assert_line --regexp '^CapEff:\s+0000000000000020$'
        assert_line --regexp '^NoNewPrivs:\s+1$'

        run_carrel exec "$CT" no-such-program
        assert_equal "$status" 255
        [[ $stderr = *'executable file not found in $PATH'* ]]

        carrel_detached exec --detach --pid-file "$T/exec.pid" "$CT" sh -c 'trap "echo got >/got; exit" TERM; echo up >/up; while :; do sleep 0.1; done'
        sleep_until 10 test -e rootfs/up
        kill -TERM "$(cat "$T/exec.pid")"
        sleep_until 10 test -e rootfs/got

        carrel_detached exec --detach --pid-file "$T/exec.pid" "$CT" sleep 12345
        kill -KILL "$(cat "$T/exec.pid")"
        sleep_until 10 eval '! carrel exec "$CT" ps | grep -q "sleep 12345"' || fail "the proxy's death did not end the process"

        for i in $(seq 12); do
                carrel exec "$CT" sh -c "echo $i; exit $i" </dev/null >"$T/out$i" 2>&1 &
                pids[i]=$!
        done
        for i in $(seq 12); do
                local status=0
                wait "${pids[i]}" || status=$?
                assert_equal "$status $(cat "$T/out$i")" "$i $i"
        done
        carrel delete --force "$CT"
        assert_clean
}

@test "hooks: all six, startContainer inside the guest" {
        local kind
        for kind in prestart createRuntime createContainer poststart poststop; do
                edit '.hooks[$kind] = [{path: "/bin/sh", args: ["sh", "-c", "echo \($kind) >>\($t)/order"]}]' --arg kind "$kind" --arg t "$T"
        done
        edit '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "cat >/state; hostname; echo startContainer >/order"], env: ["PATH=/bin"]}]'
        script 'cat /order'
        run_carrel run "$CT"
        assert_equal "$status" 0
        [[ $output = *startContainer ]] || fail "$output"
        assert_equal "$(jq -r .id rootfs/state)" "$CT"
        assert_equal "$(cat "$T/order")" $'prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop'
        assert_clean
}

@test "trace shows every phase of the boot, in order; run --trace all of a life" {
        args sleep 300
        carrel_detached run -d "$CT"
        run_carrel trace "$CT"
        assert_equal "$status" 0
        assert_timeline 'program runs' "$output"
        # a heading, and all of the twelve there are
        assert_equal "$(grep -vc '^warning: ' <<<"$output")" 13
        run_carrel trace --json "$CT"
        assert_equal "$status" 0
        jq -e 'def ordered(names): [.[names[]]] | . == sort and all(. != null and . > 0);
                ordered(["shim", "share", "virtiofsd", "qemu", "kernel", "agent", "hello", "created", "start", "started"])
                and ordered(["qemu", "qmp"]) and ordered(["hooks", "created"]) and (.exited // 0) == 0 and (.stopped // 0) == 0' <<<"$output" || fail "$output"
        carrel delete --force "$CT"
        args true
        run_carrel run --trace "$CT"
        assert_equal "$status $output" '0 '
        assert_timeline 'machine is gone' "$stderr"
        assert_clean
}

@test "the console: shown, bounded, with the kernel's messages under --debug" {
        args sleep 300
        configure '{"consoleLimit": 32768}'
        carrel --debug run -d "$CT" </dev/null >/dev/null 2>&1
        run_carrel console "$CT"
        [[ $output = *Linux\ version* ]] || fail "${output:0:200}"
        [ "$(stat -c %s "$ROOT/$CT/console.log")" -le 32768 ]
        carrel delete --force "$CT"
        assert_clean
}

@test "an idle container costs little: agent's memory, guest's memory, monitor's" {
        # without a pid namespace it sees process 1 of the guest, the agent
        edit '.linux.namespaces |= map(select(.type != "pid"))'
        args sleep 300
        carrel_detached run -d "$CT"
        local pid pss used agent
        pid=$(carrel state "$CT" | jq .pid)
        pss=$(awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup")
        used=$(carrel exec "$CT" awk '/^MemTotal/ { total = $2 } /^MemAvailable/ { available = $2 } END { print total - available }' /proc/meminfo 2>/dev/null)
        agent=$(carrel exec "$CT" awk '/^Name/ { name = $2 } /^VmRSS/ { print name, $2 }' /proc/1/status 2>/dev/null)
        echo "monitor ${pss} KiB (limit 3072), guest ${used} KiB (limit 40960), agent ${agent} KiB (limit 3072)" >&3
        [ "$pss" -le 3072 ]
        [ "${agent##* }" -le 3072 ]
        [ "$used" -le 40960 ]
        carrel delete --force "$CT"
        assert_clean
}
