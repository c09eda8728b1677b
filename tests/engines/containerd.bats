#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd, driven with ctr: run, exec, terminals, signals, tasks, metrics.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin containerd
}

@test "run: output, exit status, and a program that is not there" {
        try ctr_run --rm "$CTR_IMAGE" one sh -c 'echo out; echo err >&2; exit 42'
        assert_equal "$status,$output" 42,out
        assert_equal "${stderr%%$'\n'*}" err
        # (this ctr never ends the standard input of a container without a terminal, with runc neither)
        try ctr_run --rm --env A=b --cwd /tmp "$CTR_IMAGE" one sh -c 'uname -r; echo $A; pwd'
        assert_line --index 0 --partial carrel
        assert_line --index 1 b
        assert_line --index 2 /tmp
        try ctr_run --rm "$CTR_IMAGE" one no-such-program
        assert_equal "$status" 1
        [[ $stderr = *'exec: "no-such-program": executable file not found in $PATH'* ]] || fail "$stderr"
        ctr snapshot rm one 2>/dev/null || true
        assert_clean
}

@test "options: mounts, read-only, memory, privileged" {
        mkdir bound
        echo text >bound/file
        try ctr_run --rm --mount "type=bind,src=$T/bound,dst=/bound,options=rbind:ro" --read-only \
                --memory-limit 67108864 "$CTR_IMAGE" one sh -c '
                cat /bound/file; touch /bound/x || touch /x || echo refused; tail /dev/zero; echo $?'
        assert_equal "$output" $'text\nrefused\n137'
        try ctr_run --rm --privileged "$CTR_IMAGE" one sh -c 'mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted'
        assert_equal "$output" mounted
        assert_clean
}

# The subscriber is there: something that makes an event, until it shows.
sees_events() {
        ctr image label "$CTR_IMAGE" "seen=$RANDOM" >/dev/null
        [ -s "$T/events" ]
}

@test "out of memory: containerd's event of it, before that of the end" {
        ctr events >"$T/events" &
        sleep_until 10 sees_events
        must ctr_run -d --memory-limit 50331648 "$CTR_IMAGE" one tail /dev/zero
        sleep_until 20 grep -q /tasks/exit "$T/events" || fail "$(cat "$T/events")"
        kill $!
        assert_equal "$(grep -oE '/tasks/(oom|exit) .*"container_id":"one"' "$T/events" | cut -d' ' -f1 | uniq | paste -sd ' ')" '/tasks/oom /tasks/exit'
        must ctr task rm one
        must ctr container rm one
        assert_clean
}

@test "a terminal: size, resize, exit status; exec on a terminal beside it" {
        run "$TESTS/lib/terminal" 31x97 'expect:# ' "$(size_becomes 31 97)" 'expect:31 97' 'resize:40x120' "$(size_becomes 40 120)" \
                'expect:40 120' 'send:exit 9\n' -- ctr run --rm -t --runc-binary /usr/local/bin/carrel "$CTR_IMAGE" one sh
        [ "$status" -eq 9 ] || fail "$status: $output"
        must ctr_run -d "$CTR_IMAGE" two sleep 300
        run "$TESTS/lib/terminal" 30x90 'expect:# ' "$(size_becomes 30 90)" 'expect:30 90' 'send:exit 4\n' -- \
                ctr task exec -t --exec-id sh two sh
        [ "$status" -eq 4 ] || fail "$status: $output"
        must ctr task rm -f two
        must ctr container rm two
        assert_clean
}

@test "a task: exec, ps, metrics, kill of an exec and of all, and how it is deleted" {
        must ctr_run -d "$CTR_IMAGE" one sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
        assert_equal "$(ctr task ls | awk '$1 == "one" { print $3 }')" RUNNING
        try ctr task exec --exec-id first one sh -c 'echo in; exit 3'
        assert_equal "$status $output" '3 in'
        try ctr task exec --exec-id second one sh -c 'kill -9 $$'
        assert_equal "$status" 137
        ctr task exec --exec-id third one sleep 12345 >/dev/null 2>&1 </dev/null &
        sleep_until 10 eval 'ctr task exec --exec-id look$RANDOM one ps | grep -q "sleep 12345"'
        must ctr task kill --exec-id third -s TERM one
        try wait $!
        assert_equal "$status" 143
        must ctr task ps one
        assert_line --partial "$(ctr task ls | awk '$1 == "one" { print $2 }')"
        try ctr task metrics one
        assert_line --regexp '^memory\.usage(_in_bytes)? +[1-9]'
        must ctr task kill -s TERM one
        sleep_until 10 eval '[ "$(ctr task ls | awk "/^one/ { print \$3 }")" = STOPPED ]'
        try ctr task rm one
        [[ "$output$stderr" = *'exit code 7'* ]] || fail "$output $stderr"
        must ctr container rm one
        assert_clean
}

