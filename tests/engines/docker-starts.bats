#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The network is there when the first instruction of a container runs: each time. Two hundred with tools/test engines --full.

load ../lib/common
load ../lib/engines

setup_file() {
        export BATS_TEST_TIMEOUT=1800
        DOCKERD_MORE='{ "bridge": null, "bip": "172.30.77.1/24", "iptables": true }' engines_begin docker
}

setup() {
        need_built tests/vm/network-exercise
        engines_test
}

# starts COUNT: the program asks at once and only once, by datagrams of both families, which nobody sends again, and by TCP.
starts() {
        local i

        must docker network create --ipv6 --subnet 172.30.84.0/24 --subnet fd00:84::/64 starts
        # the bridge has a carrier all the time, and with it its address of IPv6
        must docker run -d --name carrier --runtime runc --network starts "$ENGINE_IMAGE" sleep 3600
        own_addresses_settle
        host_answers 7000 host
        for i in $(seq "$1"); do
                try docker run --rm --network starts "$ENGINE_IMAGE" network-exercise ask 7000 udp 172.30.84.1 udp fd00:84::1 tcp 172.30.84.1
                [ "$status $output" = $'0 host\nhost\nhost' ] || fail "start $i: status $status: $output $stderr"
        done
        host_is_silent
        must docker rm -f carrier
        must docker network rm starts
        assert_clean
}

@test "ten starts, and the network is there at the first instruction" {
        starts 10
}

# bats test_tags=full
@test "two hundred starts in a row, and the network is there at the first instruction, every time" {
        starts 200
}
