#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks of podman: netavark and aardvark-dns, CNI, pods with a network, slirp4netns.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin podman
}

setup() {
        need_built tests/vm/network-exercise
        need_program /usr/lib/podman/netavark
        need_program /usr/lib/podman/aardvark-dns
        need_vm
        need_engine podman
        # with its first network podman mounts this, and keeps it
        if ! mountpoint -q /run/netns; then podman --runtime runc run --rm --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" true; fi
        engines_test
}

# With a cgroup of the tests' own: on_network NETWORK ARGUMENT...
on_network() {
        local network=$1
        shift

        podman run --network "$network" --cgroup-parent "/$GROUP" "$@"
}

@test "a network of one's own: addresses, MTU, names both ways, also to and from runc; ports; connect and disconnect" {
        must podman network create --subnet 10.89.7.0/24 --ipv6 --subnet fd00:89::/64 --opt mtu=1350 own
        must podman network create --subnet 10.89.8.0/24 other
        must on_network own -d --name server -p 127.0.0.1:8097:80 -p 8097:80/udp "$ENGINE_IMAGE" network-exercise serve 80 "the server"
        must podman --runtime runc run -d --name theirs --network own --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" network-exercise serve 80 "of runc"
        sleep_until 10 podman exec theirs nc -w 5 server 80
        try podman exec server sh -c 'ip -o address show dev eth0; ip route; ip -6 route; cat /sys/class/net/eth0/mtu; nc -w 5 theirs 80; echo; nslookup theirs'
        assert_line --partial "inet $(podman inspect server -f '{{.NetworkSettings.Networks.own.IPAddress}}')/24"
        assert_line --partial "inet6 $(podman inspect server -f '{{.NetworkSettings.Networks.own.GlobalIPv6Address}}')/64 scope global"
        assert_line --regexp '^default via 10\.89\.7\.1 dev eth0'
        assert_line --regexp '^default via fd00:89::1 dev eth0'
        assert_line 1350
        assert_line "of runc"
        assert_line "Address: $(podman inspect theirs -f '{{.NetworkSettings.Networks.own.GlobalIPv6Address}}')"
        try on_network own --rm "$ENGINE_IMAGE" nc -w 5 server 80
        assert_equal "$output" "the server"
        try ask 8097 tcp 127.0.0.1 udp 10.89.7.1 udp 127.0.0.1
        assert_equal "$output" $'the server\nthe server\nthe server'
        # while it runs
        must podman network connect other server
        sleep_until 10 podman exec server sh -c 'ip address show dev eth1 | grep -q 10.89.8'
        must podman network disconnect own server
        sleep_until 10 eval '! podman exec server ip address show dev eth0 | grep -q 10.89.7'
        try on_network other --rm "$ENGINE_IMAGE" nc -w 5 server 80
        assert_equal "$output" "the server"
        must podman rm -f -t 0 server theirs
        must podman network rm own other
        assert_clean
}

@test "a pod on a network: one address and one loopback for all, ports and the name of the pod" {
        local address

        must podman network create --subnet 10.89.7.0/24 own
        must podman pod create --name together --network own -p 127.0.0.1:8097:80
        must podman run -d --pod together --name server --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" network-exercise serve 80 "in the pod"
        address=$(podman inspect "$(podman pod inspect together -f '{{.InfraContainerID}}')" -f '{{.NetworkSettings.Networks.own.IPAddress}}')
        sleep_until 10 ask 8097 tcp 127.0.0.1
        assert_equal "$(ask 8097 tcp 127.0.0.1)" "in the pod"
        try podman run --rm --pod together --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" sh -c 'nc -w 5 127.0.0.1 80; echo; ip -o -4 address show dev eth0; nslookup together'
        assert_equal "${lines[0]}" "in the pod"
        assert_line --partial "inet $address/24"
        assert_line "Address: $address"
        try on_network own --rm "$ENGINE_IMAGE" nc -w 5 together 80
        assert_equal "$output" "in the pod"
        must podman pod rm -f -t 0 together
        must podman rmi -f "$(podman images -q --filter reference=localhost/podman-pause)"
        must podman network rm own
        assert_clean
}

@test "the host's network and that of a container of runc are refused, and stay whole; slirp4netns; none" {
        must podman --runtime runc run -d --name theirs --cgroup-parent "/$GROUP" "$ENGINE_IMAGE" network-exercise serve 80 "of runc"
        try on_network container:theirs --rm "$ENGINE_IMAGE" true
        assert_equal "$status" 126
        [[ $stderr = *'a virtual machine cannot share it'* ]] || fail "$stderr"
        sleep_until 10 eval 'ask 80 tcp "$(podman inspect theirs -f "{{.NetworkSettings.IPAddress}}")" >/dev/null'
        assert_equal "$(ask 80 tcp "$(podman inspect theirs -f '{{.NetworkSettings.IPAddress}}')")" "of runc"
        try on_network host --rm "$ENGINE_IMAGE" true
        assert_equal "$status" 126
        [[ $stderr = *"the host's network cannot be used from inside a virtual machine; choose a bridge network, or none"* ]] || fail "$stderr"
        assert_equal "$(ask 80 tcp "$(podman inspect theirs -f '{{.NetworkSettings.IPAddress}}')")" "of runc"
        must podman rm -f -t 0 theirs
        try on_network none --rm "$ENGINE_IMAGE" ls /sys/class/net
        assert_equal "$output" lo
        need_program slirp4netns
        ip address add 203.0.113.1/32 dev lo
        host_answers 7000 host
        try on_network slirp4netns --rm "$ENGINE_IMAGE" network-exercise ask 7000 tcp 203.0.113.1 udp 203.0.113.1
        host_is_silent
        ip address del 203.0.113.1/32 dev lo
        assert_equal "$output" $'host\nhost'
        assert_clean
}

@test "networks by CNI: bridge, host-local, portmap by TCP and UDP, firewall, tuning" {
        need_program /usr/lib/cni/portmap
        sed -e 's/^\[engine\]/[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["\/usr\/lib\/cni"]\n\n&/' /etc/containers/containers.conf >"$T/containers.conf"
        export CONTAINERS_CONF=$T/containers.conf
        must podman network create --subnet 10.89.9.0/24 bycni
        grep -q '"type": "portmap"' /etc/cni/net.d/bycni.conflist
        must on_network bycni -d --name server -p 127.0.0.1:8096:80 -p 8096:80/udp "$ENGINE_IMAGE" network-exercise serve 80 served
        sleep_until 10 ask 8096 tcp 127.0.0.1
        try ask 8096 tcp 127.0.0.1 udp 127.0.0.1 udp 10.89.9.1
        assert_equal "$output" $'served\nserved\nserved'
        try on_network bycni --rm "$ENGINE_IMAGE" network-exercise ask 80 tcp "$(podman inspect server -f '{{.NetworkSettings.Networks.bycni.IPAddress}}')"
        assert_equal "$output" served
        must podman rm -f -t 0 server
        must podman network rm bycni
        ip link delete cni-podman1 2>/dev/null || true
        assert_clean
}
