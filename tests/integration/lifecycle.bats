#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The commands of a container's life, as runc has them; QEMU and guest are a stand-in.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sh -c 'echo hello; exit 5'
}

@test "run: output, exit status, nothing left" {
        run_carrel run -b "$BUNDLE" "$CT"
        assert_equal "$output" hello
        assert_equal "$stderr" ''
        assert_equal "$status" 5
        assert_clean
}

@test "relative --root: from the working directory" {
        cd "$T"
        ROOT=x/.././relative run_carrel create --bundle "$BUNDLE" "$CT"
        assert_equal "$status" 0
        [ -d "$T/relative/$CT" ]
        cd /
        ROOT=$T/relative run_carrel delete --force "$CT"
        assert_equal "$status" 0
        ROOT='' run_carrel list
        assert_equal "$status $stderr" '1 carrel: --root: expected a folder, found ""'
}

@test "run DIR: a folder runs under an id of its own" {
        cd /
        run_carrel run "$BUNDLE"
        assert_equal "$output" hello
        assert_equal "$status" 5
        run_carrel run "$BUNDLE"
        assert_equal "$status" 5
        assert_clean
}

@test "run: the bundle is the working folder unless it is named" {
        run_carrel run "$CT"
        assert_equal "$output" hello
        cd /
        run_carrel run "$CT"
        assert_equal "$status" 1
        assert_clean
}

@test "run --detach returns at once; state goes from running to stopped; delete" {
        script 'while [ ! -e /go ]; do sleep 0.1; done; exit 3'
        run_carrel run --detach --pid-file "$T/pid" -b "$BUNDLE" "$CT"
        assert_equal "$status" 0
        wait_status "$CT" running
        [ "$(cat "$T/pid")" = "$(carrel state "$CT" | jq .pid)" ]
        : >rootfs/go
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "run --keep: the container stays, stopped" {
        run_carrel run --keep -b "$BUNDLE" "$CT"
        assert_equal "$status" 5
        wait_status "$CT" stopped 1
        carrel delete "$CT"
        assert_clean
}

@test "create, state, start, state, delete" {
        script 'sleep 30'
        run_carrel create -b "$BUNDLE" --pid-file "$T/pid" "$CT" </dev/null
        assert_equal "$status" 0
        assert_equal "$(od -An -c "$T/pid" | tr -dc '0-9')" "$(cat "$T/pid")"

        run_carrel state "$CT"
        assert_equal "$(jq -r .id <<<"$output")" "$CT"
        assert_equal "$(jq -r .status <<<"$output")" created
        assert_equal "$(jq -r .bundle <<<"$output")" "$BUNDLE"
        assert_equal "$(jq -r .pid <<<"$output")" "$(cat "$T/pid")"
        assert_equal "$(jq -r '.ociVersion | test("^1\\.")' <<<"$output")" true
        assert_equal "$(jq -r '.created | test("^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$")' <<<"$output")" true
        kill -0 "$(cat "$T/pid")"

        carrel start "$CT"
        wait_status "$CT" running
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        assert_equal "$(carrel state "$CT" | jq .pid)" 0
        carrel delete "$CT"
        assert_clean
        run_carrel state "$CT"
        assert_equal "$status" 1
        [[ $stderr = *"does not exist"* ]]
}

@test "annotations are in the state" {
        edit '.annotations = {"org.example.a": "b"}'
        script 'sleep 30'
        carrel_detached create "$CT"
        assert_equal "$(carrel state "$CT" | jq -r '.annotations["org.example.a"]')" b
        carrel delete --force "$CT"
        assert_clean
}

@test "an engine's way: subreaper, pipes, pid file, exit status of the pid" {
        run "$TESTS/lib/engine" "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT"
        assert_line hello
        assert_line 'engine: exit 5'
        assert_clean
}

@test "an engine's way with a terminal" {
        edit '.process.terminal = true'
        script 'test -t 0 && test -t 1 && test -t 2 && echo all; exit 6'
        run "$TESTS/lib/engine" --terminal "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT"
        assert_output --partial all
        assert_output --partial 'engine: exit 6'
        assert_clean
}

@test "an engine's way with an exec" {
        script 'while [ ! -e /mark ]; do sleep 0.1; done'
        jq '.process | .args = ["sh", "-c", "echo inside; exit 9"]' config.json >"$T/process.json"
        run "$TESTS/lib/engine" --exec "$T/process.json" --mark rootfs/mark "$CARREL" --root "$ROOT" --config "$CONFIG" -- "$BUNDLE" "$CT"
        assert_line inside
        assert_line 'engine: exec exit 9'
        assert_line 'engine: exit 0'
        assert_clean
}

@test "start twice, delete while running, kill when stopped: refused in runc's words" {
        script 'sleep 30'
        carrel_detached create "$CT"
        carrel start "$CT"
        run_carrel start "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        run_carrel delete "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *running* ]]
        carrel kill "$CT" 9
        wait_status "$CT" stopped
        run_carrel kill "$CT" 9
        assert_equal "$status" 1
        [[ $stderr = *"container not running"* || $stderr = *"process already finished"* || $stderr = *"no such process"* ]]
        run_carrel start "$CT"
        assert_equal "$status" 1
        run_carrel exec "$CT" true
        [ "$status" -ne 0 ]
        carrel delete "$CT"
        assert_clean
}