@test "pause and resume" {
        must ctr_run -d "$CTR_IMAGE" one sleep 300
        must ctr task pause one
        assert_equal "$(ctr task ls | awk '$1 == "one" { print $3 }')" PAUSED
        must ctr task resume one
        try ctr task exec --exec-id first one echo on
        assert_equal "$output" on
        must ctr task rm -f one
        must ctr container rm one
        assert_clean
}

@test "checkpoint is refused in one line" {
        must ctr_run -d "$CTR_IMAGE" one sleep 300
        try ctr task checkpoint one
        [ "$status" -ne 0 ]
        [[ $stderr = *checkpoint* ]] || fail "$stderr"
        must ctr task rm -f one
        must ctr container rm one
        assert_clean
}

@test "kill -9 of carrel-shim, QEMU, virtiofsd, containerd's shim: the end is seen, nothing is left" {
        local program

        for program in carrel-shim qemu-system virtiofsd; do
                must ctr_run -d "$CTR_IMAGE" one sleep 300
                kill -KILL "$(pids_of "$program" | head -n 1)"
                sleep_until 10 eval '[ "$(ctr task ls | awk "/^one/ { print \$3 }")" = STOPPED ]'
                try ctr task rm one
                [[ $stderr = *'non-zero exit code'* ]] || fail "$stderr"
                must ctr container rm one
                assert_clean
        done
        must ctr_run -d "$CTR_IMAGE" one sleep 300
        kill -KILL "$(pgrep -f 'containerd-shim-runc-v2 .*-id one')"
        sleep_until 20 none_running || fail "$(ours_running)"
        sleep_until 10 eval '! ctr task ls | grep -q "^one.*RUNNING"'
        ctr task rm -f one >/dev/null 2>&1 || true
        must ctr container rm one
        assert_clean
}

@test "networks by CNI: bridge, host-local, static routes, firewall, tuning, loopback; what runc sees is seen" {
        local theirs

        need_program /usr/lib/cni/bridge
        need_built tests/vm/network-exercise
        mkdir -p /etc/cni/net.d
        cat >/etc/cni/net.d/10-own.conflist <<NETWORK
{ "cniVersion": "0.4.0", "name": "own", "plugins": [
  { "type": "bridge", "bridge": "cni7", "isGateway": true, "ipMasq": true, "hairpinMode": true,
    "ipam": { "type": "host-local", "dataDir": "$T/cni", "ranges": [[{ "subnet": "10.88.7.0/24" }], [{ "subnet": "fd00:88::/64" }]],
      "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }, { "dst": "192.0.2.0/24", "gw": "10.88.7.9" }] } },
  { "type": "firewall", "backend": "iptables" },
  { "type": "tuning", "mtu": 1390, "sysctl": { "net.ipv4.conf.eth0.arp_notify": "1", "net.ipv6.conf.eth0.accept_ra": "0" } } ] }
NETWORK
        echo '{ "cniVersion": "0.4.0", "name": "lo", "type": "loopback" }' >/etc/cni/net.d/99-loopback.conf
        # all but the addresses, which are new each time
        # shellcheck disable=SC2016
        local look='ls /sys/class/net; cat /sys/class/net/eth0/mtu /proc/sys/net/ipv4/conf/eth0/arp_notify /proc/sys/net/ipv6/conf/eth0/accept_ra
                ip route | sed "s/ *src .*//; s/ *$//"; ip -6 route | grep -v ff00 | sed "s/ *$//"; ip -o address show | grep -c -E "10\.88\.7\.|fd00:88::"'
        try ctr run --rm --cni "$CTR_IMAGE" one sh -c "$look"
        theirs=$output
        try ctr_run --rm --cni "$CTR_IMAGE" one sh -c "$look"
        assert_equal "$status $output" "0 $theirs"
        assert_line 1390
        assert_line --partial '192.0.2.0/24 via 10.88.7.9 dev eth0'
        own_addresses_settle
        host_answers 7000 host
        try ctr_run --rm --cni "$CTR_IMAGE" one network-exercise ask 7000 udp 10.88.7.1 tcp 10.88.7.1 udp fd00:88::1
        assert_equal "$output" $'host\nhost\nhost'
        host_is_silent
        ip link delete cni7
        rm -r /etc/cni/net.d
        assert_clean
}
