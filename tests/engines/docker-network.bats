#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks of docker: the default bridge, networks of its user, names, published ports, several networks.

load ../lib/common
load ../lib/engines

setup_file() {
        DOCKERD_MORE='{ "bridge": null, "bip": "172.30.77.1/24", "iptables": true }' engines_begin docker
}

setup() {
        need_built tests/vm/network-exercise
        engines_test
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
        sleep_until 10 eval 'busybox nc -w 5 "$address" 80 </dev/null >/dev/null'
        assert_equal "$(busybox nc -w 5 "$address" 80 </dev/null)" served
        try docker run --rm --runtime runc "$ENGINE_IMAGE" nc -w 5 "$address" 80 </dev/null
        assert_equal "$output" served
        try docker run --rm "$ENGINE_IMAGE" sh -c "ping -c 1 -W 5 172.30.77.1 >/dev/null && nc -w 5 $address 80" </dev/null
        assert_equal "$output" served
        must docker rm -f one
        assert_clean
}

@test "a network of one's own: names are found, both ways, also to and from runc; aliases, published ports, connect and disconnect" {
        local hosts

        must docker network create --subnet 172.30.78.0/24 own
        must docker run -d --name server --network own --network-alias database -p 127.0.0.1:8099:80 "$ENGINE_IMAGE" network-exercise serve 80 "the server"
        must docker run -d --name client --network own "$ENGINE_IMAGE" network-exercise serve 80 "the client"
        must docker run -d --name theirs --network own --runtime runc "$ENGINE_IMAGE" network-exercise serve 80 "of runc"
        sleep_until 10 docker exec client nc -w 5 server 80
        try docker exec client sh -c 'for i in server database theirs; do nc -w 5 $i 80 </dev/null; echo; done; nslookup server | grep -c 172.30.78'
        assert_equal "$output" $'the server\nthe server\nof runc\n1'
        try docker exec server nc -w 5 client 80
        assert_equal "$output" "the client"
        try docker exec theirs sh -c 'for i in server client; do nc -w 5 $i 80 </dev/null; echo; done'
        assert_equal "$output" $'the server\nthe client'
        # one that shares the machine and the network of another knows the same names
        try docker run --rm --network container:server "$ENGINE_IMAGE" sh -c 'nc -w 5 client 80; echo; nc -w 5 127.0.0.1 80'
        assert_equal "$output" $'the client\nthe server'
        assert_equal "$(ask 8099 tcp 127.0.0.1)" "the server"
        must docker rm -f client theirs
        # what docker writes for the container is whole at its first instruction
        try docker run --rm --runtime runc --network own --ip 172.30.78.99 --hostname self "$ENGINE_IMAGE" cat /etc/hosts /etc/resolv.conf
        assert_line --regexp '^172\.30\.78\.99[[:space:]]+self'
        hosts=$output
        try docker run --rm --network own --ip 172.30.78.99 --hostname self "$ENGINE_IMAGE" cat /etc/hosts /etc/resolv.conf
        assert_equal "$output" "$hosts"
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

@test "IPv6, MTU, ports by UDP, a name server with an address of IPv6" {
        local address address6

        must docker network create --ipv6 --subnet 172.30.80.0/24 --subnet fd00:80::/64 -o com.docker.network.driver.mtu=1300 six
        must docker run -d --name one --network six -p 8099:80/udp -p 127.0.0.1:8099:80 -p '[::1]:8098:80' --dns fd00:80::1 "$ENGINE_IMAGE" network-exercise serve 80 served
        address=$(inspect one '{{.NetworkSettings.Networks.six.IPAddress}}')
        address6=$(inspect one '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}')
        try docker exec one sh -c 'ip -o address show dev eth0; ip route; ip -6 route; cat /sys/class/net/eth0/mtu'
        assert_line --partial "inet $address/24"
        assert_line --partial "inet6 $address6/64 scope global"
        assert_line --regexp '^default via 172\.30\.80\.1 dev eth0'
        assert_line --regexp '^default via fd00:80::1 dev eth0'
        assert_line 1300
        sleep_until 10 ask 80 tcp "$address"
        own_addresses_settle
        try ask 80 udp "$address" tcp "$address6" udp "$address6"
        assert_equal "$output" $'served\nserved\nserved'
        # published: by addresses of the host, and by loopback, where docker's proxy is in between
        try ask 8099 udp 172.30.77.1 udp 127.0.0.1 tcp 127.0.0.1
        assert_equal "$output" $'served\nserved\nserved'
        assert_equal "$(ask 8098 tcp ::1)" served
        # the other way, and a packet that is as large as it may be
        host_answers 7000 host
        try docker exec one network-exercise ask 7000 udp fd00:80::1 tcp fd00:80::1 udp 172.30.80.1
        assert_equal "$output" $'host\nhost\nhost'
        host_is_silent
        try docker exec one ping -c 1 -W 5 -s 1272 172.30.80.1
        assert_equal "$status" 0
        # names have both addresses, and what docker does not know it asks others for
        try docker run --rm --network six --runtime runc "$ENGINE_IMAGE" sh -c 'nslookup one | grep -E "^Address: (172|fd00)" | sort; ping -6 -c 1 -W 5 one >/dev/null && echo pong'
        assert_equal "$output" "Address: $address"$'\n'"Address: $address6"$'\npong'
        must docker exec one nslookup one
        assert_line "Address: $address6"
        daemon stub "$TESTS/lib/dns-stub" fd00:80::1 2001:db8::77
        sleep_until 20 grep -q ready "$E/logs/stub"
        must docker exec one nslookup far.example
        assert_line "Address: 2001:db8::77"
        daemon_kill stub KILL
        must docker rm -f one
        must docker network rm six
        assert_clean
}

# interface_settings OPTION...: of eth0, as a container of carrel sees them; those of runc's are the same.
interface_settings() {
        local looks='cd /proc/sys/net && cat ipv4/conf/eth0/rp_filter ipv4/conf/eth0/log_martians ipv4/neigh/eth0/gc_stale_time ipv6/conf/eth0/accept_ra ipv6/conf/eth0/disable_policy'
        local theirs

        must docker run --rm --runtime runc "$@" "$ENGINE_IMAGE" sh -c "$looks"
        theirs=$output
        must docker run --rm "$@" "$ENGINE_IMAGE" sh -c "$looks"
        assert_equal "$output" "$theirs"
}

# What came with docker 28, and is tried where the engine has it.
@test "settings, name and choice of an interface by options of the network; a network without IPv4" {
        local option=com.docker.network.endpoint settings

        must docker network create --ipv6 --subnet 172.30.84.0/24 --subnet fd00:84::/64 one
        interface_settings --network one
        if docker_since 28; then
                settings=net.ipv4.conf.IFNAME.rp_filter=2,net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.gc_stale_time=77
                settings+=,net.ipv6.conf.IFNAME.accept_ra=2,net.ipv6.conf.IFNAME.disable_policy=1
                interface_settings --network "name=one,\"driver-opt=$option.sysctls=$settings\""
                assert_equal "$output" $'2\n1\n77\n2\n1'
                must docker run --rm --network "name=one,driver-opt=$option.ifname=outside0" "$ENGINE_IMAGE" ip route
                assert_line --regexp '^default via 172\.30\.84\.1 dev outside0'
                must docker network create --subnet 172.30.85.0/24 two
                must docker network create --subnet 172.30.87.0/24 three
                must docker run -d --name runs --network two "$ENGINE_IMAGE" sleep 300
                must docker network connect --gw-priority 1 --driver-opt "$option.sysctls=net.ipv4.conf.IFNAME.log_martians=1" three runs
                sleep_until 10 eval 'docker exec runs ip route | grep -q "^default via 172.30.87.1 dev eth1"'
                assert_equal "$(docker exec runs cat /proc/sys/net/ipv4/conf/eth1/log_martians)" 1
                must docker network disconnect three runs
                sleep_until 10 eval 'docker exec runs ip route | grep -q "^default via 172.30.85.1 dev eth0"'
                must docker rm -f runs
                must docker network create --ipv4=false --ipv6 --subnet fd00:86::/64 six
                must docker run --rm --network six "$ENGINE_IMAGE" sh -c 'ip route; ping -6 -c 1 -W 5 fd00:86::1 >/dev/null && echo pong'
                assert_equal "$output" pong
                must docker network rm two three six
        fi
        must docker network rm one
        assert_clean
}

@test "macvlan: containers of carrel and of runc on a link of the host's" {
        ip link add parent0 type veth peer name parent1
        ip link set parent0 up
        ip link set parent1 up
        need "this kernel has no macvlan" ip link add probe link parent0 type macvlan
        ip link delete probe
        must docker network create -d macvlan --subnet 172.30.90.0/24 -o parent=parent0 mac
        must docker run -d --name ours --network mac "$ENGINE_IMAGE" network-exercise serve 80 ours
        must docker run -d --name theirs --runtime runc --network mac "$ENGINE_IMAGE" network-exercise serve 80 theirs
        sleep_until 10 docker exec theirs nc -w 5 ours 80
        try docker exec ours sh -c 'nc -w 5 theirs 80; ip -o -4 address show dev eth0'
        assert_output --regexp "^theirs.*$(inspect ours '{{.NetworkSettings.Networks.mac.IPAddress}}')/24"
        must docker rm -f ours theirs
        must docker network rm mac
        ip link delete parent0
        assert_clean
}

@test "several networks from the start; more than the machine has cards for" {
        local names=(eth0 eth1)

        must docker network create --subnet 172.30.82.0/24 one
        must docker network create --subnet 172.30.83.0/24 two
        must docker create --name several --network one "$ENGINE_IMAGE" sh -c 'ip -o -4 address show; ip route; ping -c 1 -W 5 172.30.82.1 >/dev/null && ping -c 1 -W 5 172.30.83.1 >/dev/null && echo both'
        must docker network connect two several
        try docker start -a several
        # newer docker takes them in an order of chance
        if docker_since 28 && [[ $output =~ eth1\ +inet\ 172\.30\.82 ]]; then names=(eth1 eth0); fi
        assert_line --regexp "${names[0]} +inet 172\.30\.82\.2/24"
        assert_line --regexp "${names[1]} +inet 172\.30\.83\.2/24"
        assert_line --regexp "^default via 172\.30\.82\.1 dev ${names[0]}"
        assert_line both
        must docker network connect bridge several
        try docker start -a several
        assert_equal "$status" 1
        [[ $stderr = *'the container has 3 network interfaces, its machine 2 cards; raise networkCards'* ]] || fail "$stderr"
        must docker rm several
        must docker network rm one two
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
        # a setting of an interface that is not there (runc says it at create, with status 127; newer docker itself)
        try docker run --rm --sysctl net.ipv4.conf.eth7.forwarding=1 "$ENGINE_IMAGE" true
        assert_equal "$status" 125
        if docker_since 28; then
                [[ $stderr = *'net.ipv4.conf.eth7.forwarding" must be supplied using driver option'* ]] || fail "$stderr"
        else
                [[ ${stderr,,} = *'net/ipv4/conf/eth7/forwarding: no such file or directory'* ]] || fail "$stderr"
        fi
        must docker rm -f theirs
        must docker run -d --name ours "$ENGINE_IMAGE" nc -ll -p 7000 -e echo from the other
        try docker run --rm --network container:ours "$ENGINE_IMAGE" sh -c 'until nc 127.0.0.1 7000 </dev/null; do sleep 0.1; done; ip -o -4 address show dev eth0'
        assert_equal "$status" 0
        assert_line "from the other"
        assert_line --partial "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' ours)"
        must docker rm -f ours
        assert_clean
        # (the daemon keeps the host's namespace mounted from here on, with runc too)
        try docker run --rm --network host "$ENGINE_IMAGE" true
        assert_equal "$status" 125
        # (newer docker names no namespace instead of the host's)
        [[ $stderr = *"is the host's"* || $stderr = *"the host's network cannot be used"* ]] || fail "$stderr"
        ip link show docker0 >/dev/null
        ip address show dev lo | grep -q 127.0.0.1
}