@test "commands on an id that is not there say so" {
        local command
        for command in "state $CT" "start $CT" "kill $CT" "delete $CT" "exec $CT true" "console $CT" "trace $CT"; do
                # shellcheck disable=SC2086
                run_carrel $command
                [ "$status" -ne 0 ] || fail "$command: status 0"
                [[ $stderr = *"does not exist"* ]] || fail "$command: $stderr"
        done
        run_carrel delete --force "$CT"
        assert_equal "$status" 0
        assert_clean
}

@test "kill: names, numbers and prefixes; signals reach the program" {
        local signal seen=1
        script 'trap "echo term" TERM; trap "echo usr1; exit 7" USR1; trap "echo hup" HUP; echo ready; while :; do sleep 0.1; done'
        carrel create "$CT" </dev/null >"$T/out" 2>&1
        carrel start "$CT"
        sleep_until 10 grep -q ready "$T/out"
        for signal in TERM SIGHUP 15; do
                carrel kill "$CT" "$signal"
                seen=$((seen + 1))
                sleep_until 10 eval '[ "$(wc -l <"$T/out")" -ge "$seen" ]' || fail "$signal: $(cat "$T/out")"
        done
        run_carrel kill "$CT" NOSUCHSIGNAL
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *NOSUCHSIGNAL* ]]
        carrel kill "$CT" USR1
        wait_status "$CT" stopped
        assert_equal "$(cat "$T/out")" $'ready\nterm\nhup\nterm\nusr1'
        carrel delete "$CT"
        assert_clean
}

@test "delete --force ends a running container" {
        script 'sleep 30'
        carrel_detached run -d "$CT"
        carrel delete --force "$CT"
        assert_clean
}

@test "delete of a container that was never started" {
        carrel_detached create "$CT"
        carrel delete "$CT" || carrel delete --force "$CT"
        assert_clean
}

@test "list: table, JSON, ids only" {
        script 'sleep 30'
        run_carrel list
        assert_equal "$status" 0
        carrel_detached create "${CT}a"
        carrel_detached create "${CT}b"
        carrel start "${CT}b"
        run_carrel list
        [[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER ]]
        assert_line --regexp "^${CT}a +[0-9]+ +created +$BUNDLE "
        assert_line --regexp "^${CT}b +[0-9]+ +running +$BUNDLE "
        run_carrel list --format json
        assert_equal "$(jq -r '[.[] | .id + " " + .status] | sort | join(",")' <<<"$output")" "${CT}a created,${CT}b running"
        run_carrel list --quiet
        assert_equal "$(sort <<<"$output")" "${CT}a"$'\n'"${CT}b"
        carrel delete --force "${CT}a"
        carrel delete --force "${CT}b"
        run_carrel list -f json
        [[ $output = '[]' || $output = null ]]
        assert_clean
}

