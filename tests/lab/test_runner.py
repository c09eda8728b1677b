#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of what runs the lab's scenarios, with a stand-in for QEMU and the host in it; and of the copy of QEMU's module."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import patch_tcg  # noqa: E402
import run  # noqa: E402

# Plays QEMU and the agent in it: a scenario does what its name says. "once" is done by its first start only.
FAKE = r"""#!/usr/bin/env python3
import json, os, re, socket, sys, threading, time
words = " ".join(sys.argv)
assert os.path.exists(os.path.join(os.environ["QEMU_MODULE_DIR"], "accel-tcg-x86_64.so"))
folder = re.search(r"path=(\S+)/port,", words).group(1)
with open(re.search(r"file:(\S+)", words).group(1), "w") as console:
    console.write("host: the last words\n")
marker = os.path.join(folder, "started")
first = not os.path.exists(marker)
open(marker, "w").close()
def listen(name):
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.join(folder, name))
    server.listen()
    return server
def monitor():
    qmp = listen("qmp")
    while True:
        lines = qmp.accept()[0].makefile("rw")
        lines.write('{"QMP": {}}\n{"event": "RESUME"}\n')
        lines.flush()
        for line in lines:
            asked = json.loads(line)
            answer = {"return": {}}
            if asked["execute"] == "screendump" and asked["arguments"]["device"] != "gpu":
                answer = {"error": {"desc": "no such device"}}
            elif asked["execute"] == "screendump":
                open(asked["arguments"]["filename"], "w").write("a picture")
            lines.write(json.dumps(answer) + "\n")
            lines.flush()
def wish(out, words):
    with open(out + "/wish.new", "w") as file:
        file.write(words)
    os.rename(out + "/wish.new", out + "/wish")
    while os.path.exists(out + "/wish"):
        time.sleep(0.01)
threading.Thread(target=monitor, daemon=True).start()
server = listen("port")
greeted = False
while True:
    port = server.accept()[0]
    lines = port.makefile("rw")
    if not greeted:
        greeted = True
        lines.write("ready\n")
        lines.flush()
    for line in lines:
        verb, *rest = line.split()
        if verb == "ping":
            lines.write("ready\n")
        elif verb == "run":
            name = rest[0]
            with open(os.path.join(folder, "share", "out", name, "output"), "w") as out:
                out.write("output of " + name)
            if name.startswith("wish-"):
                wish(os.path.join(folder, "share", "out", name), name.replace("-", " ")[5:] + "\n")
            if name == "dies" or (name == "dies-once" and first):
                sys.exit(9)
            if name == "hangs":
                time.sleep(1000)
            lines.write("done %s %d\n" % (name, {"fails": 3, "slow": 124}.get(name, 0)))
        lines.flush()
"""


