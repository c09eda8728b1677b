#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is done to a container that runs: ps, pause and resume, events, update. QEMU and guest are a stand-in.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sleep 60
}

fails_with() {
        local words=$1
        shift
        run_carrel "$@"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *"$words"* ]] || fail "expected \"$words\" in: $stderr"
}

# What the stand-in's agent was asked for: `told update` shows the documents of all updates, one a line.
told() {
        carrel console "$CT" | sed -n "s/^$1 //p"
}

events_show() {
        grep -q "$1" "$T/events"
}

# ---- ps ----

@test "ps: the host's processes of the container, as JSON and as ps(1) shows them" {
        carrel_detached run -d "$CT"
        local shim pids
        shim=$(carrel state "$CT" | jq .pid)
        run_carrel ps --format json "$CT"
        assert_equal "$status" 0
        # the program, too, when there is no machine around it
        jq -e "index($shim) != null and length == 3" <<<"$output" || fail "$output"
        carrel_detached exec -d --pid-file "$T/exec.pid" "$CT" sleep 30
        run_carrel ps -f json "$CT"
        jq -e "length == 5 and index($(cat "$T/exec.pid")) != null" <<<"$output" || fail "$output"
        pids=$(jq -r 'sort | .[]' <<<"$output")

        run_carrel ps "$CT"
        assert_equal "$status" 0
        [[ ${lines[0]} =~ ^UID\ +PID\ +PPID ]] || fail "${lines[0]}"
        assert_equal "$(awk 'NR > 1 { print $2 }' <<<"$output" | sort -n)" "$pids"
        run_carrel ps --format table "$CT" -o pid,comm
        [[ ${lines[0]} =~ ^\ *PID\ COMMAND$ ]] || fail "${lines[0]}"
        assert_line --regexp "^ *$shim carrel-shim$"
        carrel delete --force "$CT"
        assert_clean
}

@test "ps: bad formats, bad options of ps, a container that is not there or has stopped" {
        fails_with 'does not exist' ps "$CT"
        carrel_detached run -d "$CT"
        fails_with 'invalid format option' ps --format xml "$CT"
        fails_with "couldn't find PID field" ps "$CT" -o comm
        fails_with 'ps: exit status 1' ps "$CT" --no-such-option
        fails_with '--guest takes no options' ps --guest "$CT" -ef
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        run_carrel ps --format json "$CT"
        assert_equal "$output" null
        fails_with 'container not running' ps --guest "$CT"
        carrel delete "$CT"
        assert_clean
}

