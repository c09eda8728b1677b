#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The guest's network as the agent makes it: in namespaces, where ends of veth pairs are its cards.

usage: test_agent_network.py AGENT [--vm [KERNEL INITRD] [--share virtiofs|9p]] [unittest arguments]

With --vm only what needs real cards.
"""

import json
import os
import signal
import socket
import subprocess
import time
import unittest

from agent_driver import NamespaceAgent, VmAgent
from test_agent import OPTIONS, AgentTest, load_tests, main, only_in  # load_tests: unittest calls it

RT_LINK, RT_UNIVERSE = 253, 0


def card_mac(number):
    return f"52:54:00:ca:44:{number:02x}"


def address(text, **more):
    ip, prefix = text.split("/")
    return {"address": ip, "prefix": int(prefix), **more}


def interface(card, name, *addresses, **more):
    return {"card": card, "name": name, "mac": f"02:42:0a:09:{card:02x}:02", "mtu": 1500, "up": True,
            "addresses": [a if isinstance(a, dict) else address(a) for a in addresses], **more}


def route(destination, name, gateway=None, **more):
    made = {"destination": destination, "interface": name, "type": 1, "protocol": 3,
            "scope": RT_UNIVERSE if gateway or ":" in destination else RT_LINK}
    return {**made, **({"gateway": gateway} if gateway else {}), **more}


class Namespace:
    """A network namespace that lives as long as a process in it."""

    def __init__(self, pid):
        self.pid = pid

    def run(self, *args):
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-n", *args], stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def ip(self, *args):
        return self.run("ip", *args)

    def json(self, *args):
        return json.loads(self.run("ip", "-j", *args) or "[]")

    def links(self):
        return {link["ifname"]: link for link in self.json("addr")}

    def addresses(self, name):
        return sorted(f"{a['local']}/{a['prefixlen']}" for a in self.links()[name]["addr_info"]
                      if a["scope"] != "link")

    def routes(self, family="-4"):
        return [" ".join(line.split()) for line in self.ip(family, "route").splitlines()]

    def call(self, function):
        """What FUNCTION returns, called in the namespace."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        libc = __import__("ctypes").CDLL(None, use_errno=True)
        try:
            if libc.setns(there, 0) < 0:
                raise OSError("setns")
            return function()
        finally:
            libc.setns(own, 0)
            os.close(own)
            os.close(there)


@only_in("namespaces")  # needs the other end of a cable
class NetworkTest(AgentTest):
    """With `self.inside`, the guest's namespace, and `self.outside`, where the other ends of its cables are."""

    def make_agent(self):
        return NamespaceAgent(OPTIONS["agent"], self.share, network=True)

    def setUp(self):
        super().setUp()
        holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        self.addCleanup(holder.stdout.close)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        holder.stdout.readline()
        self.outside, self.inside = Namespace(holder.pid), Namespace(self.agent.child.pid)
        for namespace in (self.outside, self.inside):
            namespace.ip("link", "set", "lo", "up")

    def plug(self, number, *addresses):
        """A cable to a new card."""
        self.outside.ip("link", "add", f"cable{number}", "type", "veth", "peer", "name", f"c{number}",
                        "address", card_mac(number), "netns", str(self.agent.child.pid))
        for text in addresses:
            self.outside.ip("addr", "add", text, "dev", f"cable{number}", *(["nodad"] if ":" in text else []))
        self.outside.ip("link", "set", f"cable{number}", "up")

    def network(self, *interfaces, **more):
        return {"interfaces": list(interfaces), **more}

    def start_with(self, network, *args, **more):
        init = self.create(*(args or ("sleep", "1000")), **more)
        self.agent.start(network=network)
        return init

    def apply(self, network):
        self.agent.request("network", network)

    def assert_refused(self, text, network):
        self.assert_error(text, 22, self.apply, network)


    def address_of(self, name, local):
        return next(a for a in self.inside.links()[name]["addr_info"] if a["local"] == local)

    def until(self, condition):
        """The kernel does some things a moment later, in a worker of its own."""
        end = time.monotonic() + 10
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        return condition()


