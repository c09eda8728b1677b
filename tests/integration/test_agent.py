#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent against the protocol, in namespaces, or in a virtual machine with --vm.

usage: test_agent.py AGENT [--vm [KERNEL INITRD] [--share virtiofs|9p]] [unittest arguments]

A machine without KERNEL and INITRD boots those in the folder CARREL_IMAGES of the environment.

Needs root, cgroup v2 somewhere and busybox, a machine also QEMU; exits with 77 (skipped) where these are missing, or
fails if the environment says REQUIRE=integration or, for a machine, REQUIRE=vm. The last line says how many tests passed,
failed and were skipped.
"""

import hashlib
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
import unittest

from agent_driver import VIRTIOFSD, AgentError, NamespaceAgent, VmAgent, cgroup2_root, config, make_share, process

OPTIONS = {"agent": None, "vm": None, "share": "virtiofs", "size": 100 << 20}


def only_in(place):
    """Marks a test, or a class of them, that only machines ("vm") or only "namespaces" can run."""
    def mark(what):
        what.place = place
        return what
    return mark


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.share = tempfile.mkdtemp(prefix="carrel-share-")
        self.addCleanup(shutil.rmtree, self.share, ignore_errors=True)
        make_share(self.share)
        self.agent = self.make_agent()
        self.finished = False
        self.next = 2
        self.agent.wait_hello()

    def make_agent(self):
        if OPTIONS["vm"]:
            return VmAgent(*OPTIONS["vm"], self.share, OPTIONS["share"])
        return NamespaceAgent(OPTIONS["agent"], self.share)

    def tearDown(self):
        if not self.finished:
            self.finish()

    def finish(self):
        self.finished = True
        self.assertEqual(self.agent.finish(), 0)

    def create(self, *args, terminal=False, size=(0, 0), process_more=None, **more):
        program = process(*args, terminal=terminal, **(process_more or {}))
        return self.agent.create(config(program, **more), OPTIONS["share"], rows=size[0], cols=size[1])

    def run_init(self, *args, **more):
        init = self.create(*args, **more)
        self.agent.start()
        return init

    def exec(self, *args, terminal=False, size=(0, 0), **more):
        self.next += 1
        return self.agent.exec(self.next, process(*args, terminal=terminal, **more), rows=size[0], cols=size[1])

    def finish_exec(self, *args, **more):
        started = self.exec(*args, **more)
        return self.agent.wait_exited(started), started.stdout, started.stderr

    def assert_error(self, text, code, call, *args, **more):
        with self.assertRaises(AgentError) as caught:
            call(*args, **more)
        self.assertIn(text, caught.exception.message)
        self.assertEqual(caught.exception.code, code)


class Lifecycle(AgentTest):
    def test_hello(self):
        hello = self.agent.hello
        self.assertEqual(hello["version"], 1)
        self.assertGreaterEqual(hello["cpus"], 1)
        self.assertGreater(hello["memory"], 64 << 20)
        self.assertLessEqual(hello["kernelUsec"], hello["readyUsec"])

    def test_output_and_status(self):
        init = self.run_init("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual(self.agent.wait_exited(init), 7)
        self.assertEqual((init.stdout, init.stderr, init.closed), (b"out\n", b"err\n", {1, 2}))
        self.assertNotIn("oomKilled", init.exited)
        self.assertEqual(self.agent.request("shutdown"), {})

    def test_nothing_runs_before_start(self):
        init = self.create("sh", "-c", "echo ran")
        self.agent.step(0.2)
        self.assertEqual(init.stdout, b"")
        self.assertLess(0, self.agent.start()["startedUsec"])
        self.agent.wait_exited(init)
        self.assertEqual(init.stdout, b"ran\n")

    def test_signals_of_the_status(self):
        init = self.run_init("sh", "-c", "kill -9 $$", namespaces=("mount",))
        self.assertEqual(self.agent.wait_exited(init), 128 + signal.SIGKILL)

    def test_program_is_not_there(self):
        self.assert_error(
            'exec: "nothing-like-it": executable file not found in $PATH', 2, self.create, "nothing-like-it"
        )
        self.agent.request("shutdown")

    @only_in("namespaces")  # a guest may remember names for a second
    def test_program_goes_away_before_start(self):
        self.create("/bin/true")
        os.unlink(os.path.join(self.share, "rootfs/bin/true"))
        self.assert_error("no such file or directory", 2, self.agent.start)
        self.agent.request("shutdown")

    def test_program_is_a_folder(self):
        self.assert_error('exec: "/etc": permission denied', 13, self.create, "/etc")

    def test_bad_config(self):
        request = {"shareType": OPTIONS["share"], "config": {"ociVersion": "1.0.0"}}
        self.assert_error("config.json: process", 22, self.agent.request, "create", request)

    def test_root_is_not_there(self):
        with self.assertRaises(AgentError):
            self.create("true", root={"path": "/run/carrel/share/nowhere"})

    def test_setup_fails_on_the_agents_side(self):
        linux = {"namespaces": [{"type": "mount"}, {"type": "pid"}], "sysctl": {"vm.nothing_like_it": "1"}}
        with self.assertRaises(AgentError):
            self.create("true", linux=linux)
        self.agent.step(0.2)
        self.assertEqual(self.agent.request("shutdown"), {})

    def test_warnings_reach_the_host(self):
        self.create("true", linux={"namespaces": [{"type": "mount"}], "resources": {"memory": {"swappiness": 10}}})
        self.agent.wait(lambda: self.agent.events, "a line of the log")
        kind, message = self.agent.events[0]
        self.assertEqual((kind, message["level"]), ("log", "warning"))
        self.assertIn("swappiness", message["message"])

    def test_second_create(self):
        self.create("true")
        self.assert_error("a container already", 17, self.create, "true")

    def test_order_of_requests(self):
        self.assert_error("container not running", 3, self.agent.start)
        self.assert_error("cannot exec in a stopped container", 22, self.agent.exec, 2, process("true"))
        init = self.create("sleep", "100")
        self.assertEqual(self.finish_exec("sh", "-c", "hostname; ls /proc/self/fd | wc -l"), (0, b"desk\n4\n", b""))
        self.agent.start()
        self.assert_error("cannot start an already running container", 22, self.agent.start)
        self.agent.signal(1, signal.SIGKILL)
        self.agent.wait_exited(init)
        self.assert_error("cannot exec in a stopped container", 22, self.agent.exec, 2, process("true"))

    def test_kill_before_start(self):
        init = self.create("true")
        self.agent.signal(1, signal.SIGKILL)
        self.assertEqual(self.agent.wait_exited(init), 137)
        self.assert_error("container not running", 3, self.agent.start)

    def test_end_of_the_channel_ends_everything(self):
        self.run_init("sleep", "1000")
        self.finish()

    def test_nonsense_ends_the_channel(self):
        self.agent.out += b"\xff" * 64
        with self.assertRaises(EOFError):
            self.agent.wait(lambda: False, "the end")

    def test_request_without_a_number_ends_the_channel(self):
        self.agent.send("create", 0, 0, {})
        with self.assertRaises(EOFError):
            self.agent.wait(lambda: False, "the end")

    def test_overrun_of_credit_ends_the_channel(self):
        init = self.run_init("sleep", "100")
        init.input_credit = -1 << 30
        for _ in range(20):
            self.agent.send("data", init.number << 2, 0, bytes(32 << 10))
        with self.assertRaises(EOFError):
            self.agent.wait(lambda: False, "the end")

    def test_orphans_are_reaped(self):
        init = self.run_init("sh", "-c", "for i in 1 2 3 4 5; do setsid sleep 0 & done; sleep 0.3",
                             namespaces=("mount",))
        self.assertEqual(self.agent.wait_exited(init), 0)

    def test_leftovers_without_a_pid_namespace_are_killed(self):
        init = self.run_init("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & exit 3", namespaces=("mount",))
        self.assertEqual(self.agent.wait_exited(init), 3)
        self.agent.request("shutdown")

    def test_background_writer_does_not_hold_the_end(self):
        self.run_init("sleep", "100")
        began = time.monotonic()
        status, out, _ = self.finish_exec("sh", "-c", "setsid sleep 90 & echo done")
        self.assertEqual((status, out), (0, b"done\n"))
        self.assertLess(time.monotonic() - began, 30)


class Exec(AgentTest):
    def setUp(self):
        super().setUp()
        self.init = self.run_init("sleep", "1000")

    def test_output_and_status(self):
        self.assertEqual(self.finish_exec("sh", "-c", "echo out; echo err >&2; exit 3"), (3, b"out\n", b"err\n"))

    def test_errors(self):
        self.assert_error('exec: "nothing": executable file not found in $PATH', 2, self.exec, "nothing")
        self.assert_error("permission denied", 13, self.exec, "/etc")
        self.assert_error("no such file or directory", 2, self.exec, "/bin/nothing")
        self.assert_error("cwd", 22, self.exec, "true", cwd="relative")
        self.assertEqual(self.finish_exec("true")[0], 0)

    def test_numbers(self):
        for number in (0, 1, 1 << 31):
            with self.assertRaises(AgentError):
                self.agent.exec(number, process("true"))
        self.agent.processes[1] = self.init

    def test_identity(self):
        status, out, _ = self.finish_exec("sh", "-c", "id -u; id -g; pwd; echo $FOO", cwd="/tmp",
                                          user={"uid": 1000, "gid": 2000}, env=["PATH=/bin", "FOO=bar"])
        self.assertEqual((status, out), (0, b"1000\n2000\n/tmp\nbar\n"))

    def test_it_is_in_the_container(self):
        _, out, _ = self.finish_exec("sh", "-c", "hostname; ps | wc -l; cat /proc/1/cmdline; ls -d /run")
        self.assertEqual(out.split(b"\n")[0], b"desk")
        self.assertIn(b"sleep\0001000", out)
        self.assertNotIn(b"/run\n", out)

    def test_stdout_can_be_opened_anew(self):
        status, out, err = self.finish_exec("sh", "-c", "echo again >/proc/self/fd/1",
                                            user={"uid": 1000, "gid": 1000})
        self.assertEqual((status, out, err), (0, b"again\n", b""))

    def test_no_descriptors_of_the_agent(self):
        _, out, _ = self.finish_exec("ls", "/proc/self/fd")
        self.assertEqual(out.split(), [b"0", b"1", b"2", b"3"])  # 3 is the folder itself

    def test_end_of_init_ends_it(self):
        running = self.exec("sleep", "1000")
        self.agent.signal(1, signal.SIGKILL)
        self.assertEqual(self.agent.wait_exited(self.init), 137)
        self.assertEqual(running.exited["status"], 137)

    def test_many(self):
        running = [self.exec("sh", "-c", f"read x; echo {i} $x; exit {i}") for i in range(40)]
        for started in running:
            started.input, started.input_closing = b"word\n", True
        for i, started in enumerate(running):
            self.assertEqual(self.agent.wait_exited(started), i)
            self.assertEqual(started.stdout, b"%d word\n" % i)

    @only_in("namespaces")  # takes a machine too long
    def test_too_many(self):
        with self.assertRaises(AgentError) as caught:
            for _ in range(300):
                self.exec("sleep", "1000")
        self.assertIn("processes already", caught.exception.message)
        self.assertEqual(len(self.agent.request("processes")["processes"]), 240)


class Stdio(AgentTest):
    def setUp(self):
        super().setUp()
        self.init = self.run_init("sleep", "1000")

    def test_stdin(self):
        started = self.exec("cat")
        started.input, started.input_closing = b"hello" * 1000, True
        self.assertEqual(self.agent.wait_exited(started), 0)
        self.assertEqual(started.stdout, b"hello" * 1000)

    def test_much_output(self):
        size = OPTIONS["size"]
        started = self.exec("sh", "-c", f"read x; dd if=/dev/zero bs=65536 count={size >> 16}")
        digest = hashlib.sha256()
        started.sink[1] = digest.update
        started.input = b"go\n"
        self.assertEqual(self.agent.wait_exited(started, 300), 0)
        self.assertEqual(started.counted[1], size)
        self.assertEqual(digest.digest(), hashlib.sha256(bytes(size)).digest())

    def test_much_input(self):
        data = os.urandom(1 << 20) * (OPTIONS["size"] >> 20)
        started = self.exec("sha256sum")
        started.input, started.input_closing = data, True
        self.assertEqual(self.agent.wait_exited(started, 300), 0)
        self.assertEqual(started.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest())

    def test_both_ways_at_once(self):
        data = os.urandom(OPTIONS["size"] // 10)
        started = self.exec("cat")
        started.input, started.input_closing = data, True
        self.assertEqual(self.agent.wait_exited(started, 300), 0)
        self.assertEqual(started.stdout, data)

    def test_reader_gone(self):
        started = self.exec("yes")
        self.agent.wait(lambda: started.counted[1] > 100000, "output")
        self.agent.send("reset", started.number << 2 | 1)
        self.assertEqual(self.agent.wait_exited(started), 128 + signal.SIGPIPE)

    def test_guest_closes_stdin(self):
        started = self.exec("sh", "-c", "exec <&-; sleep 0.3; echo x")
        started.input = b"nobody reads this"
        self.assertEqual(self.agent.wait_exited(started), 0)
        self.assertTrue(started.input_reset)

    def test_slow_reader(self):
        started = self.exec("sh", "-c", "read x; dd if=/dev/zero bs=1000 count=1000")
        started.hold.add(1)
        started.input = b"go\n"
        self.agent.wait(lambda: started.counted[1] >= 256 << 10, "a full window")
        with self.assertRaises(TimeoutError):
            self.agent.wait(lambda: started.exited, "nothing", 1)
        self.assertEqual(started.counted[1], 256 << 10)
        # others are not held up
        self.assertEqual(self.finish_exec("echo", "x")[1], b"x\n")
        started.hold.clear()
        self.agent.send("window", started.number << 2 | 1, 0, struct.pack("<I", 256 << 10))
        self.assertEqual(self.agent.wait_exited(started), 0)
        self.assertEqual(started.counted[1], 1000000)

    def test_output_of_a_dead_process_waits_for_credit(self):
        started = self.exec("sh", "-c", "read x; dd if=/dev/zero bs=1000 count=300 2>/dev/null; echo end")
        started.hold.add(1)
        started.input = b"go\n"
        self.agent.wait(lambda: started.counted[1] == 256 << 10, "a full window")
        self.agent.wait(lambda: len(self.agent.request("processes")["processes"]) == 1, "its end")
        self.assertIsNone(started.exited)
        started.hold.clear()
        self.agent.send("window", started.number << 2 | 1, 0, struct.pack("<I", 256 << 10))
        self.agent.wait_exited(started)
        self.assertEqual(started.counted[1], 300004)
        self.assertTrue(started.stdout.endswith(b"end\n"))

    def test_init_does_not_wait_for_ever(self):
        started = self.exec("sh", "-c", "read x; yes")
        started.hold.add(1)
        started.input = b"go\n"
        self.agent.wait(lambda: started.counted[1] == 256 << 10, "a full window")
        began = time.monotonic()
        self.agent.signal(1, signal.SIGKILL)
        self.assertEqual(self.agent.wait_exited(self.init), 137)
        self.assertGreater(time.monotonic() - began, 1)


class Terminal(AgentTest):
    def test_init(self):
        init = self.create("sh", "-c", "tty; stty size; test -c /dev/console && read x && echo got $x; exit 4",
                           terminal=True, size=(33, 99))
        self.agent.start()
        init.input = b"abc\n"
        self.assertEqual(self.agent.wait_exited(init), 4)
        for text in (b"/dev/pts/0\r\n", b"33 99\r\n", b"got abc\r\n"):
            self.assertIn(text, init.stdout)
        self.assertEqual(init.closed, {1})

    def test_size_of_the_specification(self):
        init = self.run_init("stty", "size", terminal=True,
                             process_more={"consoleSize": {"height": 12, "width": 34}})
        self.agent.wait_exited(init)
        self.assertEqual(init.stdout, b"12 34\r\n")

    def test_resize(self):
        self.run_init("sleep", "1000")
        shell = self.exec("sh", terminal=True, size=(10, 20))
        shell.input = b"stty size\n"
        self.agent.wait(lambda: b"10 20" in shell.stdout, "the first size")
        self.agent.request("resize", {"process": shell.number, "rows": 40, "cols": 80})
        shell.input = b"stty size; exit 9\n"
        self.assertEqual(self.agent.wait_exited(shell), 9)
        self.assertIn(b"40 80", shell.stdout)
        pipes = self.exec("sleep", "100")
        self.assert_error("no terminal", 22, self.agent.request, "resize",
                          {"process": pipes.number, "rows": 1, "cols": 1})
        self.assert_error("no such process", 3, self.agent.request, "resize",
                          {"process": 999, "rows": 1, "cols": 1})

    def test_control_c(self):
        self.run_init("sleep", "1000")
        shell = self.exec("sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done",
                          terminal=True)
        self.agent.wait(lambda: b"ready" in shell.stdout, "the shell")
        shell.input = b"\x03"
        self.assertEqual(self.agent.wait_exited(shell), 5)

    def test_hang_up(self):
        self.run_init("sleep", "1000")
        sleeper = self.exec("sleep", "1000", terminal=True)
        self.agent.send("reset", sleeper.number << 2 | 1)
        self.assertEqual(self.agent.wait_exited(sleeper), 128 + signal.SIGHUP)

    def test_close_of_stdin_is_ignored(self):
        self.run_init("sleep", "1000")
        reader = self.exec("sh", "-c", "sleep 0.2; read x; echo got $x", terminal=True)
        reader.input, reader.input_closing = b"late\n", True
        self.assertEqual(self.agent.wait_exited(reader), 0)
        self.assertIn(b"got late", reader.stdout)

    def test_much_output(self):
        self.run_init("sleep", "1000")
        writer = self.exec("sh", "-c", "seq 1 100000", terminal=True)
        self.assertEqual(self.agent.wait_exited(writer), 0)
        self.assertEqual(writer.stdout.replace(b"\r\n", b"\n"), b"".join(b"%d\n" % i for i in range(1, 100001)))

    def test_user_owns_it(self):
        self.run_init("sleep", "1000")
        status, out, _ = self.finish_exec("sh", "-c", "echo x >$(tty)", terminal=True,
                                          user={"uid": 1000, "gid": 1000})
        self.assertEqual((status, out), (0, b"x\r\n"))


class UserNamespace(AgentTest):
    OWNER = 100000

    def setUp(self):
        super().setUp()
        for folder, folders, files in os.walk(self.share):
            for name in [".", *folders, *files]:
                os.chown(os.path.join(folder, name), self.OWNER, self.OWNER, follow_symlinks=False)
        ids = [{"containerID": 0, "hostID": self.OWNER, "size": 65536}]
        self.linux = {"namespaces": [{"type": kind} for kind in ("user", "pid", "mount", "uts", "ipc", "cgroup")],
                      "uidMappings": ids, "gidMappings": ids}

    def test_init_and_exec(self):
        init = self.create("sh", "-c", "cat /proc/self/uid_map; touch /made; echo again >/proc/self/fd/1; sleep 1000",
                           linux=self.linux)
        self.agent.start()
        self.agent.wait(lambda: b"again" in init.stdout, "output")
        self.assertEqual(init.stdout.split(), [b"0", b"100000", b"65536", b"again"])
        for user in (0, 1000):
            status, out, err = self.finish_exec("sh", "-c", "id -u; echo again >/proc/self/fd/1",
                                                user={"uid": user, "gid": user})
            self.assertEqual((status, out, err), (0, b"%d\nagain\n" % user, b""))
        self.assertEqual(os.stat(os.path.join(self.share, "rootfs/made")).st_uid, self.OWNER)

    def test_terminals(self):
        init = self.create("sh", "-c", "tty; echo again >$(tty); read x", terminal=True, linux=self.linux)
        self.agent.start()
        self.agent.wait(lambda: b"again" in init.stdout, "output")
        status, out, _ = self.finish_exec("sh", "-c", "tty; echo again >$(tty)", terminal=True,
                                          user={"uid": 1000, "gid": 1000})
        self.assertEqual((status, out), (0, b"/dev/pts/1\r\nagain\r\n"))


@only_in("vm")  # the host's memory controller is not ours
class Memory(AgentTest):
    LIMIT = 32 << 20

    def limited(self):
        return {"namespaces": [{"type": "mount"}, {"type": "pid"}], "resources": {"memory": {"limit": self.LIMIT}}}

    def test_out_of_memory(self):
        init = self.run_init("dd", "if=/dev/zero", "of=/dev/null", "bs=100M", linux=self.limited())
        self.assertEqual(self.agent.wait_exited(init), 137)
        self.assertTrue(init.exited["oomKilled"])
        self.assertIn(("event", {"event": "oom"}), self.agent.events)

    def test_out_of_memory_in_an_exec(self):
        init = self.run_init("sleep", "1000", linux=self.limited())
        self.assertEqual(self.finish_exec("dd", "if=/dev/zero", "of=/dev/null", "bs=100M")[0], 137)
        self.agent.wait(lambda: ("event", {"event": "oom"}) in self.agent.events, "the event")
        self.assertIsNone(init.exited)

    def test_update(self):
        self.run_init("sleep", "1000", linux=self.limited())
        self.assertEqual(self.agent.request("stats")["memory"]["usage"]["limit"], self.LIMIT)
        self.agent.request("update", {"memory": {"limit": 2 * self.LIMIT}, "pids": {"limit": 77}})
        stats = self.agent.request("stats")
        self.assertEqual((stats["memory"]["usage"]["limit"], stats["pids"]["limit"]), (2 * self.LIMIT, 77))
        with self.assertRaises(AgentError):
            self.agent.request("update", {"memory": {"limit": "much"}})


class Hooks(AgentTest):
    def hooks(self, *hooks):
        return {"hooks": {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script], **more}
                                             for script, more in hooks]}}

    def test_state_on_stdin(self):
        init = self.create("cat", "/state", **self.hooks(("cat >/state", {})))
        self.agent.start()
        self.assertEqual(self.agent.wait_exited(init), 0)
        self.assertEqual(json.loads(init.stdout)["status"], "created")

    def test_failure(self):
        self.create("true", **self.hooks(("echo why >&2; exit 3", {})))
        with self.assertRaises(AgentError) as caught:
            self.agent.start()
        self.assertIn("hook", caught.exception.message)
        self.assertEqual(self.agent.request("shutdown"), {})

    def test_timeout(self):
        self.create("true", **self.hooks(("sleep 100", {"timeout": 1})))
        with self.assertRaises(AgentError):
            self.agent.start()


class Requests(AgentTest):
    def test_signals(self):
        self.run_init("sleep", "1000")
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1):
            sleeper = self.exec("sleep", "1000")
            self.agent.signal(sleeper.number, number)
            self.assertEqual(self.agent.wait_exited(sleeper), 128 + number)
            self.assert_error("no such process", 3, self.agent.signal, sleeper.number, 9)
        for number in (-1, 65, 1000):
            self.assert_error("signal", 22, self.agent.signal, 1, number)

    def test_signal_to_all(self):
        self.run_init("sh", "-c", "trap : TERM; while :; do sleep 0.1; done")
        sleepers = [self.exec("sleep", "1000") for _ in range(3)]
        self.agent.signal(0, signal.SIGTERM, True)
        for sleeper in sleepers:
            self.assertEqual(self.agent.wait_exited(sleeper), 143)
        self.agent.signal(0, signal.SIGKILL, True)
        self.assertEqual(self.agent.wait_exited(self.agent.processes[1]), 137)
        self.assert_error("container not running", 3, self.agent.signal, 0, signal.SIGKILL, True)

    def test_processes(self):
        self.run_init("sh", "-c", "sleep 1000 & wait")
        self.exec("sleep", "555", user={"uid": 7, "gid": 8})

        def commands_now():
            return {p["command"]: p for p in self.agent.request("processes")["processes"]}

        self.agent.wait(lambda: len(commands_now()) == 3, "all to run")
        commands = commands_now()
        self.assertEqual(set(commands), {"sh -c sleep 1000 & wait", "sleep 1000", "sleep 555"})
        self.assertEqual(commands["sh -c sleep 1000 & wait"]["containerPid"], 1)
        self.assertEqual(commands["sleep 555"]["uid"], 7)
        self.assertEqual(commands["sleep 1000"]["parent"], commands["sh -c sleep 1000 & wait"]["pid"])

    def test_stats(self):
        self.run_init("sleep", "1000")
        stats = self.agent.request("stats")
        for key in ("cpu", "memory", "pids", "blkio"):
            self.assertIn(key, stats)

    def test_unknown_request(self):
        self.assert_error("pause is not for the agent", 38, self.agent.request, "pause")

    def test_payload_that_is_no_object(self):
        self.run_init("sleep", "1000")
        for payload in (b"", b"[]", b"{", b'{"signal":"x"}', b'{"signal":9,"process":-1}'):
            seq = self.agent.ask("signal", payload)
            with self.assertRaises(AgentError):
                self.agent.answer(seq)

    def test_frames_for_nobody_are_dropped(self):
        self.run_init("sleep", "1000")
        for name, payload in (("data", b"x"), ("window", b"\0\0\0\0"), ("close", b""), ("reset", b"")):
            self.agent.send(name, 77 << 2, 0, payload)
        self.assertEqual(self.finish_exec("true")[0], 0)


def load_tests(_loader, tests, _pattern):
    """Without those that only the other kind of place can run."""
    found = unittest.TestSuite()
    for case in tests:
        for test in case:
            method = getattr(test, test._testMethodName)
            if getattr(method, "place", getattr(test, "place", None)) in (None, "vm" if OPTIONS["vm"] else "namespaces"):
                found.addTest(test)
    return found


def missing():
    """Why this cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("busybox"):
        return "needs busybox"
    for path in OPTIONS["vm"] or ():
        if not os.access(path, os.R_OK):
            return f"no guest kernel: {path} (CARREL_IMAGES)"
    if OPTIONS["vm"] and not shutil.which("qemu-system-x86_64"):
        return "no qemu-system-x86_64"
    if OPTIONS["vm"] and OPTIONS["share"] == "virtiofs" and not os.access(VIRTIOFSD, os.X_OK):
        return f"no {VIRTIOFSD}"
    try:
        cgroup2_root()
    except OSError as error:
        return str(error)
    return None


def parse(argv):
    OPTIONS["agent"] = argv.pop(0)
    if argv[:1] == ["--vm"]:
        del argv[0]
        given = argv[:2] if argv and os.sep in argv[0] else []
        del argv[:len(given)]
        images = os.environ.get("CARREL_IMAGES", "")
        OPTIONS["vm"] = given or [os.path.join(images, "vmlinux"), os.path.join(images, "initrd")]
        OPTIONS["size"] = 20 << 20
    if argv[:1] == ["--share"]:
        OPTIONS["share"] = argv[1]
        del argv[:2]
    return argv


def main():
    argv = parse(sys.argv[1:])
    reason = missing()
    if reason:
        required = ("vm" if OPTIONS["vm"] else "integration") in os.environ.get("REQUIRE", "").split(",")
        print(f"{'cannot run' if required else 'skipped'}: {reason}")
        sys.exit(1 if required else 77)
    result = unittest.main(argv=[sys.argv[0], *argv], exit=False).result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    for test, why in result.skipped:
        print(f"skipped: {test.id()}: {why}")
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed, {len(result.skipped)} skipped")
    sys.exit(1 if failed or not result.testsRun else 0)


if __name__ == "__main__":
    main()