@test "exec: arguments, status, environment, folder, stdin" {
        script 'sleep 30'
        carrel_detached run -d --env OF_RUN=seen "$CT"
        run_carrel exec "$CT" sh -c 'echo $OF_RUN'
        assert_equal "$output" seen
        run_carrel exec "$CT" sh -c 'exit 12'
        assert_equal "$status" 12
        run_carrel exec --env A=b --cwd /tmp "$CT" sh -c 'echo $A $PWD'
        assert_equal "$output" 'b /tmp'
        run_carrel exec "$CT" cat < <(echo through)
        assert_equal "$output" through
        run_carrel exec "$CT" sh -c 'kill -9 $$'
        assert_equal "$status" 137
        run_carrel exec "$CT" no-such-program
        [ "$status" -ne 0 ]
        [[ $stderr = *'executable file not found in $PATH'* ]]
        carrel delete --force "$CT"
        assert_clean
}

@test "exec --detach: pid file, signals through the pid" {
        script 'sleep 30'
        carrel_detached run -d "$CT"
        carrel_detached exec --detach --pid-file "$T/exec.pid" "$CT" sleep 30
        kill -0 "$(cat "$T/exec.pid")"
        kill -TERM "$(cat "$T/exec.pid")"
        sleep_until 10 gone "$(cat "$T/exec.pid")"
        assert_equal "$(carrel state "$CT" | jq -r .status)" running
        carrel delete --force "$CT"
        assert_clean
}