@test "ps --guest: the guest's table" {
        carrel_detached run -d "$CT"
        run_carrel ps --guest "$CT"
        assert_equal "$status" 0
        [[ ${lines[0]} =~ ^PID\ +GUESTPID\ +UID\ +STATE\ +TIME\ +COMMAND$ ]] || fail "${lines[0]}"
        # what would be more than text to a terminal is shown as numbers
        [[ ${lines[1]} =~ ^1\ +101\ +7\ +S\ +00:01:01\ +fake\ program\\x0a\\x1b\[2J$ ]] || fail "${lines[1]}"
        run_carrel ps --guest --format json "$CT"
        assert_equal "$(jq -c 'map([.pid, .containerPid, .uid, .command])' <<<"$output")" '[[101,1,7,"fake program\n\u001b[2J"]]'
        carrel delete --force "$CT"
        assert_clean
}

# ---- pause and resume ----

@test "pause and resume: state, list, refusals in runc's words" {
        fails_with 'does not exist' pause "$CT"
        fails_with 'does not exist' resume "$CT"
        carrel_detached run -d "$CT"
        fails_with 'container not paused' resume "$CT"
        run_carrel pause "$CT"
        assert_equal "$status" 0
        assert_equal "$output$stderr" ''
        status_is "$CT" paused
        assert_equal "$(carrel list -f json | jq -r '.[].status')" paused
        assert_equal "$(carrel state "$CT" | jq '.pid > 0')" true
        fails_with 'container not running' pause "$CT"
        fails_with 'cannot start a container in the paused state' start "$CT"
        fails_with 'that is not stopped: paused' delete "$CT"
        fails_with 'is paused' ps --guest "$CT"
        fails_with 'is paused' events --stats "$CT"
        run_carrel exec "$CT" true
        assert_equal "$status" 255
        [[ $stderr = *'cannot exec in a paused container (use --ignore-paused to override)'* ]] || fail "$stderr"
        run_carrel ps --format json "$CT"
        assert_equal "$(jq length <<<"$output")" 3
        run_carrel resume "$CT"
        assert_equal "$status" 0
        assert_equal "$output$stderr" ''
        status_is "$CT" running
        fails_with 'container not paused' resume "$CT"
        run_carrel exec "$CT" echo again
        assert_equal "$output" again
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        fails_with 'container not running' pause "$CT"
        fails_with 'container not paused' resume "$CT"
        carrel delete "$CT"
        assert_clean
}

@test "pause: the program stands still; after resume the guest is told the time" {
        local before now
        script 'while :; do echo x; sleep 0.1; done'
        carrel create "$CT" </dev/null >"$T/out" 2>&1
        carrel start "$CT"
        sleep_until 10 test -s "$T/out"
        carrel pause "$CT"
        sleep 0.5
        before=$(stat -c %s "$T/out")
        sleep 1
        assert_equal "$(stat -c %s "$T/out")" "$before"
        assert_equal "$(told clock)" ''
        now=$(date +%s)
        carrel resume "$CT"
        sleep_until 10 eval '[ "$(stat -c %s "$T/out")" -gt "$before" ]' || fail 'it stands still'
        # an agent that does not know the request (the stand-in's answer) is no reason for a word
        sleep_until 10 eval '[ -n "$(told clock)" ]' || fail 'it was told no time'
        told clock | jq -e --argjson now "$now" '.realtime / 1000000000 >= $now and .realtime / 1000000000 < $now + 20'
        assert_equal "$(cat "$ROOT/$CT/shim.log")" ''
        carrel delete --force "$CT"
        assert_clean
}

@test "pause of a created container: resumed, it is created again" {
        carrel_detached create "$CT"
        carrel pause "$CT"
        status_is "$CT" paused
        fails_with 'cannot start a container in the paused state' start "$CT"
        carrel resume "$CT"
        status_is "$CT" created
        carrel start "$CT"
        status_is "$CT" running
        carrel delete --force "$CT"
        assert_clean
}

@test "signals to a paused container: SIGKILL ends it, others wait until it is resumed" {
        script 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
        carrel create "$CT" </dev/null >"$T/out" 2>&1
        carrel start "$CT"
        sleep_until 10 grep -q ready "$T/out"
        carrel pause "$CT"
        LIMIT=5 run_carrel kill "$CT" TERM
        assert_equal "$status" 0
        sleep 0.5
        status_is "$CT" paused
        carrel resume "$CT"
        wait_status "$CT" stopped
        carrel delete "$CT"

        args sleep 60
        carrel_detached run -d "$CT"
        carrel pause "$CT"
        LIMIT=5 run_carrel kill "$CT" KILL
        assert_equal "$status" 0
        wait_status "$CT" stopped 5
        carrel delete "$CT"
        assert_clean
}

@test "a paused container: delete --force, kill --all, the death of its shim" {
        carrel_detached run -d "$CT"
        carrel pause "$CT"
        carrel delete --force "$CT"
        assert_clean

        carrel_detached run -d "$CT"
        carrel pause "$CT"
        carrel kill --all "$CT" 9
        wait_status "$CT" stopped 5
        carrel kill --all "$CT" 9
        carrel delete "$CT"

        carrel_detached run -d "$CT"
        carrel pause "$CT"
        kill -KILL "$(carrel state "$CT" | jq .pid)"
        wait_status "$CT" stopped 5
        carrel delete "$CT"
        assert_clean
}

@test "exec --ignore-paused waits for the resume" {
        carrel_detached run -d "$CT"
        carrel pause "$CT"
        carrel exec --ignore-paused "$CT" echo inside </dev/null >"$T/exec.out" 2>&1 &
        sleep 1
        assert_equal "$(cat "$T/exec.out")" ''
        carrel resume "$CT"
        wait $!
        assert_equal "$(cat "$T/exec.out")" inside
        carrel delete --force "$CT"
        assert_clean
}

# ---- events ----

@test "events --stats: once, with what the guest counted" {
        carrel_detached run -d "$CT"
        run_carrel events --stats "$CT"
        assert_equal "$status" 0
        assert_equal "${#lines[@]}" 1
        assert_equal "$(jq -c '[keys_unsorted, .type, .id, .data.cpu.usage.total, .data.memory.usage.usage, .data.pids.current]' \
                <<<"$output")" "[[\"type\",\"id\",\"data\"],\"stats\",\"$CT\",77,12345,3]"
        carrel delete --force "$CT"
        assert_clean
}

@test "events: statistics at intervals, shortage of memory, and the end with the container" {
        fake oom
        carrel_detached run -d "$CT"
        carrel events --interval 300ms "$CT" >>"$T/events" 2>"$T/events.err" &
        local follower=$!
        sleep_until 10 events_show '"type":"stats"' || fail "$(cat "$T/events.err")"
        carrel kill "$CT" USR2
        sleep_until 10 events_show '"type":"oom"' || fail "$(cat "$T/events")"
        assert_equal "$(grep -v stats "$T/events")" "{\"type\":\"oom\",\"id\":\"$CT\"}"
        # a pause is no end
        carrel pause "$CT"
        sleep 1
        carrel resume "$CT"
        kill -0 "$follower"
        : >"$T/events"
        sleep_until 10 events_show '"type":"stats"'
        carrel kill "$CT" KILL
        wait "$follower"
        assert_equal "$(cat "$T/events.err")" ''
        jq -es 'all(.id and .type)' "$T/events" >/dev/null
        carrel delete "$CT"
        assert_clean
}

@test "events: bad intervals, a container that does not run, a guest that lies" {
        local interval
        fails_with 'does not exist' events "$CT"
        carrel_detached create "$CT"
        for interval in 0 0s -1s 5 5x s 1e9s 1s1 'x'; do
                run_carrel events --interval "$interval" "$CT"
                assert_equal "$interval $status" "$interval 1"
                assert_one_line_error
        done
        for interval in 1h30m 0.5s 100us; do
                run_carrel events --stats --interval "$interval" "$CT"
                assert_equal "$interval $status" "$interval 0"
        done
        carrel start "$CT"
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        fails_with "container with id $CT is not running" events "$CT"
        carrel delete "$CT"

        fake stats=garbage
        carrel_detached run -d "$CT"
        fails_with 'statistics of the guest' events --stats "$CT"
        carrel delete --force "$CT"
        fake stats=error
        carrel_detached run -d "$CT"
        fails_with 'nobody can count' events --stats "$CT"
        carrel delete --force "$CT"
        assert_clean
}

# ---- update ----

@test "update: every option is a key of what the guest is told" {
        edit '.linux.resources = {memory: {limit: 536870912}}'
        carrel_detached run -d "$CT"
        run_carrel update --memory 128m --memory-reservation 64MiB --memory-swap 256M --cpu-quota 50000 --cpu-period 100000 \
                --cpu-burst 1000 --cpu-share 512 --cpu-idle 0 --pids-limit 77 "$CT"
        assert_equal "$status" 0
        assert_equal "$output$stderr" ''
        assert_equal "$(told update | jq -cS .)" "$(jq -cS . <<<'{"memory": {"limit": 134217728, "reservation": 67108864, "swap": 268435456},
                "cpu": {"quota": 50000, "period": 100000, "burst": 1000, "shares": 512, "idle": 0}, "pids": {"limit": 77}}')"
        status_is "$CT" running
        carrel delete --force "$CT"
        assert_clean
}