class Runner(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lab", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("bin", "host/share/out", "results"):
            os.makedirs(os.path.join(self.folder, name))
        path = os.path.join(self.folder, "bin", "qemu-system-x86_64")
        with open(path, "w", encoding="utf-8") as file:
            file.write(FAKE)
        os.chmod(path, 0o755)

    def call(self, *words):
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "LAB_GRACE": "1"}
        return subprocess.run([sys.executable, "-B", os.path.join(HERE, "run.py"), "image", f"{self.folder}/host", *words],
                              env=environment, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip

    def run_scenarios(self, *names):
        return self.call("run", f"{self.folder}/results", "1", *names)

    def test_pass_and_fail(self):
        done = self.run_scenarios("one", "fails", "slow", "two")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("    output of one\n    passed: one", done.stdout)
        self.assertRegex(done.stdout, r"FAILED: fails \(.* s of CPU\): status 3; what it left: .*/results/fails")
        self.assertRegex(done.stdout, r"FAILED: slow \(.* s of CPU\): stopped after its limit of 1 s")
        self.assertIn("passed: two", done.stdout)
        self.assertTrue(done.stdout.endswith("2 of 4 scenarios passed\n"))
        with open(f"{self.folder}/results/fails/status", encoding="utf-8") as file:
            self.assertEqual(file.read(), "3\n")
        self.assertTrue(os.path.exists(f"{self.folder}/results/console.log"))

    def test_wishes(self):
        done = self.run_scenarios("wish-picture-gpu", "wish-picture-none", "wish-nonsense")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name, file, text in (
            ("wish-picture-gpu", "gpu.ppm", "a picture"),
            ("wish-picture-none", "wish.failed", "none: no such device\n"),
            ("wish-nonsense", "wish.failed", "no such wish\n"),
        ):
            with open(f"{self.folder}/results/{name}/{file}", encoding="utf-8") as found:
                self.assertEqual(found.read(), text)

    def test_host_dies_once(self):
        done = self.run_scenarios("dies-once", "two")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("the lab's host ended: QEMU exited with status 9; the end of its console:\n    | host: the last words", done.stdout)
        self.assertIn("2 of 2 scenarios passed", done.stdout)

    def test_host_dies_twice(self):
        os.makedirs(f"{self.folder}/results/two")
        with open(f"{self.folder}/results/two/status", "w", encoding="utf-8") as file:
            file.write("0")
        done = self.run_scenarios("one", "dies", "two")
        self.assertFalse(os.path.exists(f"{self.folder}/results/two"), "an earlier result")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("FAILED: the lab's host ended twice\n1 of 3 scenarios passed\n", done.stdout)

    def test_host_hangs(self):
        done = self.run_scenarios("hangs")
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertIn("does not answer after 2 s", done.stdout)

    def test_own_limit(self):
        """What a scenario says it needs counts, unless the person gives it more."""
        self.assertEqual(run.limit_of("host", 300), 300)
        own = run.limit_of("runs-50", 1)
        self.assertGreater(own, 300)
        self.assertEqual(run.limit_of("runs-50", own + 1), own + 1)
        self.assertEqual(run.limit_of("no-such", 7), 7)

    def test_kept_host(self):
        self.assertEqual(self.call("alive").returncode, 1)
        self.assertEqual(self.call("up").returncode, 0)
        self.addCleanup(self.call, "down")
        self.assertEqual(self.call("alive").returncode, 0)
        for _ in range(2):
            done = self.run_scenarios("one")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertNotIn("starts", done.stdout)
        self.assertEqual(self.call("down").returncode, 0)
        self.assertEqual(self.call("alive").returncode, 1)


class List(unittest.TestCase):
    def test_descriptions(self):
        lines = subprocess.run([os.path.join(HERE, "../../tools/lab"), "list"], capture_output=True, text=True, check=True).stdout.splitlines()
        for name in os.listdir(os.path.join(HERE, "scenarios")):
            said = [line.split(maxsplit=1)[1] for line in lines if line.split()[:1] == [name]]
            self.assertEqual(len(said), 1, name)
            self.assertNotIn("shellcheck", said[0])


class Module(unittest.TestCase):
    def test_copy(self):
        with tempfile.TemporaryDirectory() as folder:
            source = patch_tcg.installed()
            patch_tcg.make(folder)
            with open(source, "rb") as old, open(os.path.join(folder, patch_tcg.MODULE), "rb") as new:
                old, new = old.read(), new.read()
        self.assertEqual(len(old), len(new))
        start = patch_tcg.function_address(source)
        changed = [at for at, (a, b) in enumerate(zip(old, new)) if a != b]
        self.assertTrue(changed)
        self.assertTrue(all(start < at < start + patch_tcg.REACH + 16 for at in changed), changed)
        # it is not what it knows any more
        with self.assertRaises(patch_tcg.Fault):
            patch_tcg.defuse(new, start)

    def test_other_code(self):
        for code in (b"", b"\x90" * 200, b"\x84\xc0\x75\x20" + b"\x90" * 200, b"\x84\xc0\x75\x02\x90\x90\x09\xab" + b"\x90" * 200):
            with self.assertRaisesRegex(patch_tcg.Fault, "not the code this knows"):
                patch_tcg.defuse(code, 0)


if __name__ == "__main__":
    unittest.main()
