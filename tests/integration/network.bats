#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Network namespaces that a virtual machine must not take, and what happens on the host's side of those that it may.

load ../lib/common
load ../lib/fake
load ../lib/network

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sleep 20
}

teardown() {
        release_all
        test_end
}

@test "the host's network namespace is refused" {
        joined /proc/1/ns/net
        assert_refused "network namespace /proc/1/ns/net is the host's" create "$CT"
}

@test "a network namespace of a running process is refused, and the process named" {
        unshare --net sleep 30 &
        local pid=$!
        # it has a namespace of its own by then, and its name
        sleep_until 10 grep -qx sleep "/proc/$pid/comm"
        joined "/proc/$pid/ns/net"
        assert_refused "process $pid \(sleep\)" create "$CT"
        kill "$pid"
}

@test "a file that is no network namespace is refused" {
        joined /proc/self/ns/ipc
        assert_refused 'is not a namespace of type network' create "$CT"
        joined "$T/nothing"
        assert_refused 'No such file' create "$CT"
}

@test "an engine's wish for the host's network is refused" {
        : >"$T/resolv.conf"
        # shellcheck disable=SC2016
        edit 'del(.linux.namespaces[] | select(.type == "network")) |
                .mounts += [{destination: "/etc/resolv.conf", type: "bind", source: $file, options: ["bind"]}]' --arg file "$T/resolv.conf"
        assert_refused "host's network cannot be used" create "$CT"
}

@test "interfaces are spliced before the start, and the namespace is left as it was" {
        namespace one
        link one peer0 eth0 mtu 1400
        joined "$T/netns/one"
        carrel_detached create "$CT"
        run inside one tc filter show dev eth0 ingress
        assert_output --partial 'mirred (Egress Redirect to device carrel0)'
        carrel start "$CT"
        run inside one tc filter show dev eth0 ingress
        assert_output --partial 'mirred (Egress Redirect to device carrel0)'
        run inside one tc filter show dev carrel0 ingress
        assert_output --partial 'mirred (Egress Redirect to device eth0)'
        run inside one ip -o link show carrel0
        assert_output --partial 'mtu 1400'
        assert_output --partial ',UP'
        carrel kill "$CT" KILL
        wait_status "$CT" stopped
        run inside one tc qdisc show
        refute_output --partial ingress
        run inside one ip -o link
        refute_output --partial carrel
        carrel delete "$CT"
        ip link del peer0
        release one
        assert_clean
}

@test "an interface that comes later is spliced, one that goes frees its card" {
        carrel_detached create "$CT"
        carrel start "$CT"
        local pid
        pid=$(carrel state "$CT" | jq .pid)
        for name in eth0 eth1 eth2; do
                ip link add "peer-$name" type veth peer name "$name" netns "$pid"
                for ((i = 0; i < 100; i++)); do
                        if nsenter -t "$pid" -n tc filter show dev "$name" ingress | grep -q mirred; then break; fi
                        sleep 0.05
                done
                [ "$i" -lt 100 ] || fail "$name was not spliced: $(<"$ROOT/$CT/shim.log")"
                nsenter -t "$pid" -n ip link del "$name"
        done
        carrel delete --force "$CT"
        assert_clean
}

@test "more interfaces than cards: start says what to do" {
        namespace many
        for name in eth0 eth1 eth2; do link many "peer-$name" "$name"; done
        joined "$T/netns/many"
        carrel_detached create "$CT"
        run_carrel start "$CT"
        assert_equal "$status" 1
        [[ $stderr = *"3 network interfaces"*networkCards* ]] || fail "$stderr"
        carrel delete --force "$CT"
        for name in eth0 eth1 eth2; do ip link del "peer-$name"; done
        release many
        assert_clean
}
