#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The network of a namespace, seen from inside the virtual machine. The test's own namespace is the other side.

load ../lib/common
load ../lib/network

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
        need_tun
        edit '.process.capabilities |= map_values(. + ["CAP_NET_RAW"])'
}

teardown() {
        release_all
        test_end
}

# The usual: eth0 with addresses of both families, a gateway.
usual_network() {
        namespace one
        link one peer0 eth0
        ip addr add 10.9.0.1/24 dev peer0
        ip -6 addr add fd09::1/64 dev peer0 nodad
        inside one ip addr add 10.9.0.2/24 brd + dev eth0
        inside one ip -6 addr add fd09::2/64 dev eth0 nodad
        inside one ip route add default via 10.9.0.1
        inside one ip -6 route add default via fd09::1
        joined "$T/netns/one"
}

@test "addresses, hardware address, MTU, settings, routes and neighbours are those outside" {
        namespace one
        link one peer0 eth0 mtu 1400
        ip addr add 10.9.0.1/24 dev peer0
        ip -6 addr add fd09::1/64 dev peer0 nodad
        inside one ip addr add 10.9.0.2/24 brd + dev eth0
        inside one ip addr add 10.77.0.1/32 dev eth0
        inside one ip -6 addr add fd09::2/64 dev eth0 nodad
        inside one ip route add default via 10.9.0.1
        inside one ip route add 192.0.2.0/24 via 10.9.0.1 metric 50
        inside one ip route add 198.51.100.1 dev eth0 scope link
        inside one ip route add blackhole 203.0.113.0/24
        inside one ip -6 route add default via fd09::1
        inside one ip neigh add 10.9.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
        inside one sh -c 'cd /proc/sys/net; echo 1 >ipv4/conf/eth0/arp_notify; echo 2 >ipv4/conf/eth0/arp_ignore; echo 0 >ipv6/conf/eth0/accept_ra
                echo 77 >ipv4/neigh/eth0/gc_stale_time; echo 1 >ipv6/conf/eth0/disable_policy; echo 5 >ipv6/conf/eth0/max_addresses'
        joined "$T/netns/one"
        # what the container itself asks for counts more
        edit '.linux.sysctl["net.ipv4.conf.eth0.arp_ignore"] = "1"'
        script 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; ls /sys/class/net
                (cd /proc/sys/net && echo $(cat ipv4/conf/eth0/arp_notify ipv4/conf/eth0/arp_ignore ipv6/conf/eth0/accept_ra ipv6/conf/default/accept_ra \
                ipv4/neigh/eth0/gc_stale_time ipv6/neigh/eth0/gc_stale_time ipv6/conf/eth0/disable_policy ipv6/conf/eth0/max_addresses))
                ip -o addr show dev eth0; ip route; ip -6 route; ip neigh
                ping -c 1 -W 5 10.9.0.1 && ping -6 -c 1 -W 5 fd09::1'
        local mac
        mac=$(inside one ip -o link show eth0 | sed -e 's/.*link\/ether \([^ ]*\).*/\1/')
        run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "$status: $output $stderr"
        assert_equal "${lines[0]}" "$mac"
        assert_equal "${lines[1]}" 1400
        assert_equal "${lines[2]} ${lines[3]}" "eth0 lo"
        assert_equal "${lines[4]}" "1 1 0 1 77 60 1 5"
        assert_output --partial 'inet 10.9.0.2/24 brd 10.9.0.255 scope global eth0'
        assert_output --partial 'inet 10.77.0.1/32'
        assert_output --partial 'inet6 fd09::2/64 scope global'
        assert_output --partial 'default via 10.9.0.1 dev eth0'
        assert_output --regexp '192.0.2.0/24 via 10.9.0.1 dev eth0 +metric 50'
        assert_output --partial '198.51.100.1 dev eth0 scope link'
        assert_output --partial 'blackhole 203.0.113.0/24'
        assert_output --partial 'default via fd09::1 dev eth0'
        assert_output --regexp '10.9.0.99 dev eth0 lladdr 02:00:00:00:00:99 .*PERMANENT'
        assert_output --partial '10.9.0.1 ping statistics'
        refute_output --partial '100% packet loss'
        ip link del peer0
        release one
        assert_clean
}