class Start(NetworkTest):
    def test_everything_of_an_interface(self):
        self.plug(0)
        eth0 = interface(0, "eth0", address("10.9.0.2/24", broadcast="10.9.0.255"), "10.9.1.2/16",
                         address("10.9.7.1/32", peer="10.9.7.2"), address("10.9.8.1/32", scope=254),
                         address("10.9.9.1/24", flags=0x200), "fd09::2/64", mtu=1400)
        self.start_with(self.network(eth0))
        link = self.inside.links()["eth0"]
        self.assertEqual((link["address"], link["mtu"], "LOWER_UP" in link["flags"]),
                         ("02:42:0a:09:00:02", 1400, True))
        self.assertEqual(set(self.inside.links()), {"lo", "eth0"})
        found = {a["local"]: a for a in link["addr_info"]}
        self.assertEqual(found["10.9.0.2"]["broadcast"], "10.9.0.255")
        self.assertEqual(found["10.9.1.2"]["prefixlen"], 16)
        self.assertEqual(found["10.9.7.1"]["address"], "10.9.7.2")
        self.assertEqual(found["10.9.8.1"]["scope"], "host")
        self.assertIn("noprefixroute", found["10.9.9.1"])
        self.assertIn("nodad", found["fd09::2"])
        self.assertNotIn("tentative", found["fd09::2"])
        self.assertTrue(self.until(lambda: "tentative" not in self.address_of("eth0", "fe80::42:aff:fe09:2")))
        self.assertNotIn("10.9.9.0/24", " ".join(self.inside.routes()))

    def test_routes(self):
        self.plug(0)
        self.plug(1)
        self.start_with(self.network(
            interface(0, "eth0", "10.9.0.2/24", "fd09::2/64"), interface(1, "eth1", "10.10.0.2/24"),
            routes=[
                # a gateway before the route that leads to it
                route("0.0.0.0/0", "eth0", "10.11.0.1"),
                route("10.11.0.0/24", "eth0"),
                route("10.12.0.0/16", "eth1", "10.10.0.1", source="10.10.0.2", metric=5, mtu=1300, protocol=4),
                route("10.13.0.0/16", "eth1", "192.0.2.1", flags=4),
                {"destination": "10.14.0.0/16", "type": 7},
                route("::/0", "eth0", "fd09::1"),
                route("fd0a::/16", "eth0", metric=7),
                {"destination": "fd0b::/16", "type": 6},
                route("10.15.0.0/16", "eth0", "fd09::1"),
            ]))
        routes = self.inside.routes() + self.inside.routes("-6")
        for expected in ("default via 10.11.0.1 dev eth0", "10.11.0.0/24 dev eth0 scope link",
                         "10.12.0.0/16 via 10.10.0.1 dev eth1 proto static src 10.10.0.2 metric 5 mtu 1300",
                         "10.13.0.0/16 via 192.0.2.1 dev eth1 onlink", "unreachable 10.14.0.0/16",
                         "default via fd09::1 dev eth0 metric 1024 pref medium",
                         "fd0a::/16 dev eth0 metric 7 pref medium",
                         "10.15.0.0/16 via inet6 fd09::1 dev eth0"):
            self.assertIn(expected, [r.replace(" linkdown", "") for r in routes])
        self.assertTrue(any(r.startswith("blackhole fd0b::/16") for r in routes), routes)

    def test_neighbours(self):
        self.plug(0)
        self.start_with(self.network(
            interface(0, "eth0", "10.9.0.2/24", "fd09::2/64"),
            neighbours=[{"interface": "eth0", "address": "10.9.0.1", "mac": "02:00:00:00:00:01"},
                        {"interface": "eth0", "address": "fd09::1", "mac": "02:00:00:00:00:02"}]))
        found = {n["dst"]: n for n in self.inside.json("neigh")}
        self.assertEqual((found["10.9.0.1"]["lladdr"], found["10.9.0.1"]["state"]), ("02:00:00:00:00:01", ["PERMANENT"]))
        self.assertEqual((found["fd09::1"]["lladdr"], found["fd09::1"]["state"]), ("02:00:00:00:00:02", ["PERMANENT"]))

    def test_the_first_instruction_finds_it_ready(self):
        self.plug(0, "10.9.0.1/24", "fd09::1/64")
        init = self.start_with(self.network(interface(0, "eth0", "10.9.0.2/24", "fd09::2/64")), "sh", "-c",
                               "ping -c 1 -W 5 10.9.0.1 && ping -c 1 -W 5 fd09::1")
        self.assertEqual(self.agent.wait_exited(init), 0)

    def test_down_and_without_ip6(self):
        self.plug(0)
        self.plug(1)
        self.start_with(self.network(interface(0, "eth0", "10.9.0.2/24", "fd09::2/64", noIpv6=True),
                                     interface(1, "eth1", up=False)))
        links = self.inside.links()
        self.assertEqual([a["family"] for a in links["eth0"]["addr_info"]], ["inet"])
        self.assertNotIn("UP", links["eth1"]["flags"])

    def test_no_interface_no_card(self):
        self.plug(0)
        self.inside.ip("link", "set", "c0", "up")
        self.start_with(self.network())
        self.assertNotIn("UP", self.inside.links()["c0"]["flags"])

    def test_a_cable_that_is_not_plugged_in(self):
        self.plug(0)
        self.outside.ip("link", "set", "cable0", "down")
        began = time.monotonic()
        self.start_with(self.network(interface(0, "eth0", "10.9.0.2/24")))
        self.assertLess(1.5, time.monotonic() - began)
        self.agent.wait(lambda: self.agent.events, "a warning")
        self.assertIn("interface eth0 has no carrier", self.agent.events[0][1]["message"])

    def test_settings_of_interfaces(self):
        self.plug(0)
        init = self.start_with(
            self.network(interface(0, "eth0", "10.9.0.2/24", "fd09::2/64")), "sh", "-c",
            "cat /proc/sys/net/ipv4/conf/eth0/rp_filter /proc/sys/net/ipv4/conf/eth0/log_martians; ip -6 addr",
            linux={"namespaces": [{"type": "mount"}, {"type": "pid"}],
                   "sysctl": {"net.ipv4.conf.eth0.rp_filter": "2", "net.ipv4.conf.eth0.log_martians": "1",
                              "net.ipv6.conf.all.disable_ipv6": "1"}})
        self.agent.wait_exited(init)
        self.assertEqual(init.stdout, b"2\n1\n")

    def test_a_setting_of_an_interface_that_is_not_there(self):
        self.plug(0)
        self.create("true", linux={"namespaces": [{"type": "mount"}], "sysctl": {"net.ipv4.conf.eth1.rp_filter": "2"}})
        self.assert_error("linux.sysctl: net.ipv4.conf.eth1.rp_filter: ", 2, self.agent.start,
                          network=self.network(interface(0, "eth0")))

    def test_only_once(self):
        self.create("sleep", "1000")
        first = self.agent.ask("start", {"network": self.network(interface(0, "eth0"))})
        self.assert_error("cannot start an already running container", 22, self.agent.start)
        self.plug(0)
        self.agent.answer(first)

    def test_killed_while_it_waits(self):
        init = self.create("sleep", "1000")
        first = self.agent.ask("start", {"network": self.network(interface(0, "eth0"))})
        self.agent.signal(1, signal.SIGKILL)
        self.agent.wait_exited(init)
        self.plug(0)
        self.assert_error("container not running", 3, self.agent.answer, first)