@test "update --resources: a file, standard input, options on top" {
        edit '.linux.resources = {memory: {limit: 536870912}}'
        carrel_detached run -d "$CT"
        # as containerd writes it: zeros, keys of others, what an engine always sends
        echo '{"memory": {"limit": 104857600, "swap": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""},
                "blockIO": {"weight": 0}, "devices": [{"allow": false, "access": "rwm"}], "somethingNew": 1}' >"$T/resources"
        run_carrel update --resources "$T/resources" "$CT"
        assert_equal "$status" 0
        assert_equal "$stderr" ''
        assert_equal "$(told update | jq -c '[.memory.limit, .devices, .blockIO]')" '[104857600,null,null]'
        run_carrel update -r - --pids-limit 5 "$CT" <"$T/resources"
        assert_equal "$status" 0
        assert_equal "$(told update | tail -n 1 | jq -c '[.memory.limit, .pids.limit]')" '[104857600,5]'
        carrel delete --force "$CT"
        assert_clean
}

@test "update: a limit above what the machine has is cut, and said" {
        edit '.linux.resources = {memory: {limit: 268435456}}'
        carrel_detached run -d "$CT"
        # what it has is not too much
        run_carrel update --memory 256m --memory-swap -1 "$CT"
        assert_equal "$stderr" ''
        run_carrel update --memory 4g --memory-swap 5g "$CT"
        assert_equal "$status" 0
        assert_equal "$(grep -c . <<<"$stderr")" 1
        [[ $stderr = *'warning: linux.resources.memory.limit: 4096 MiB are more than the virtual machine has; the container may use 25'[0-9]' MiB'* ]] ||
                fail "$stderr"
        told update | tail -n 1 | jq -e '.memory.limit >= 268435456 - 1048576 and .memory.limit < 272000000
                and .memory.swap - .memory.limit == 1073741824'
        echo '{"unified": {"memory.max": "4294967296", "pids.max": "9"}}' >"$T/resources"
        run_carrel update --resources "$T/resources" "$CT"
        [[ $stderr = *'4096 MiB are more'* ]] || fail "$stderr"
        told update | tail -n 1 | jq -e '(.unified."memory.max" | tonumber) < 272000000 and .unified."pids.max" == "9"'
        run_carrel update --cpu-quota 9900000 --cpu-period 100000 "$CT"
        assert_equal "$status" 0
        [[ $stderr = *'99 CPUs are more than the virtual machine has'* ]] || fail "$stderr"
        carrel delete --force "$CT"
        assert_clean
}