@test "without interfaces only lo shows" {
        script 'ls /sys/class/net; ip addr show dev lo'
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "${lines[0]}" lo
        assert_output --partial '127.0.0.1/8'
        refute_output --partial eth
        assert_clean
}

@test "two interfaces of any name; the one that is down is down" {
        namespace one
        link one peer0 net1
        link one peer1 foo.7
        ip addr add 10.9.0.1/24 dev peer0
        inside one ip addr add 10.9.0.2/24 dev net1
        inside one ip link set foo.7 down
        joined "$T/netns/one"
        script 'ls /sys/class/net | tr "\n" " "; cat /sys/class/net/*/flags; ping -c 1 -W 5 10.9.0.1 >/dev/null && echo pong'
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "${lines[0]}" "foo.7 lo net1 0x1002"
        assert_equal "${lines[2]}" 0x1003
        assert_equal "${lines[3]}" pong
        ip link del peer0
        ip link del peer1
        release one
        assert_clean
}

@test "the first instruction finds the network; TCP both ways arrives whole" {
        usual_network
        head -c 8388608 /dev/urandom >"$T/data"
        "$TESTS/lib/tcp" receive 7001 "$T/from" &
        local receiver=$!
        "$TESTS/lib/tcp" send 10.9.0.2 7002 "$T/data" 3>&- 4>&- &
        script 'nc 10.9.0.1 7001 </data && nc -l -p 7002 >/tmp/got; wc -c </tmp/got; sha256sum </tmp/got'
        cp "$T/data" rootfs/data
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "$output" "8388608"$'\n'"$(sha256sum <"$T/data")"
        wait "$receiver" # not every job: the time limit of the test is one
        cmp "$T/data" "$T/from"
        ip link del peer0
        release one
        assert_clean
}

@test "interfaces that come and go while the container runs; connections of others last" {
        usual_network
        local name=$CT
        script 'nc 10.9.0.1 7003 </dev/zero & while [ ! -e /sys/class/net/eth1 ]; do sleep 0.1; done
                while ! ip addr show dev eth1 | grep -q 10.8.0.2; do sleep 0.1; done
                while ! ping -c 1 -W 1 10.8.0.1 >/dev/null; do sleep 0.1; done; echo there
                while [ -e /sys/class/net/eth1 ]; do sleep 0.1; done; echo gone
                kill -0 %1 && echo lasts; kill %1'
        # whose connection may be without an end: the machine goes before it is told
        "$TESTS/lib/tcp" receive 7003 /dev/null 3>&- 4>&- &
        local receiver=$!
        LIMIT=120 carrel run "$name" </dev/null >"$T/out" 2>"$T/err" &
        local runner=$!
        wait_status "$name" running
        sleep 0.5
        link one peer1 eth1
        ip addr add 10.8.0.1/24 dev peer1
        inside one ip addr add 10.8.0.2/24 dev eth1
        sleep_until 60 grep -q there "$T/out" || fail "$(cat "$T/out" "$T/err")"
        inside one ip link del eth1
        wait "$runner"
        kill "$receiver" 2>/dev/null || true
        assert_equal "$(<"$T/out")" $'there\ngone\nlasts'
        ip link del peer0
        release one
        assert_clean
}