class Change(NetworkTest):
    def setUp(self):
        super().setUp()
        self.plug(0, "10.9.0.1/24")
        self.eth0 = interface(0, "eth0", "10.9.0.2/24", "fd09::2/64")
        self.base = self.network(self.eth0, routes=[route("0.0.0.0/0", "eth0", "10.9.0.1")])
        self.init = self.start_with(self.base)

    def test_nothing_changes(self):
        monitor = subprocess.Popen(["nsenter", "-t", str(self.inside.pid), "-n", "ip", "monitor", "link", "address",
                                    "route"], stdout=subprocess.PIPE)
        self.addCleanup(monitor.wait)
        self.addCleanup(monitor.stdout.close)
        self.addCleanup(monitor.kill)
        os.set_blocking(monitor.stdout.fileno(), False)

        def read_until(mtu):
            """What is told up to a change of lo's MTU, which is repeated until it is told of."""
            seen = b""
            for i in range(100):
                self.inside.ip("link", "set", "lo", "mtu", str(mtu + i % 2))
                time.sleep(0.02)
                seen += monitor.stdout.read() or b""
                if f"mtu {mtu}".encode() in seen:
                    return seen
            self.fail(f"nothing was told: {seen}")

        read_until(60000)
        self.apply(self.base)
        for line in read_until(50000).splitlines():
            self.assertTrue(b" lo: " in line or b"link/loopback" in line, line)

    def test_second_interface_comes_and_goes(self):
        listener = self.outside.call(lambda: socket.create_server(("10.9.0.1", 80)))
        self.addCleanup(listener.close)
        client = self.exec("nc", "10.9.0.1", "80")
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        self.plug(1)
        self.apply(self.network(self.eth0, interface(1, "eth1", "10.10.0.2/24"),
                                routes=[*self.base["routes"], route("10.20.0.0/16", "eth1", "10.10.0.1")]))
        self.assertEqual(self.inside.addresses("eth1"), ["10.10.0.2/24"])
        self.assertIn("10.20.0.0/16 via 10.10.0.1 dev eth1", self.inside.routes())
        self.apply(self.base)
        self.assertNotIn("UP", self.inside.links()["eth1"]["flags"])
        self.assertEqual(len(self.inside.routes()), 2)
        # comes back, with another name
        self.apply(self.network(self.eth0, interface(1, "net7", "10.10.0.2/24"), routes=self.base["routes"]))
        self.assertEqual(self.inside.addresses("net7"), ["10.10.0.2/24"])
        connection.sendall(b"still here\n")
        self.agent.wait(lambda: client.stdout == b"still here\n", "what was sent")

    def test_addresses_change(self):
        self.apply(self.network(interface(0, "eth0", "10.9.0.3/24", "10.9.5.1/24", "fd09::3/64")))
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.3/24", "10.9.5.1/24", "fd09::3/64"])
        self.assertNotIn("default", " ".join(self.inside.routes()))

    def test_a_first_address_goes(self):
        self.apply(self.network(interface(0, "eth0", "10.9.0.2/24", "10.9.0.3/24", "10.9.0.4/24")))
        self.apply(self.network(interface(0, "eth0", "10.9.0.3/24", "10.9.0.4/24"), routes=self.base["routes"]))
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.3/24", "10.9.0.4/24"])

    def test_attributes_change(self):
        self.apply(self.network(interface(0, "eth0", address("10.9.0.2/24", broadcast="10.9.0.255"), "fd09::2/64",
                                          mtu=1300, mac="02:00:00:00:00:07"),
                                routes=[route("0.0.0.0/0", "eth0", "10.9.0.1", mtu=1000)]))
        link = self.inside.links()["eth0"]
        self.assertEqual((link["mtu"], link["address"]), (1300, "02:00:00:00:00:07"))
        self.assertEqual(link["addr_info"][0]["broadcast"], "10.9.0.255")
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.2/24", "fd09::2/64"])
        self.assertIn("fe80::ff:fe00:7", str(link["addr_info"]))
        self.assertEqual(self.inside.routes()[0], "default via 10.9.0.1 dev eth0 mtu 1000")

    def test_names_are_swapped(self):
        self.plug(1)
        eth1 = interface(1, "eth1", "10.10.0.2/24")
        self.apply(self.network(self.eth0, eth1))
        self.apply(self.network({**self.eth0, "name": "eth1"}, {**eth1, "name": "eth0"}))
        self.assertEqual(self.inside.addresses("eth0"), ["10.10.0.2/24"])
        self.assertEqual(self.inside.addresses("eth1"), ["10.9.0.2/24", "fd09::2/64"])

    def test_a_name_that_the_container_has_taken(self):
        self.inside.ip("link", "add", "eth1", "type", "veth", "peer", "name", "own")
        self.plug(1)
        self.assert_error("interface eth1: name: the container has given this name to another one", 17, self.apply,
                          self.network(self.eth0, interface(1, "eth1")))

    def test_what_the_container_has_made_stays(self):
        self.inside.ip("addr", "add", "10.9.0.77/24", "dev", "eth0")
        self.inside.ip("route", "add", "10.77.0.0/16", "via", "10.9.0.1")
        self.inside.ip("link", "add", "own0", "type", "veth", "peer", "name", "own1")
        self.inside.ip("addr", "add", "10.78.0.1/24", "dev", "own0")
        self.apply(self.network(interface(0, "eth0", "10.9.0.2/24")))
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.2/24", "10.9.0.77/24"])
        self.assertIn("10.77.0.0/16 via 10.9.0.1 dev eth0", self.inside.routes())
        self.assertEqual(self.inside.addresses("own0"), ["10.78.0.1/24"])

    def test_lost_things_come_back(self):
        self.inside.ip("link", "set", "eth0", "down")
        self.inside.ip("addr", "flush", "dev", "eth0")
        self.apply(self.base)
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.2/24", "fd09::2/64"])
        self.assertIn("default via 10.9.0.1 dev eth0", self.inside.routes())

    def test_ip6_that_the_container_does_not_want(self):
        self.inside.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        self.apply(self.network(interface(0, "eth0", "10.9.0.3/24", "fd09::3/64")))
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.3/24"])

    def test_a_card_that_is_late(self):
        late = self.agent.ask("network", self.network(self.eth0, interface(1, "eth1", "10.10.0.2/24")))
        after = self.agent.ask("network", self.network(self.eth0, interface(1, "eth1", "10.10.0.3/24")))
        self.assertEqual(self.finish_exec("echo", "meanwhile")[1], b"meanwhile\n")
        self.assertNotIn(late, self.agent.answers)
        self.plug(1)
        self.agent.answer(late)
        self.agent.answer(after)
        self.assertEqual(self.inside.addresses("eth1"), ["10.10.0.3/24"])

    def test_a_card_that_never_comes(self):
        began = time.monotonic()
        self.assert_error("network: interface eth1: card 1 has not appeared for 5 seconds", 110, self.apply,
                          self.network(self.eth0, interface(1, "eth1")))
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.2/24", "fd09::2/64"])

    def test_too_many_requests(self):
        asked = [self.agent.ask("network", self.network(interface(1, "eth1"))) for _ in range(17)]
        self.assert_error("network: 16 requests are waiting", 16, self.agent.answer, asked.pop())
        self.plug(1)
        for seq in asked:
            self.agent.answer(seq)

    def test_refusals_of_the_kernel_name_the_thing(self):
        with self.assertRaisesRegex(Exception, "network: interface eth0: route to 10.50.0.0/16 by 10.60.0.1: "
                                               "Nexthop has invalid gateway: Network is unreachable"):
            self.apply(self.network(self.eth0, routes=[route("10.50.0.0/16", "eth0", "10.60.0.1")]))
        self.apply(self.base)

    def test_refusals(self):
        eth0 = self.eth0
        for text, network in (
                ('interface: "lo" cannot be the name of an interface', self.network({**eth0, "name": "lo"})),
                ("interface eth0: there are two of this name", self.network(eth0, {**eth0, "card": 1})),
                ("interface eth1: card 0 is that of eth0", self.network(eth0, {**eth0, "name": "eth1"})),
                ('route 0, to 10.0.0.0/8: interface: "eth9" is none of those that there are to be',
                 self.network(eth0, routes=[route("10.0.0.0/8", "eth9")])),
        ):
            self.assert_refused("network: " + text, network)
        self.assertEqual(self.inside.addresses("eth0"), ["10.9.0.2/24", "fd09::2/64"])