cgroup_value() {
        find /sys/fs/cgroup -path "*$CT*" \( -name "$1" -o -name "$2" \) -exec cat {} \; | head -n 1
}

@test "update: the host's cgroup" {
        edit '.linux.resources = {memory: {limit: 268435456}}'
        carrel_detached run -d "$CT"
        local memory
        memory=$(cgroup_value memory.limit_in_bytes memory.max)
        need 'this host has no memory controller' test -n "$memory"
        carrel update --memory 64m "$CT"
        # the machine keeps its RAM
        assert_equal "$(cgroup_value memory.limit_in_bytes memory.max)" "$memory"
        carrel update --memory -1 "$CT"
        [[ $(cgroup_value memory.limit_in_bytes memory.max) =~ ^(max|9[0-9]{18})$ ]] || fail "$(cgroup_value memory.limit_in_bytes memory.max)"
        carrel update --memory 64m "$CT"
        assert_equal "$(cgroup_value memory.limit_in_bytes memory.max)" "$memory"
        if [ -n "$(cgroup_value cpu.cfs_quota_us cpu.max)" ]; then
                carrel update --cpu-quota 50000 --cpu-period 100000 "$CT"
                [[ $(cgroup_value cpu.cfs_quota_us cpu.max) = 50000* ]]
        fi
        carrel delete --force "$CT"
        assert_clean
}

@test "update: what a machine cannot do is refused or warned about, in the words of create" {
        carrel_detached run -d "$CT"
        fails_with 'a guest'\''s processors have no realtime guarantee' update --cpu-rt-runtime 950000 "$CT"
        assert_equal "$(told update)" ''
        run_carrel update --blkio-weight 500 --kernel-memory 1g --l3-cache-schema L3:0=f "$CT"
        assert_equal "$status" 0
        [[ $stderr = *'warning: linux.resources.blockIO: '*'warning: '* ]] || fail "$stderr"
        [[ $stderr = *'linux.resources.memory.kernel: '* && $stderr = *'--l3-cache-schema: '* ]] || fail "$stderr"
        carrel delete --force "$CT"
        assert_clean
}

