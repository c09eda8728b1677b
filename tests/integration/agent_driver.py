# SPDX-License-Identifier: Apache-2.0
"""The host's end of the agent channel, for tests: frames, requests, streams with credit.

Agents run in one of two places with the same interface: NamespaceAgent starts the program in new pid and mount
namespaces, VmAgent boots a virtual machine around it. See common/protocol/PROTOCOL.md.
"""

import json
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time

HEADER = struct.Struct("<IHHII")
WINDOW = 256 << 10
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
CHUNK = 32 << 10

TYPES = {
    "hello": 1, "reply": 2, "error": 3, "exited": 4, "log": 5, "event": 6,
    "create": 16, "start": 17, "exec": 18, "signal": 19, "resize": 20, "update": 21, "stats": 22,
    "processes": 23, "pause": 24, "resume": 25, "shutdown": 26,
    "network": 27, "clock": 28,
    "data": 32, "window": 33, "close": 34, "reset": 35, "dns-query": 36, "dns-answer": 37,
}
NAMES = {number: name for name, number in TYPES.items()}


CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
                "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
                "CAP_AUDIT_WRITE"]
APPLETS = ["sh", "true", "false", "echo", "cat", "sleep", "ps", "id", "stty", "head", "sha256sum", "dd", "kill", "ls",
           "mount", "tty", "env", "pwd", "yes", "od", "wc", "hostname", "date", "touch", "seq", "setsid", "test", "tail",
           "ip", "nc", "ping", "nslookup"]


def process(*args, terminal=False, capabilities=CAPABILITIES, **more):
    """A process object of OCI."""
    return {"args": list(args), "cwd": "/", "env": ["PATH=/bin", "TERM=xterm"], "user": {"uid": 0, "gid": 0},
            "terminal": terminal,
            "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")}, **more}


def config(program, namespaces=("pid", "mount", "uts", "ipc", "network"), **more):
    """A config.json with the mounts engines ask for."""
    return {
        "ociVersion": "1.1.0", "root": {"path": "/run/carrel/share/rootfs"}, "process": program, "hostname": "desk",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in namespaces]}, **more,
    }


def make_share(folder):
    """A share with a busybox root file system in it."""
    busybox = shutil.which("busybox")
    bin_folder = os.path.join(folder, "rootfs", "bin")
    os.makedirs(bin_folder)
    for name in ("proc", "dev", "sys", "tmp", "etc", "root"):
        os.mkdir(os.path.join(folder, "rootfs", name))
    shutil.copy(busybox, bin_folder)
    for name in APPLETS:
        os.symlink("busybox", os.path.join(bin_folder, name))


