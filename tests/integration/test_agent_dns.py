#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Docker's name server as a guest has it, with this test in the place of the host's side. In namespaces only.

usage: test_agent_dns.py AGENT [unittest arguments]
"""

import contextlib
import ctypes
import os
import pickle
import select
import socket
import struct
import threading
import time

from test_agent import main
from test_agent_network import NetworkTest

SERVER = ("127.0.0.11", 53)
MAPPED = ("::ffff:127.0.0.11", 53)
UDP, TCP = 0, 1
CLONE_NEWNET = 0x40000000


def prefixed(message):
    return struct.pack(">H", len(message)) + message


def receive(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def receive_message(sock):
    """A message by TCP; None: the connection ended."""
    prefix = receive(sock, 2)
    return receive(sock, struct.unpack(">H", prefix)[0]) if len(prefix) == 2 else None


def ask(message, address=SERVER, timeout=5):
    """By UDP: the answer, and who gave it."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.sendto(message, address)
        answer, server = sock.recvfrom(65535)
        return answer, server[:2]


def connect(address=SERVER):
    return socket.create_connection(address, timeout=5)


def a_record(query, address):
    """An answer to a query of one name."""
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(address)


class DnsTest(NetworkTest):
    DNS = True

    def setUp(self):
        super().setUp()
        self.agent.resolve = lambda how, message: b"answer to " + message
        self.init = self.start_with({"dns": self.DNS})

    def call_inside(self, function, *args, cgroup="carrel"):
        """What FUNCTION returns, or raises, when it is called by a process of the container."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                with open(os.path.join(self.agent.cgroup, cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
                    file.write("0")
                self.join()
                result = (function(*args), None)
            except Exception as error:  # pylint: disable=broad-except
                result = (None, error)
            with os.fdopen(writer, "wb") as file:
                file.write(pickle.dumps(result))
            os._exit(0)
        os.close(writer)
        try:
            with os.fdopen(reader, "rb") as file:
                while not select.select([file], [], [], 0)[0]:
                    self.agent.step(0.02)
                result, error = pickle.loads(file.read())
        finally:
            os.waitpid(child, 0)
        if error:
            raise error
        return result

    def join(self):
        with open(f"/proc/{self.agent.child.pid}/ns/net", "rb") as file:
            self.assertEqual(ctypes.CDLL(None).setns(file.fileno(), CLONE_NEWNET), 0)


class Queries(DnsTest):
    def test_udp(self):
        for address in (SERVER, MAPPED):
            self.assertEqual(self.call_inside(ask, b"x", address), (b"answer to x", address))
        self.assertEqual([q[1:] for q in self.agent.queries], [(UDP, b"x"), (UDP, b"x")])

    def test_connected_udp(self):
        def look(address):
            with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(5)
                sock.connect(address)
                sock.send(b"x")
                answer, server = sock.recvfrom(100)
                return answer, server[:2], sock.getpeername()[:2]

        for address in (SERVER, MAPPED):
            self.assertEqual(self.call_inside(look, address), (b"answer to x", address, address))

    def test_tcp(self):
        def look(address):
            with connect(address) as sock:
                sock.sendall(prefixed(b"one") + prefixed(b"two"))
                answers = {receive_message(sock), receive_message(sock)}
                for byte in prefixed(b"three"):
                    sock.sendall(bytes([byte]))
                    time.sleep(0.01)
                return answers, receive_message(sock), sock.getpeername()[:2]

        for address in (SERVER, MAPPED):
            self.assertEqual(self.call_inside(look, address),
                             ({b"answer to one", b"answer to two"}, b"answer to three", address))
        self.assertEqual({q[1:] for q in self.agent.queries}, {(TCP, b"one"), (TCP, b"two"), (TCP, b"three")})

    def test_a_resolver(self):
        with open(os.path.join(self.share, "rootfs/etc/resolv.conf"), "w", encoding="ascii") as file:
            file.write("nameserver 127.0.0.11\n")
        self.agent.resolve = lambda how, query: a_record(query, "192.0.2.7") if query[-4:-2] == b"\0\1" else query
        status, out, err = self.finish_exec("nslookup", "web.example", "127.0.0.11")
        self.assertIn(b"192.0.2.7", out, err)
        self.assertEqual(status, 0)

    def test_sizes(self):
        def look():
            with connect() as sock:
                sock.sendall(prefixed(bytes(65535)))
                return len(receive_message(sock))

        self.agent.resolve = lambda how, message: bytes(65535 if how == TCP else 4000)
        self.assertEqual(self.call_inside(look), 65535)
        self.assertEqual(len(self.call_inside(ask, bytes(60000))[0]), 4000)
        self.assertEqual([len(q[2]) for q in self.agent.queries], [65535, 60000])

    def test_no_answer(self):
        def look():
            with connect() as sock:
                sock.sendall(prefixed(b"x"))
                return receive_message(sock)

        self.agent.resolve = lambda how, message: b""
        self.assertIsNone(self.call_inside(look))
        with self.assertRaises(TimeoutError):
            self.call_inside(ask, b"x", SERVER, 0.5)

    def test_end_of_a_connection(self):
        def look():
            with connect() as sock:
                sock.sendall(prefixed(b"x"))
                sock.shutdown(socket.SHUT_WR)
                return receive_message(sock), sock.recv(1)

        self.assertEqual(self.call_inside(look), (b"answer to x", b""))

    def test_an_empty_message_ends_a_connection(self):
        def look():
            with connect() as sock:
                sock.sendall(prefixed(b""))
                return sock.recv(1)

        self.assertEqual(self.call_inside(look), b"")

    def test_nobody_waits_for_an_answer(self):
        def leave():
            with connect() as sock:
                sock.sendall(prefixed(b"x"))
                time.sleep(0.1)

        self.agent.resolve = None
        self.call_inside(leave)
        self.agent.wait(lambda: self.agent.queries, "the query")
        number = self.agent.queries[0][0]
        for stream in (number, number, 77777):
            self.agent.send("dns-answer", stream, 0, b"late")
        self.agent.resolve = lambda how, message: b"yes"
        self.assertEqual(self.call_inside(ask, b"x")[0], b"yes")

    def test_patience(self):
        def look():
            began = time.monotonic()
            with connect() as sock:
                sock.settimeout(20)
                sock.sendall(prefixed(b"x"))
                return receive_message(sock), time.monotonic() - began

        self.agent.resolve = None
        answer, seconds = self.call_inside(look)
        self.assertIsNone(answer)
        self.assertTrue(9 < seconds < 18, seconds)


class Limits(DnsTest):
    def test_queries(self):
        def flood():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for i in range(300):
                    sock.sendto(b"%d" % i, SERVER)
                    time.sleep(0.001)
                time.sleep(0.2)

        self.agent.resolve = None
        self.call_inside(flood)
        self.agent.wait(lambda: len(self.agent.queries) >= 256, "as many as are asked at once")
        self.agent.step(0.2)
        self.assertEqual(len(self.agent.queries), 256)
        for number, _, _ in self.agent.queries:
            self.agent.send("dns-answer", number, 0, b"")
        self.agent.resolve = lambda how, message: b"yes"
        self.assertEqual(self.call_inside(ask, b"x")[0], b"yes")

    def test_connections(self):
        def look():
            socks = [connect() for _ in range(64)]
            with connect() as late:
                refused = late.recv(1)
            socks.pop().close()
            # until the agent has seen that
            end, answer = time.monotonic() + 10, None
            while answer is None and time.monotonic() < end:
                with contextlib.suppress(ConnectionError), connect() as sock:
                    sock.sendall(prefixed(b"x"))
                    answer = receive_message(sock)
            for sock in socks:
                sock.close()
            return refused, answer

        self.assertEqual(self.call_inside(look), (b"", b"answer to x"))

    def test_one_connection_does_not_take_all(self):
        def look():
            with connect() as sock:
                sock.sendall(prefixed(b"x") * 100)
                time.sleep(0.3)
                return ask(b"y")[0]

        self.agent.resolve = lambda how, message: b"yes" if how == UDP else None
        self.assertEqual(self.call_inside(look), b"yes")
        self.agent.wait(lambda: sum(q[1] == TCP for q in self.agent.queries) >= 8, "a connection's share")
        self.assertEqual(sum(q[1] == TCP for q in self.agent.queries), 8)

    def test_many_queries_of_a_connection(self):
        def look():
            with connect() as sock:
                sender = threading.Thread(target=sock.sendall, args=(prefixed(b"x") * 3000,))
                sender.start()
                answers = [receive_message(sock) for _ in range(3000)]
                sender.join()
                return set(answers)

        self.agent.resolve = lambda how, message: bytes(2000)
        self.assertEqual(self.call_inside(look), {bytes(2000)})


class Reach(DnsTest):
    def test_the_container_may_have_port_53(self):
        def look():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
                udp.bind(("0.0.0.0", 53))
                tcp.bind(("0.0.0.0", 53))
                tcp.listen()
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.sendto(b"own", ("127.0.0.1", 53))
                return udp.recv(100), ask(b"x")[0]

        self.assertEqual(self.call_inside(look), (b"own", b"answer to x"))

    def test_other_addresses_and_ports_are_left_alone(self):
        def look():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.bind(("127.0.0.11", 5353))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.sendto(b"x", ("127.0.0.11", 5353))
                    server.sendto(b"y", server.recvfrom(10)[1])
                    return client.recvfrom(10)

        self.assertEqual(self.call_inside(look), (b"y", ("127.0.0.11", 5353)))
        self.assertEqual(self.agent.queries, [])

    def test_beside_the_container(self):
        """As the further containers of a pod are."""
        self.assertEqual(self.call_inside(ask, b"x", SERVER, cgroup="agent"), (b"answer to x", SERVER))

    def test_a_container_in_the_container_is_left_alone(self):
        def look():
            ctypes.CDLL(None).unshare(CLONE_NEWNET)
            os.system("ip link set lo up")
            with socket.create_server(SERVER) as server, connect() as client:
                with server.accept()[0] as accepted:
                    accepted.sendall(b"mine")
                return client.recv(10), client.getpeername()

        self.assertEqual(self.call_inside(look), (b"mine", SERVER))

    def test_it_ends_and_begins(self):
        self.apply({})
        with self.assertRaises(ConnectionRefusedError):
            self.call_inside(connect)
        self.apply({"dns": True})
        self.apply({"dns": True})
        self.assertEqual(self.call_inside(ask, b"x"), (b"answer to x", SERVER))


class Without(DnsTest):
    DNS = False

    def test_nobody_is_there(self):
        with self.assertRaises(ConnectionRefusedError):
            self.call_inside(connect)


if __name__ == "__main__":
    main()