@test "update: bad input changes nothing" {
        local options
        fails_with 'does not exist' update --memory 1g "$CT"
        carrel_detached run -d "$CT"
        for options in '--memory x' '--memory 1.2.3m' '--memory 12q' '--memory -5' '--memory 99999999999999t' '--memory 1mm' '--cpu-quota 1m' \
                '--pids-limit 1.5' '--cpu-share -1' '--cpu-share' '--no-such 1' '--cpuset-cpus x' "--resources $T/none" "--resources $T"; do
                # shellcheck disable=SC2086
                run_carrel update $options "$CT"
                [ "$status" -ne 0 ] || fail "update $options: status 0"
                assert_one_line_error
        done
        for options in '' '[]' '{"memory": 1}' '{"memory": {"limit": "1g"}}' '{' '{"devices": [{"allow": true, "type": "x"}]}'; do
                echo "$options" >"$T/resources"
                run_carrel update -r "$T/resources" "$CT"
                [ "$status" -eq 1 ] || fail "update with $options: status $status"
                assert_one_line_error
        done
        assert_equal "$(told update)" ''
        status_is "$CT" running
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        fails_with 'container not running' update --memory 1g "$CT"
        carrel delete "$CT"
        assert_clean
}

@test "update of a created and of a paused container" {
        carrel_detached create "$CT"
        carrel update --pids-limit 9 "$CT"
        assert_equal "$(told update | jq -c .)" '{"pids":{"limit":9}}'
        carrel start "$CT"
        carrel pause "$CT"
        LIMIT=10 run_carrel update --pids-limit 10 "$CT"
        assert_equal "$status" 0
        assert_equal "$(told update | wc -l)" 1
        carrel resume "$CT"
        sleep_until 10 eval '[ "$(told update | wc -l)" -eq 2 ]' || fail "$(told update)"
        assert_equal "$(told update | tail -n 1 | jq -c .)" '{"pids":{"limit":10}}'
        carrel delete --force "$CT"
        assert_clean
}

# ---- what there is not ----

@test "checkpoint and restore: refused in one line, whatever their options" {
        carrel_detached run -d "$CT"
        fails_with 'checkpoint: not supported' checkpoint --image-path "$T/image" --leave-running "$CT"
        fails_with 'restore: not supported' restore --bundle "$BUNDLE" --image-path "$T/image" -d "$CT"
        run_carrel checkpoint --help
        assert_equal "$status" 0
        [[ $output = *Usage:* ]]
        status_is "$CT" running
        carrel delete --force "$CT"
        assert_clean
}

# ---- descriptors and options for engines ----

# take_pidfd SOCKET: waits for one message with one descriptor; shows what it says and which process it is of.
take_pidfd() {
        rm -f "$T/pidfd"
        python3 -IS -c '
import re, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.settimeout(30)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
connection, _ = listener.accept()
payload, fds, _, _ = socket.recv_fds(connection, 4096, 4)
assert len(fds) == 1, fds
print(payload.decode(), *re.findall(r"^Pid:\t(-?\d+)$", open(f"/proc/self/fdinfo/{fds[0]}").read(), re.M))
' "$1" >"$T/pidfd" 2>&1 3>&- &
        taker=$!
        sleep_until 10 grep -qs listening "$T/pidfd"
}

@test "--pidfd-socket: create, run and exec send one" {
        take_pidfd "$T/socket1"
        carrel_detached create --pidfd-socket "$T/socket1" --pid-file "$T/pid" "$CT"
        wait "$taker"
        assert_equal "$(tail -n 1 "$T/pidfd")" "standard $(cat "$T/pid")"
        carrel start "$CT"
        take_pidfd "$T/socket2"
        carrel_detached exec --pidfd-socket "$T/socket2" --detach --pid-file "$T/exec.pid" "$CT" sleep 60
        wait "$taker"
        assert_equal "$(tail -n 1 "$T/pidfd")" "setns $(cat "$T/exec.pid")"
        run_carrel exec --pidfd-socket "$T/nowhere" "$CT" true
        assert_equal "$status" 255
        [[ $stderr = *"--pidfd-socket $T/nowhere"* ]] || fail "$stderr"
        carrel delete --force "$CT"
        take_pidfd "$T/socket3"
        carrel_detached run -d --pidfd-socket "$T/socket3" --pid-file "$T/pid" "$CT"
        wait "$taker"
        assert_equal "$(tail -n 1 "$T/pidfd")" "standard $(cat "$T/pid")"
        carrel delete --force "$CT"
        assert_refused "--pidfd-socket $T/nowhere" create --pidfd-socket "$T/nowhere" "$CT"
}