@only_in("vm")
class Machine(AgentTest):
    """Real cards, on QEMU's own little network."""

    def make_agent(self):
        ours, theirs = socket.socketpair()
        more = ["-chardev", f"socket,fd={theirs.fileno()},id=monitor", "-mon", "chardev=monitor,mode=control",
                "-device", "pcie-root-port,id=root1,chassis=1"]
        for number in range(2):
            more += ["-netdev", f"user,id=net{number},net=10.9.{number}.0/24,ipv6-net=fd09:{number}::/64"]
        more += ["-device", f"virtio-net-pci,netdev=net0,mac={card_mac(0)}"]
        agent = VmAgent(*OPTIONS["vm"], self.share, OPTIONS["share"], more=more, pass_fds=[theirs.fileno()])
        theirs.close()
        self.monitor = ours.makefile("rw")
        self.addCleanup(self.monitor.close)
        self.addCleanup(ours.close)
        self.monitor.readline()
        self.qmp("qmp_capabilities")
        return agent

    def qmp(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            line = json.loads(self.monitor.readline())
            if "event" not in line:
                self.assertIn("return", line)
                return

    def start_with(self, network):
        init = self.create("sleep", "1000")
        self.agent.start(network=network)
        return init

    def names(self):
        return self.finish_exec("ls", "/sys/class/net")[1].split()

    def ping(self, *targets):
        for target in targets:
            self.assertEqual(self.finish_exec("ping", "-c", "1", "-W", "5", target)[0], 0, target)

    def test_ready_at_the_first_instruction(self):
        init = self.create("sh", "-c", "ip -6 addr; ping -c 1 -W 5 10.9.0.2 && ping -c 1 -W 5 fd09::2")
        self.agent.start(network={"interfaces": [interface(0, "web", "10.9.0.15/24", "fd09::15/64", mtu=1400)],
                                  "routes": [route("0.0.0.0/0", "web", "10.9.0.2")]})
        self.assertEqual(self.agent.wait_exited(init), 0, init.stdout)
        self.assertIn(b"mtu 1400", init.stdout)
        self.assertIn(b"fe80::42:aff:fe09:2/64", init.stdout)
        self.assertNotIn(b"tentative", init.stdout)

    def test_a_card_that_nobody_wants_is_not_seen(self):
        self.start_with({})
        self.assertEqual(self.names(), [b"lo"])
        for _ in range(3):
            self.agent.request("network", {"interfaces": [interface(0, "eth0", "10.9.0.15/24")]})
            self.assertEqual(self.names(), [b"eth0", b"lo"])
            self.ping("10.9.0.2")
            self.agent.request("network", {})
            self.assertEqual(self.names(), [b"lo"])

    def test_a_card_comes_and_goes(self):
        eth0, eth1 = interface(0, "eth0", "10.9.0.15/24"), interface(1, "eth1", "10.9.1.15/24", "fd09:1::15/64")
        self.start_with({"interfaces": [eth0]})
        for _ in range(2):
            asked = self.agent.ask("network", {"interfaces": [eth0, eth1]})
            self.qmp("device_add", driver="virtio-net-pci", bus="root1", id="card1", netdev="net1", mac=card_mac(1))
            self.agent.answer(asked)
            self.assertEqual(self.names(), [b"eth0", b"eth1", b"lo"])
            self.ping("10.9.1.2", "fd09:1::2", "10.9.0.2")
            self.agent.request("network", {"interfaces": [eth0]})
            self.assertEqual(self.names(), [b"eth0", b"lo"])
            self.qmp("device_del", id="card1")
            while '"DEVICE_DELETED"' not in (line := self.monitor.readline()):
                self.assertTrue(line)

    def test_clock(self):
        self.start_with({})
        self.agent.request("clock", {"realtime": 2000000000 * 10**9})
        self.assertEqual(self.finish_exec("date", "+%Y")[1], b"2033\n")


class Clock(NetworkTest):
    def test_clock(self):
        self.assertEqual(self.agent.request("clock", {"realtime": time.time_ns()}), {})


if __name__ == "__main__":
    main()