class AgentError(Exception):
    """An ERROR frame."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
        self.message = message


class Process:
    """What the host knows of one process of the guest."""

    def __init__(self, number):
        self.number = number
        self.output = {1: bytearray(), 2: bytearray()}
        self.counted = {1: 0, 2: 0}
        self.closed = set()
        self.input = b""
        self.input_closing = False
        self.input_credit = WINDOW
        self.input_reset = False
        self.exited = None
        self.sink = {1: None, 2: None}  # called with bytes instead of keeping them
        self.hold = set()  # outputs whose bytes get no credit back

    @property
    def stdout(self):
        return bytes(self.output[1])

    @property
    def stderr(self):
        return bytes(self.output[2])


class Agent:
    """A connection to an agent. All waiting is bounded by `timeout` seconds."""

    def __init__(self, sock, timeout):
        self.sock = sock
        self.timeout = timeout
        self.buffer = bytearray()
        self.out = bytearray()
        self.seq = 0
        self.answers = {}
        self.processes = {}
        self.hello = None
        self.events = []
        self.queries = []  # (number, how, message) of DNS
        self.resolve = None  # called with (how, message); what it returns is the answer, None: none now
        self.ended = False
        self.frames = 0
        sock.setblocking(False)

    # -- frames --

    def send(self, name, stream=0, seq=0, payload=b""):
        if not isinstance(payload, (bytes, bytearray)):
            payload = json.dumps(payload).encode()
        self.out += HEADER.pack(len(payload), TYPES[name], 0, stream, seq) + payload

    def _handle(self, name, stream, seq, payload):
        self.frames += 1
        if name == "hello":
            self.hello = json.loads(payload)
        elif name in ("reply", "error"):
            assert seq not in self.answers, f"second answer to {seq}"
            self.answers[seq] = (name, json.loads(payload))
        elif name == "exited":
            message = json.loads(payload)
            self.processes[message["process"]].exited = message
        elif name in ("event", "log"):
            self.events.append((name, json.loads(payload)))
        elif name == "dns-query":
            how, message = payload[0], bytes(payload[1:])
            self.queries.append((stream, how, message))
            answer = self.resolve and self.resolve(how, message)
            if answer is not None:
                self.send("dns-answer", stream, 0, answer)
        else:
            self._handle_stream(name, stream, payload)

    def _handle_stream(self, name, stream, payload):
        process, which = self.processes[stream >> 2], stream & 3
        assert process.exited is None, f"{name} after exited"
        if name == "data":
            assert which in (1, 2) and which not in process.closed
            process.counted[which] += len(payload)
            if process.sink[which]:
                process.sink[which](payload)
            else:
                process.output[which] += payload
            if which not in process.hold:
                self.send("window", stream, 0, struct.pack("<I", len(payload)))
        elif name == "window":
            assert which == 0
            process.input_credit += struct.unpack("<I", payload)[0]
            assert process.input_credit <= WINDOW
        elif name == "close":
            assert which in (1, 2) and which not in process.closed
            process.closed.add(which)
        elif name == "reset":
            assert which == 0
            process.input_reset = True

    def _decode(self):
        start = 0
        while len(self.buffer) - start >= HEADER.size:
            length, kind, flags, stream, seq = HEADER.unpack_from(self.buffer, start)
            assert flags == 0 and kind in NAMES and length <= 4 << 20, (length, kind, flags)
            if len(self.buffer) - start - HEADER.size < length:
                break
            payload = bytes(self.buffer[start + HEADER.size:start + HEADER.size + length])
            start += HEADER.size + length
            self._handle(NAMES[kind], stream, seq, payload)
        del self.buffer[:start]

    def _feed_input(self):
        for process in self.processes.values():
            while process.input and process.input_credit and not process.input_reset:
                n = min(len(process.input), process.input_credit, CHUNK)
                self.send("data", process.number << 2, 0, bytes(process.input[:n]))
                process.input = memoryview(process.input)[n:]
                process.input_credit -= n
            if process.input_closing and not process.input:
                self.send("close", process.number << 2)
                process.input_closing = False

    def step(self, wait):
        """Sends and receives what can be, waiting at most `wait` seconds for something to come."""
        self._feed_input()
        readable, writable, _ = select.select(
            [] if self.ended else [self.sock], [self.sock] if self.out and not self.ended else [], [], wait)
        if writable:
            try:
                del self.out[:self.sock.send(self.out[:1 << 18])]
            except (BrokenPipeError, ConnectionResetError):
                self.ended = True
        if readable:
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                self.ended = True
            self.buffer += data
            self._decode()

    def wait(self, done, what, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        while not done():
            if self.ended:
                raise EOFError(f"the channel ended while waiting for {what}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(what)
            self.step(min(left, 1))

    # -- requests --

    def ask(self, name, payload):
        self.seq += 1
        self.send(name, 0, self.seq, payload)
        return self.seq

    def answer(self, seq, what="an answer", timeout=None):
        self.wait(lambda: seq in self.answers, what, timeout)
        name, payload = self.answers.pop(seq)
        if name == "error":
            raise AgentError(payload.get("code", 0), payload["message"])
        return payload

    def request(self, name, payload=None, timeout=None):
        return self.answer(self.ask(name, {} if payload is None else payload), name, timeout)

    def wait_hello(self, timeout=None):
        self.wait(lambda: self.hello is not None, "hello", timeout)
        return self.hello

    def create(self, config, share_type="virtiofs", **more):
        self.processes[1] = Process(1)
        self.request("create", {"config": config, "shareType": share_type, "realtime": time.time_ns(), **more})
        return self.processes[1]

    def start(self, **payload):
        return self.request("start", payload)

    def exec(self, number, spec, **more):
        self.processes[number] = Process(number)
        reply = self.request("exec", {"process": number, "spec": spec, **more})
        assert reply["process"] == number
        return self.processes[number]

    def signal(self, number, signal, everybody=False):
        self.request("signal", {"process": number, "signal": signal, "all": everybody})

    def wait_exited(self, process, timeout=None):
        self.wait(lambda: process.exited is not None, f"the end of process {process.number}", timeout)
        return process.exited["status"]

    def close(self):
        self.sock.close()


def cgroup2_root():
    """Where the host has cgroup v2: alone, or beside v1."""
    for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.exists(os.path.join(path, "cgroup.procs")):
            return path
    raise OSError("no cgroup v2 on this machine")


class NamespaceAgent(Agent):
    """The agent as PID 1 of new pid, mount and cgroup namespaces, and of a network namespace if asked. Needs root."""

    def __init__(self, program, share, timeout=20, network=False):
        self.cgroup = tempfile.mkdtemp(prefix="carrel-test-", dir=cgroup2_root())
        ours, theirs = socket.socketpair()
        argv = ["unshare", "-pfmCn" if network else "-pfmC", "--mount-proc", program, "--test-fd", str(theirs.fileno()), "--share", share]
        script = 'echo 0 >"$0"/cgroup.procs && exec "$@"'
        self.child = subprocess.Popen(["sh", "-c", script, self.cgroup, *argv], pass_fds=[theirs.fileno()],
                                      stdin=subprocess.DEVNULL)
        theirs.close()
        super().__init__(ours, timeout)

    def finish(self):
        self.close()
        status = self.child.wait(self.timeout)
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)
        return status


class VmAgent(Agent):
    """The agent in a virtual machine, emulated unless `accel` says otherwise."""

    def __init__(self, kernel, initrd, share, share_type="virtiofs", accel="tcg,thread=multi", memory=512, cpus=1,
                 timeout=120, more=(), pass_fds=()):
        self.folder = tempfile.mkdtemp(prefix="carrel-vm-")
        self.children = []
        self.console = os.path.join(self.folder, "console")
        ours, theirs = socket.socketpair()
        argv = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35,sata=off,smbus=off,i8042=off,usb=off,vmport=off,hpet=off,graphics=off,memory-backend=ram",
            "-accel", accel, "-cpu", "max" if accel.startswith("tcg") else "host", "-m", str(memory),
            "-smp", str(cpus), "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on",
            "-bios", "qboot.rom", "-kernel", kernel, "-initrd", initrd,
            "-append", "console=ttyS0 panic=-1 quiet dummy.numdummies=0", "-serial", f"file:{self.console}",
            "-device", "virtio-serial-pci", "-chardev", f"socket,fd={theirs.fileno()},id=agent",
            "-device", "virtserialport,chardev=agent,name=carrel.agent", *more,
        ]
        if share_type == "virtiofs":
            argv += self._virtiofsd(share)
        else:
            argv += ["-fsdev", f"local,id=share,path={share},security_model=passthrough,multidevs=remap",
                     "-device", "virtio-9p-pci,fsdev=share,mount_tag=·carrel"]
        self.qemu = subprocess.Popen(argv, pass_fds=[theirs.fileno(), *pass_fds], stdin=subprocess.DEVNULL)
        self.children.append(self.qemu)
        theirs.close()
        super().__init__(ours, timeout)

    def _virtiofsd(self, share):
        path = os.path.join(self.folder, "virtiofs")
        self.children.append(subprocess.Popen(
            [VIRTIOFSD, f"--socket-path={path}", "-o", f"source={share}", "-o", "sandbox=chroot",
             "-o", "cache=auto", "-o", "xattr"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while not os.path.exists(path):
            time.sleep(0.01)
        return ["-chardev", f"socket,path={path},id=fs", "-device", "vhost-user-fs-pci,chardev=fs,tag=·carrel"]

    def console_text(self):
        with open(self.console, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def finish(self):
        """Ends the channel; the agent then switches the machine off."""
        self.close()
        status = self.qemu.wait(self.timeout)
        for child in self.children:
            child.kill()
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        return status
