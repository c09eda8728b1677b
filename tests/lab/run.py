#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Called by tools/lab: starts the lab's host and runs scenarios in it, or gives a person a shell.

usage: run.py IMAGE FOLDER run RESULTS LIMIT SCENARIO...
       run.py IMAGE FOLDER shell
       run.py IMAGE FOLDER up | down | alive

FOLDER/share is what the host finds as /lab. A host that was started there with "up" is used, and stays. Exit status:
0 all scenarios passed, 1 one failed, 3 the host did not stay up.
"""

import os
import re
import select
import shutil
import socket
import sys
import termios
import time
import tty

import machine

# What the host may take longer than the limit it was given, to end what is left of a scenario.
GRACE = int(os.environ.get("LAB_GRACE", "60"))
STARTS = 2
# what the agent writes to the terminal when the shell has ended
SHELL_ENDS = b"\x1b]lab;end\x07"


def say(text):
    print(text, flush=True)


def limit_of(name, limit):
    """Seconds that a scenario may take: LIMIT, or more where it says so in a comment of its own."""
    try:
        with open(os.path.join(machine.HERE, "scenarios", name), encoding="utf-8") as file:
            own = re.search(r"^# limit: (\d+)$", file.read(), re.MULTILINE)
    except OSError:
        own = None
    return max(limit, int(own.group(1))) if own else limit


class Follower:
    """Shows what is added to a file, and sees to wishes."""

    def __init__(self, path, wishes):
        self.path, self.at, self.rest = path, 0, b""
        self.wishes = wishes

    def look(self):
        self.wishes.look()
        try:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                data = file.read()
        except OSError:
            return
        self.at += len(data)
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            say("    " + line.decode(errors="replace"))

    def end(self):
        self.look()
        if self.rest:
            say("    " + self.rest.decode(errors="replace"))


class Wishes:
    """What a scenario asks of the machine below: a file "wish" in its folder with the words "picture DEVICE", which
    becomes DEVICE.ppm there. The file goes away when that is done; "wish.failed" says why it was not."""

    def __init__(self, host, folder):
        self.host, self.folder, self.wish = host, folder, os.path.join(folder, "wish")

    def look(self):
        if not os.path.exists(self.wish):
            return
        with open(self.wish, encoding="utf-8", errors="replace") as file:
            wish = re.fullmatch(r"picture ([a-z][a-z-]*)\n", file.read(100))
        try:
            if not wish:
                raise machine.Fault("no such wish")
            self.host.picture(wish[1], os.path.join(self.folder, f"{wish[1]}.ppm"))
        except (machine.Fault, OSError, ValueError) as fault:
            with open(f"{self.wish}.failed", "w", encoding="utf-8") as file:
                print(fault, file=file)
        os.unlink(self.wish)


class Runner:
    def __init__(self, image, folder, results, limit):
        self.machine = machine.Machine(image, folder)
        self.folder, self.results, self.limit = folder, results, limit
        self.starts = 0

    def start(self):
        self.starts += 1
        if self.starts == 1 and self.machine.attach():
            self.machine.wait_ready()
        else:
            start_host(self.machine)

    def again(self, fault):
        """The host is gone: say so, start it again if it is the first time."""
        say(f"    {fault}; the end of its console:")
        for line in self.machine.console_tail():
            say(f"    | {line}")
        self.machine.stop()
        shutil.copyfile(self.machine.console, os.path.join(self.results, f"console-{self.starts}.log"))
        if self.starts >= STARTS:
            return False
        self.start()
        return True

    def run(self, name):
        """Whether the scenario passed; Gone when the host ended twice."""
        out = os.path.join(self.folder, "share", "out", name)
        while True:
            shutil.rmtree(out, ignore_errors=True)
            os.makedirs(out)
            follower = Follower(os.path.join(out, "output"), Wishes(self.machine, out))
            say(f"==> {name}")
            start, used = time.monotonic(), self.machine.cpu_seconds()
            limit = limit_of(name, self.limit)
            try:
                self.machine.send(f"run {name} {limit}")
                answer = self.machine.receive(f"done {name} ", limit + GRACE, follower.look)
            except (machine.Gone, OSError) as fault:
                follower.end()
                if not self.again(fault):
                    raise machine.Gone("the lab's host ended twice") from None
                continue
            follower.end()
            status = int(answer.split()[2])
            took = f"{time.monotonic() - start:.1f} s, {self.machine.cpu_seconds() - used:.1f} s of CPU"
            self.bring_back(name, out, status)
            if status == 0:
                say(f"    passed: {name} ({took})")
            else:
                why = f"stopped after its limit of {limit} s" if status in (124, 137) else f"status {status}"
                say(f"    FAILED: {name} ({took}): {why}; what it left: {self.results}/{name}")
            return status == 0

    def bring_back(self, name, out, status):
        target = os.path.join(self.results, name)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(out, target, symlinks=True)
        with open(os.path.join(target, "status"), "w", encoding="utf-8") as file:
            print(status, file=file)

    def finish(self):
        if self.machine.keep:
            self.machine.leave()
        else:
            self.machine.stop()
        if os.path.exists(self.machine.console):
            shutil.copyfile(self.machine.console, os.path.join(self.results, "console.log"))


def run(image, folder, results, limit, names):
    runner = Runner(image, folder, results, int(limit))
    # what an earlier run has left is no result of this one
    for name in names:
        shutil.rmtree(os.path.join(results, name), ignore_errors=True)
    passed = []
    try:
        try:
            runner.start()
        except machine.Gone as fault:
            if not runner.again(fault):
                raise
        for name in names:
            if runner.run(name):
                passed.append(name)
    except machine.Gone as fault:
        say(f"    FAILED: {fault}")
        return 3
    finally:
        runner.finish()
        say(f"{len(passed)} of {len(names)} scenarios passed")
    return 0 if len(passed) == len(names) else 1


def join_terminals(port):
    """This terminal and that of the host, until the shell at its end has ended (or standard input has)."""
    # what comes before the shell's prompt would be thrown away by it
    terminal, sources = sys.stdin.isatty(), [port]
    before, prompted = termios.tcgetattr(sys.stdin) if terminal else None, False
    if terminal:
        tty.setraw(sys.stdin)
    try:
        while True:
            ready = select.select(sources, [], [])[0]
            if port in ready:
                data = port.recv(65536)
                if not prompted:
                    prompted = True
                    sources.append(sys.stdin)
                end = data.find(SHELL_ENDS)
                os.write(1, data if end < 0 else data[:end])
                if end >= 0 or not data:
                    return
            if sys.stdin in ready:
                data = os.read(0, 4096)
                if data:
                    port.sendall(data)
                else:
                    port.sendall(b"\x04")
                    sources.remove(sys.stdin)
    finally:
        if terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def shell(host):
    size = os.get_terminal_size() if sys.stdin.isatty() else os.terminal_size((80, 24))
    if host.attach():
        host.wait_ready()
    else:
        start_host(host)
    try:
        with socket.socket(socket.AF_UNIX) as port:
            port.connect(os.path.join(host.folder, "terminal"))
            host.send(f"shell {size.lines} {size.columns} {os.environ.get('TERM', 'dumb')}")
            join_terminals(port)
    finally:
        if host.keep:
            host.leave()
        else:
            host.stop()
    return 0


def start_host(host):
    say("==> the lab's host starts")
    host.start()
    took = host.wait_ready()
    say(f"    ready after {took:.0f} s ({host.cpu_seconds():.0f} s of CPU)")


def up(host):
    if host.attach():
        say("    it is up already")
        return 0
    host.keep = True
    try:
        start_host(host)
    except BaseException:
        host.stop()
        raise
    host.leave()
    return 0


def down(host):
    if host.attach():
        host.stop()
    return 0


def main():
    image, folder, verb, *rest = sys.argv[1:]
    try:
        if verb == "run":
            return run(image, folder, rest[0], rest[1], rest[2:])
        host = machine.Machine(image, folder)
        if verb == "alive":
            return 0 if host.attach() else 1
        return {"shell": shell, "up": up, "down": down}[verb](host)
    except machine.Fault as fault:
        print(f"lab: {fault}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