@test "Docker's name server: by UDP and TCP, and names that it asks others for; the container may have port 53 itself" {
        printf 'nameserver 127.0.0.11\n' >"$T/resolv.conf"
        # shellcheck disable=SC2016
        edit '.mounts += [{destination: "/etc/resolv.conf", type: "bind", source: $file, options: ["bind"]}]' --arg file "$T/resolv.conf"
        script 'exec >/out 2>&1; nc -l -p 53 & sleep 0.3; kill -0 $! && echo bound; nslookup web.local; nslookup there.far
                nslookup 127.0.0.11 127.0.0.11 >/dev/null; echo end'
        carrel_detached create "$CT"
        local pid
        pid=$(carrel state "$CT" | jq .pid)
        ip link add peer0 type veth peer name eth0 netns "$pid"
        ip addr add 10.9.0.1/24 dev peer0
        ip link set peer0 up
        nsenter -t "$pid" -n ip addr add 10.9.0.2/24 dev eth0
        nsenter -t "$pid" -n ip link set eth0 up
        nsenter -t "$pid" -n ip link set lo up
        "$TESTS/lib/dns-stub" 10.9.0.1 203.0.113.53 >"$T/far.out" &
        local far=$!
        nsenter -t "$pid" -n "$TESTS/lib/dns-stub" 127.0.0.11 10.9.0.77 10.9.0.1 >"$T/near.out" &
        local near=$!
        until grep -q ready "$T/near.out" && grep -q ready "$T/far.out"; do sleep 0.05; done
        carrel start "$CT"
        wait_status "$CT" stopped 60
        kill "$far"
        kill "$near" || true
        run cat rootfs/out
        assert_output --partial bound
        assert_output --regexp 'web.local.*10.9.0.77'
        assert_output --regexp 'there.far.*203.0.113.53'
        assert_output --partial end
        carrel delete "$CT"
        ip link del peer0 2>/dev/null || true
        assert_clean
}

@test "Docker's name server asks others by IPv6, and is asked by further containers of a pod" {
        printf 'nameserver 127.0.0.11\n' >"$T/resolv.conf"
        # shellcheck disable=SC2016
        edit '.mounts += [{destination: "/etc/resolv.conf", type: "bind", source: $file, options: ["bind"]}]' --arg file "$T/resolv.conf"
        args sleep 100
        carrel_detached create "$CT"
        local pid far near
        pid=$(carrel state "$CT" | jq .pid)
        ip link add peer0 type veth peer name eth0 netns "$pid"
        ip -6 addr add fd09::1/64 dev peer0 nodad
        ip link set peer0 up
        nsenter -t "$pid" -n ip -6 addr add fd09::2/64 dev eth0 nodad
        nsenter -t "$pid" -n ip link set eth0 up
        nsenter -t "$pid" -n ip link set lo up
        "$TESTS/lib/dns-stub" fd09::1 2001:db8::53 >"$T/far.out" &
        far=$!
        nsenter -t "$pid" -n "$TESTS/lib/dns-stub" 127.0.0.11 10.9.0.77 fd09::1 >"$T/near.out" &
        near=$!
        until grep -q ready "$T/near.out" && grep -q ready "$T/far.out"; do sleep 0.05; done
        carrel start "$CT"
        # shellcheck disable=SC2016
        edit '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/proc/$pid/ns/net"
        script 'nslookup web.local; nslookup there.far; ping -6 -c 1 -W 5 fd09::1'
        run_carrel run "$CT-member"
        kill "$far" "$near"
        assert_equal "$status" 0
        assert_output --regexp 'web.local.*10.9.0.77'
        assert_output --regexp 'there.far.*2001:db8::53'
        carrel delete --force "$CT"
        ip link del peer0 2>/dev/null || true
        assert_clean
}

@test "a shim that is killed: what it left in a namespace of somebody else goes with delete" {
        usual_network
        args sleep 100
        carrel_detached run --detach "$CT"
        inside one sh -c 'tc qdisc show dev eth0 | grep -q ingress'
        kill -KILL "$(carrel state "$CT" | jq .pid)"
        wait_status "$CT" stopped
        carrel delete "$CT"
        run inside one tc qdisc show dev eth0
        refute_output --partial ingress
        # the next one there has a network
        inside one timeout 10 "$TESTS/lib/tcp" receive 7009 "$T/got" &
        local receiver=$!
        echo text >"$T/text"
        timeout 10 "$TESTS/lib/tcp" send 10.9.0.2 7009 "$T/text"
        wait "$receiver"
        assert_equal "$(<"$T/got")" text
        ip link del peer0
        release one
        assert_clean
}
