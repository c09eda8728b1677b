#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Called by tools/lab: starts the lab's host and runs scenarios in it, or gives a person a shell.

usage: run.py IMAGE FOLDER shell
       run.py IMAGE FOLDER run RESULTS LIMIT SCENARIO...

FOLDER/share is what the host finds as /lab. Exit status: 0 all scenarios passed, 1 one failed, 3 the host did not
stay up.
"""

import os
import shutil
import sys
import time

import machine

# What the host may take longer than the limit it was given, to end what is left of a scenario.
GRACE = 60
STARTS = 2


def say(text):
    print(text, flush=True)


class Follower:
    """Shows what is added to a file."""

    def __init__(self, path):
        self.path, self.at, self.rest = path, 0, b""

    def look(self):
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


class Runner:
    def __init__(self, image, folder, results, limit):
        self.machine = machine.Machine(image, folder)
        self.folder, self.results, self.limit = folder, results, limit
        self.starts = 0

    def start(self):
        say("==> the lab's host starts")
        self.starts += 1
        self.machine.start()
        say(f"    ready after {self.machine.wait_ready():.0f} s")

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
            follower = Follower(os.path.join(out, "output"))
            say(f"==> {name}")
            start = time.monotonic()
            try:
                self.machine.send(f"run {name} {self.limit}")
                answer = self.machine.receive(f"done {name} ", self.limit + GRACE, follower.look)
            except (machine.Gone, OSError) as fault:
                follower.end()
                if not self.again(fault):
                    raise machine.Gone("the lab's host ended twice") from None
                continue
            follower.end()
            status = int(answer.split()[2])
            took = time.monotonic() - start
            self.bring_back(name, out, status)
            if status == 0:
                say(f"    passed: {name} ({took:.1f} s)")
            else:
                why = f"stopped after its limit of {self.limit} s" if status in (124, 137) else f"status {status}"
                say(f"    FAILED: {name} ({took:.1f} s): {why}; what it left: {self.results}/{name}")
            return status == 0

    def bring_back(self, name, out, status):
        target = os.path.join(self.results, name)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(out, target, symlinks=True)
        with open(os.path.join(target, "status"), "w", encoding="utf-8") as file:
            print(status, file=file)

    def finish(self):
        self.machine.stop()
        if os.path.exists(self.machine.console):
            shutil.copyfile(self.machine.console, os.path.join(self.results, "console.log"))


def run(image, folder, results, limit, names):
    runner = Runner(image, folder, results, int(limit))
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


def shell(image, folder):
    host = machine.Machine(image, folder, shell=os.get_terminal_size() if sys.stdin.isatty() else os.terminal_size((80, 24)))
    say("==> the lab's host starts; it ends with the shell")
    host.start()
    try:
        return host.process.wait()
    finally:
        host.stop()


def main():
    image, folder, verb, *rest = sys.argv[1:]
    try:
        if verb == "shell":
            return shell(image, folder)
        return run(image, folder, rest[0], rest[1], rest[2:])
    except machine.Fault as fault:
        print(f"lab: {fault}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
