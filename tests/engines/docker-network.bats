#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks of docker: the default bridge, networks of its user, names, published ports, several networks.

load ../lib/common
load ../lib/engines

setup_file() {
        DOCKERD_MORE='{ "bridge": null, "bip": "172.30.77.1/24", "iptables": true }' engines_begin docker
}

@test "the default bridge: the interface as docker says it, the host and another container are reached" {
        local address mac

        must docker run -d --name one "$ENGINE_IMAGE" nc -ll -p 80 -e echo served
        address=$(inspect one '{{.NetworkSettings.IPAddress}}')
        mac=$(inspect one '{{.NetworkSettings.MacAddress}}')
        try docker exec one sh -c 'ip -o address show dev eth0; ip route; cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu'
        assert_line --partial "$address/24"
        assert_line --regexp '^default via 172\.30\.77\.1 dev eth0'
        assert_line "$mac"
        assert_line 1500
        # from the host, and from a container of runc
        assert_equal "$(busybox nc -w 5 "$address" 80 </dev/null)" served
        try docker run --rm --runtime runc "$ENGINE_IMAGE" nc -w 5 "$address" 80 </dev/null
        assert_equal "$output" served
        try docker run --rm "$ENGINE_IMAGE" sh -c "ping -c 1 -W 5 172.30.77.1 >/dev/null && nc -w 5 $address 80" </dev/null
        assert_equal "$output" served
        must docker rm -f one
        assert_clean
}

@test "a network of one's own: names are found, both ways; published ports by TCP" {
        must docker network create --subnet 172.30.78.0/24 own
        must docker run -d --name server --network own --network-alias database -p 127.0.0.1:8099:80 "$ENGINE_IMAGE" \
                nc -ll -p 80 -e echo served
        try docker run --rm --network own --name client "$ENGINE_IMAGE" sh -c 'nc -w 5 server 80 </dev/null; nc -w 5 database 80 </dev/null; nslookup server | grep -c 172.30.78'
        assert_line --index 0 served
        assert_line --index 1 served
        assert_equal "$(busybox nc -w 5 127.0.0.1 8099 </dev/null)" served
        # a second network, to a container that runs
        must docker network create --subnet 172.30.79.0/24 other
        must docker network connect other server
        sleep_until 10 docker exec server sh -c 'ip address show dev eth1 | grep -q 172.30.79'
        must docker network disconnect other server
        sleep_until 10 eval '! docker exec server ip address show dev eth1 | grep -q 172.30.79'
        must docker rm -f server
        must docker network rm own other
        assert_clean
}

@test "no network; that of a container of ours; those of others and of the host are refused, and stay whole" {
        try docker run --rm --network none "$ENGINE_IMAGE" ls /sys/class/net
        assert_equal "$output" lo
        must docker run -d --name theirs --runtime runc "$ENGINE_IMAGE" sleep 300
        try docker run --rm --network container:theirs "$ENGINE_IMAGE" true
        assert_equal "$status" 125
        [[ $stderr = *'a virtual machine cannot share it'* ]] || fail "$stderr"
        try docker exec theirs ping -c 1 -W 5 172.30.77.1
        assert_equal "$status" 0
        must docker rm -f theirs
        must docker run -d --name ours "$ENGINE_IMAGE" nc -ll -p 7000 -e echo from the other
        try docker run --rm --network container:ours "$ENGINE_IMAGE" sh -c 'until nc 127.0.0.1 7000 </dev/null; do sleep 0.1; done; ip -o -4 address show dev eth0'
        assert_equal "$status" 0
        assert_line "from the other"
        assert_line --partial "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' ours)"
        must docker rm -f ours
        try docker run --rm --network host "$ENGINE_IMAGE" true
        assert_equal "$status" 125
        [[ $stderr = *"is the host's"* ]] || fail "$stderr"
        ip link show docker0 >/dev/null
        ip address show dev lo | grep -q 127.0.0.1
}