@test "exec ends with its container" {
        script 'sleep 2'
        carrel_detached run -d "$CT"
        run_carrel exec "$CT" sleep 30
        [ "$status" -ne 0 ]
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "the program is not found (127), or not executable (126)" {
        args no-such-program
        run_carrel run "$CT"
        assert_equal "$status" 127
        [[ $stderr = *'exec: "no-such-program": executable file not found in $PATH'* ]]
        echo text >rootfs/bin/text
        args /bin/text
        run_carrel run "$CT"
        assert_equal "$status" 126
        [[ $stderr = *'permission denied'* ]]
        assert_clean
}

@test "a start that fails ends the container: engines wait for that" {
        args no-such-program
        carrel_detached create --pid-file "$T/pid" "$CT"
        run_carrel start "$CT"
        assert_equal "$status" 1
        [[ $stderr = *'executable file not found in $PATH'* ]] || fail "$stderr"
        # by the time that they hear of it
        gone "$(cat "$T/pid")" || fail "it goes on"
        carrel delete "$CT"
        assert_clean
}

@test "--log FILE --log-format json: the last entry is the error" {
        edit '.root.path = "nowhere"'
        run_carrel --log "$T/log.json" --log-format json create "$CT"
        assert_equal "$status" 1
        # one object: some engines take the whole file for it
        assert_equal "$(jq -s length "$T/log.json")" 1
        assert_equal "$(jq -s -r '.[-1].level' "$T/log.json")" error
        assert_equal "$(jq -s -r '.[-1].msg | test("rootfs|nowhere")' "$T/log.json")" true
        assert_equal "$(jq -s -r '.[-1].time | test("^20[0-9]{2}-")' "$T/log.json")" true
        [[ $stderr = *nowhere* ]]
        assert_clean
}

@test "a capability that this carrel does not know is warned about" {
        edit '.process.capabilities.bounding += ["CAP_NOSUCH"]'
        run_carrel run "$CT"
        assert_equal "$status" 5
        [[ $stderr = *warning*CAP_NOSUCH* ]] || fail "no warning: $stderr"
        assert_clean
}

@test "no descriptor of the caller stays open in what carrel starts" {
        script 'sleep 30'
        echo secret >"$T/marker"
        carrel create "$CT" </dev/null >/dev/null 2>&1 7<"$T/marker" 12<"$T/marker"
        run bash -c "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F '$T/marker'"
        assert_output ''
        carrel delete --force "$CT"
        assert_clean
}

@test "the shim runs in its own session, without capabilities it does not need" {
        script 'sleep 30'
        carrel_detached run -d "$CT"
        local pid
        pid=$(carrel state "$CT" | jq .pid)
        assert_equal "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid"
        # CAP_KILL and CAP_NET_ADMIN at most
        assert_equal $((0x$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status") & ~0x1020)) 0
        assert_equal "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")" 1
        carrel delete --force "$CT"
        assert_clean
}

@test "oomScoreAdj holds for the machine on the host too" {
        local pid
        args sleep 1000
        edit '.process.oomScoreAdj = 432'
        carrel_detached create "$CT"
        for pid in $(carrel ps --format json "$CT" | jq '.[]'); do
                assert_equal "$(<"/proc/$pid/oom_score_adj")" 432
        done
        carrel delete --force "$CT"
        # lower is not for everybody: the container starts all the same
        edit '.process.oomScoreAdj = -998'
        carrel_detached create "$CT"
        carrel delete --force "$CT"
        assert_clean
}

@test "a machine without a limit of its own is no larger than the cgroup above it allows" {
        local above=/sys/fs/cgroup/memory/$CT-above
        need "no memory controller of version 1" test -d /sys/fs/cgroup/memory
        mkdir "$above"
        echo $((700 * 1024 * 1024)) >"$above/memory.limit_in_bytes"
        args sleep 1000
        edit '.linux.cgroupsPath = $path' --arg path "/$CT-above/$CT"
        carrel_detached create "$CT"
        # what QEMU, and what it translates, take beside the guest's memory
        run jq '.memory / 1048576' "$ROOT/$CT/record.json"
        [ "$output" -gt 256 ] && [ "$output" -lt 572 ] || fail "$output"
        carrel delete --force "$CT"
        find /sys/fs/cgroup -maxdepth 2 -name "$CT-above" -exec rmdir {} +
        assert_clean
}

@test "the console log is shown by console" {
        script 'sleep 30'
        carrel_detached run -d "$CT"
        run_carrel console "$CT"
        assert_line --partial 'fake guest: the last line'
        carrel delete --force "$CT"
        assert_clean
}

@test "the console log has a bound" {
        fake console=4096
        configure "$(jq '. + {consoleLimit: 65536}' "$CONFIG")"
        script 'sleep 30'
        carrel_detached run -d "$CT"
        sleep_until 10 grep -qs '^0004095 ' "$ROOT/$CT/console.log"
        [ "$(stat -c %s "$ROOT/$CT/console.log")" -le 65536 ]
        run_carrel console "$CT"
        [ "${#output}" -le 65536 ]
        carrel delete --force "$CT"
        assert_clean
}

@test "trace: the timeline of a container, also when it has stopped" {
        carrel run --keep "$CT" </dev/null >/dev/null || true
        run_carrel trace "$CT"
        assert_equal "$status" 0
        assert_timeline 'machine is gone' "$output"
        carrel delete "$CT"
        assert_clean
}

@test "trace --json; run --trace" {
        carrel run --keep "$CT" </dev/null >/dev/null || true
        run_carrel trace --json "$CT"
        assert_equal "$status" 0
        # two things go on at once, each in its order; there is neither a virtiofsd nor a kernel here
        jq -e 'def ordered(names): [.[names[]]] | . == sort and all(. != null and . > 0);
                ordered(["shim", "share", "qemu", "hello", "created", "start", "started", "exited", "stopped"])
                and ordered(["qemu", "qmp"]) and ordered(["hooks", "created"]) and (.virtiofsd // 0) == 0' <<<"$output" || fail "$output"
        carrel delete "$CT"
        run_carrel run --trace "$CT"
        assert_equal "$status $output" '5 hello'
        assert_timeline 'machine is gone' "$stderr"
        assert_clean
}