@test "exec: the options about the process" {
        carrel_detached run -d "$CT"
        run_carrel exec --user 1000:1000 --additional-gids 2000 --additional-gids 3000 "$CT" id
        assert_equal "$output" 'uid=1000(user) gid=1000(user) groups=2000(more),3000'
        run_carrel exec --cap net_admin --cap CAP_SYS_TIME --no-new-privs "$CT" true
        assert_equal "$status" 0
        run_carrel exec --user root "$CT" true
        assert_equal "$status" 255
        run_carrel exec --cgroup memory:/a "$CT" true
        assert_equal "$status" 255
        [[ $stderr = *'--cgroup memory:/a: the guest has cgroups version 2'* ]] || fail "$stderr"
        run_carrel exec --preserve-fds 2 "$CT" echo still
        assert_equal "$output" still
        carrel delete --force "$CT"
        assert_clean
}

# ---- console ----

@test "console --follow: what comes later, until the container has stopped" {
        carrel_detached run -d "$CT"
        carrel console --follow "$CT" >"$T/followed" 2>"$T/followed.err" &
        local follower=$!
        sleep_until 10 grep -q 'fake guest: the last line' "$T/followed"
        refute grep -q '^update ' "$T/followed"
        # the stand-in writes on its console what it is told
        carrel update --pids-limit 77 "$CT"
        sleep_until 10 grep -q '^update .*77' "$T/followed" || fail "$(cat "$T/followed")"
        carrel pause "$CT"
        sleep 0.3
        kill -0 "$follower"
        carrel resume "$CT"
        carrel kill "$CT" KILL
        wait "$follower"
        assert_equal "$(cat "$T/followed.err")" ''
        # nothing twice, nothing missing
        carrel console "$CT" | cmp - "$T/followed"
        # of a stopped container it is what there is
        LIMIT=5 run_carrel console -f "$CT"
        assert_equal "$status" 0
        assert_equal "$output" "$(cat "$T/followed")"
        carrel delete "$CT"
        assert_clean
}

@test "console --follow: a log at its limit is replaced by its newer half" {
        carrel_detached run -d "$CT"
        carrel console -f "$CT" >"$T/followed" 2>"$T/followed.err" &
        local follower=$!
        sleep_until 10 grep -q 'fake guest: the last line' "$T/followed"
        echo 'the newer half' >"$ROOT/$CT/console.new"
        mv "$ROOT/$CT/console.new" "$ROOT/$CT/console.log"
        sleep_until 10 grep -q 'the newer half' "$T/followed"
        carrel delete --force "$CT"
        wait "$follower"
        assert_equal "$(tail -n 3 "$T/followed")" 'fake guest: the last line
[the older part of the log was dropped]
the newer half'
        assert_equal "$(cat "$T/followed.err")" ''
        assert_clean
}

@test "console --follow ends with the container's folder, and with its reader" {
        carrel_detached run -d "$CT"
        carrel console -f "$CT" >"$T/followed" 2>"$T/followed.err" &
        local follower=$!
        sleep_until 10 test -s "$T/followed"
        carrel delete --force "$CT"
        wait "$follower"
        assert_equal "$(cat "$T/followed.err")" ''
        carrel_detached run -d "$CT"
        LIMIT=10 carrel console -f "$CT" | head -n 1 >"$T/first"
        assert_equal "$(cat "$T/first")" 'fake guest: console line one'
        carrel delete --force "$CT"
        assert_clean
}

@test "kill: numbers and names in every form; again when it has stopped" {
        local signal
        args sleep 60
        carrel_detached run -d "$CT"
        for signal in 0 sigcont CONT cont SIGCONT 18; do
                run_carrel kill "$CT" "$signal"
                assert_equal "$signal $status $stderr" "$signal 0 "
        done
        for signal in 65 -1 99999999999999999999 '' SIG SIGSIG 9x; do
                run_carrel kill "$CT" -- "$signal"
                assert_equal "$signal $status" "$signal 1"
                assert_one_line_error
        done
        carrel kill --all "$CT" KILL
        wait_status "$CT" stopped
        fails_with 'container not running' kill "$CT" KILL
        run_carrel kill --all "$CT" KILL
        assert_equal "$status" 0
        carrel delete --force "$CT"
        run_carrel delete --force "$CT"
        assert_equal "$status" 0
        fails_with 'container does not exist' delete "$CT"
        fails_with 'container does not exist' kill --all "$CT" 9
        assert_clean
}
