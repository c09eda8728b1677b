# SPDX-License-Identifier: Apache-2.0
"""The machine below the lab's host: QEMU under emulation, with an IOMMU and the devices of `stand-ins`."""

import ctypes
import os
import re
import select
import signal
import socket
import subprocess
import time

import patch_tcg

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))

MEMORY = "4G"
# A second processor of the host costs more than it gives: guests with several processors then hang now and then
# (two threads of emulation under nested SVM). Guests of the host can have as many as they like.
PROCESSORS = 1
KERNEL_WORDS = "console=ttyS0 quiet loglevel=4 panic=-1 intel_iommu=on no_timer_check random.trust_cpu=on systemd.show_status=0 net.ifnames=0"

DISK_MIB = 64
BIG_BAR = "16G"
BOOT_LIMIT = 240
CONSOLE_TAIL = 25
PR_SET_PDEATHSIG = 1


class Fault(Exception):
    """What the person is told, in one line."""


class Gone(Fault):
    """The host ended, or does not answer."""


def slots():
    """{name: slot} of the file stand-ins."""
    found = {}
    with open(os.path.join(HERE, "stand-ins"), encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and not line.startswith("#"):
                found[words[0]] = words[1]
    return found


def stand_in_devices(folder):
    """QEMU's arguments for the devices, each behind a root port of its own. Their files are in FOLDER."""
    arguments = []
    for number, (name, slot) in enumerate(slots().items(), 1):
        # 64-bit window of a port: what firmware gives by itself is too small for the large BAR
        window = {"big": ",pref64-reserve=32G"}.get(name, "")
        arguments += ["-device", f"pcie-root-port,id=port-{name},bus=pcie.0,addr=0x{slot},chassis={number},slot={number}{window}"]
    return arguments + [
        # a GPU as consumer cards are: two functions
        "-device", "bochs-display,id=gpu,bus=port-gpu,addr=0.0,multifunction=on",
        "-audiodev", "none,id=silence",
        "-device", "intel-hda,id=gpu-audio,bus=port-gpu,addr=0.1",
        "-device", "hda-output,bus=gpu-audio.0,audiodev=silence",
        "-device", "virtio-gpu-pci,id=dma-gpu,bus=port-dma-gpu,iommu_platform=on,disable-legacy=on",
        "-drive", f"if=none,id=disk-image,file={folder}/disk.raw,format=raw,cache=unsafe",
        "-device", "nvme,id=disk,bus=port-disk,drive=disk-image,serial=lab-disk",
        "-drive", f"if=none,id=busy-disk-image,file={folder}/busy-disk.raw,format=raw,cache=unsafe",
        "-device", "nvme,id=busy-disk,bus=port-busy-disk,drive=busy-disk-image,serial=lab-busy-disk",
        # conventional PCI behind one bridge: nothing keeps the two apart
        "-device", "pcie-pci-bridge,id=shared,bus=port-shared",
        "-device", "bochs-display,id=shared-gpu,bus=shared,addr=1.0",
        "-device", "e1000,id=shared-network,bus=shared,addr=2.0,romfile=",
        # no page of it exists until it is written
        "-object", f"memory-backend-memfd,id=big-memory,size={BIG_BAR},share=on,reserve=off",
        "-device", "ivshmem-plain,id=big,bus=port-big,memdev=big-memory",
    ]  # fmt: skip


def pattern(size):
    """SIZE bytes that are the same every time and nowhere the same."""
    block = bytearray()
    value = 1
    for _ in range(1 << 16):
        value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        block += value.to_bytes(8, "little")
    blocks = []
    for number in range(size // len(block)):
        blocks.append(number.to_bytes(8, "little") + bytes(block[8:]))
    return b"".join(blocks)


def make_disks(folder):
    with open(os.path.join(folder, "disk.raw"), "wb") as file:
        file.write(pattern(DISK_MIB << 20))
    busy = os.path.join(folder, "busy-disk.raw")
    with open(busy, "wb") as file:
        file.truncate(DISK_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-L", "busy-disk", busy], check=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """One start of the host. FOLDER holds its files: share/ (what the host sees as /lab), console.log, disks."""

    def __init__(self, image, folder, shell=None):
        self.image, self.folder, self.shell = image, folder, shell
        self.console = os.path.join(folder, "console.log")
        self.process = self.port = None
        self.pending = b""

    # ---- its life ----

    def arguments(self):
        folder, words = self.folder, KERNEL_WORDS
        arguments = [
            "qemu-system-x86_64", "-name", "lab", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35,sata=off,smbus=off,vmport=off", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", str(PROCESSORS), "-m", MEMORY,
            "-device", "intel-iommu,intremap=on,aw-bits=48",
            # changes go to a temporary file
            "-drive", f"if=none,id=root,file={self.image}/root.ext4,format=raw,snapshot=on,cache=unsafe",
            "-device", "virtio-blk-pci,drive=root",
            "-fsdev", f"local,id=lab,path={folder}/share,security_model=none",
            "-device", "virtio-9p-pci,fsdev=lab,mount_tag=lab",
            "-fsdev", f"local,id=source,path={TOP},security_model=none,readonly=on",
            "-device", "virtio-9p-pci,fsdev=source,mount_tag=source",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-serial", f"file:{self.console}",
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off",
        ]  # fmt: skip
        if self.shell:
            words += f" lab.shell lab.rows={self.shell.lines} lab.columns={self.shell.columns}"
            arguments += ["-chardev", "stdio,id=shell,signal=off", "-device", "virtconsole,chardev=shell"]
        else:
            arguments += ["-chardev", f"socket,id=port,path={folder}/port,server=on,wait=off"]
            arguments += ["-device", "virtserialport,chardev=port,name=lab"]
        arguments += ["-kernel", f"{self.image}/vmlinuz", "-initrd", f"{self.image}/initrd", "-append", words]
        return arguments + stand_in_devices(folder)

    def start(self):
        modules = os.path.join(self.folder, "modules")
        os.makedirs(modules, exist_ok=True)
        try:
            patch_tcg.make(modules)
        except patch_tcg.Fault as fault:
            raise Fault(str(fault)) from None
        make_disks(self.folder)
        for name in ("port", "qmp"):
            if os.path.exists(os.path.join(self.folder, name)):
                os.unlink(os.path.join(self.folder, name))
        self.pending = b""
        quiet = not self.shell
        with open(os.path.join(self.folder, "qemu.log"), "ab") as log:
            self.process = subprocess.Popen(
                self.arguments(), env={**os.environ, "QEMU_MODULE_DIR": modules, "TMPDIR": self.folder},
                stdin=subprocess.DEVNULL if quiet else None, stdout=log if quiet else None, stderr=log,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def wait_ready(self):
        """Until scenarios can be run; the seconds that took."""
        start = time.monotonic()
        while self.port is None:
            try:
                port = socket.socket(socket.AF_UNIX)
                port.connect(os.path.join(self.folder, "port"))
                self.port = port
            except OSError:
                port.close()
                self.check_alive()
                time.sleep(0.05)
        self.receive("ready", BOOT_LIMIT, lambda: None)
        return time.monotonic() - start

    def check_alive(self):
        status = self.process.poll()
        if status is not None:
            raise Gone(f"the lab's host ended: QEMU {describe(status)}{self.last_words()}")

    def last_words(self):
        with open(os.path.join(self.folder, "qemu.log"), encoding="utf-8", errors="replace") as log:
            text = log.read().strip()
        return f" ({text.splitlines()[-1]})" if text else ""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        if self.port:
            self.port.close()
        self.process = self.port = None

    def console_tail(self, lines=CONSOLE_TAIL):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as file:
                text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", file.read().replace("\r", ""))
        except OSError:
            text = ""
        return [line for line in text.splitlines() if line.strip()][-lines:]

    # ---- words ----

    def send(self, words):
        self.port.sendall(words.encode() + b"\n")

    def receive(self, expected, limit, each_moment):
        """The host's line that begins with EXPECTED, within LIMIT seconds. Others are passed over."""
        end = time.monotonic() + limit
        while True:
            while b"\n" in self.pending:
                line, self.pending = self.pending.split(b"\n", 1)
                if line.decode(errors="replace").startswith(expected):
                    return line.decode(errors="replace")
            each_moment()
            self.check_alive()
            if time.monotonic() > end:
                raise Gone(f"the lab's host does not answer after {limit} s (waited for \"{expected}\")")
            if select.select([self.port], [], [], 0.2)[0]:
                data = self.port.recv(4096)
                if not data:
                    self.process.wait(5)
                    self.check_alive()
                self.pending += data


def describe(status):
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"
