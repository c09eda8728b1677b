# SPDX-License-Identifier: Apache-2.0
"""The machine below the lab's host: QEMU under emulation, with an IOMMU and the devices of `stand-ins`."""

import contextlib
import ctypes
import json
import mmap
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

MEMORY = os.environ.get("CARREL_LAB_MEMORY", "4G")
# With two, which QEMU emulates by a thread each, the host hung once in some fifty guests, and now and then code that the
# other processor had just changed was run as it had been before (QEMU before 8.1); and little was gained.
PROCESSORS = os.environ.get("CARREL_LAB_PROCESSORS", "1")
# highres=off nohz=off: the local APIC's timer ticks by itself. QEMU's processor thread changes the set of pending
# interrupts without a lock when a guest of the host is running (do_vmexit() and helper_vmrun() in svm_helper.c), and so
# now and then takes back one that its main thread has just put there. A timer that is wound up for every single
# interrupt then never ticks again: the host hangs inside its guest. The next tick of a periodic one mends that.
KERNEL_WORDS = (
    "console=ttyS0 quiet loglevel=4 panic=-1 intel_iommu=on no_timer_check highres=off nohz=off random.trust_cpu=on "
    "systemd.show_status=0 net.ifnames=0"
)
# Nothing of the lab needs them, and they take seconds.
MASKED_UNITS = ("systemd-binfmt", "nvmf-autoconnect", "systemd-update-utmp", "systemd-update-utmp-runlevel", "systemd-logind")

DISK_MIB = 64
BIG_BAR = "16G"
BOOT_LIMIT = 480
CONSOLE_TAIL = 25
QMP_LIMIT = 30
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
        # two virtual functions, with two queues and one interrupt each
        "-device", "nvme-subsys,id=vf-subsystem",
        "-device", "nvme,id=vf-disk,bus=port-vf-disk,serial=lab-vf-disk,subsys=vf-subsystem,"
                   "sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2",
        "-drive", f"if=none,id=vf-disk-image,file={folder}/vf-disk.raw,format=raw,cache=unsafe",
        "-device", "nvme-ns,drive=vf-disk-image,bus=vf-disk,nsid=1",
    ]  # fmt: skip


def tsc_khz():
    """The frequency of this processor's time stamp counter, which the host's is too. On a busy machine the host would get
    it wrong by itself, and its clock would run at several times the speed of time."""
    code = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"  # rdtsc; shl rdx, 32; or rax, rdx; ret
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))

    def sample():
        """(ns, ticks), of a hundred tries the one that was interrupted least."""
        best = None
        for _ in range(100):
            before, ticks, after = time.monotonic_ns(), rdtsc(), time.monotonic_ns()
            if best is None or after - before < best[0]:
                best = after - before, (before + after) // 2, ticks
        return best[1:]

    first = sample()
    time.sleep(0.2)
    second = sample()
    return (second[1] - first[1]) * 1_000_000 // (second[0] - first[0])


def kernel_words():
    masks = " ".join(f"systemd.mask={name}.service" for name in MASKED_UNITS)
    return f"{KERNEL_WORDS} tsc_early_khz={tsc_khz()} tsc=reliable {masks}"


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
    for name in ("disk", "vf-disk"):
        with open(os.path.join(folder, f"{name}.raw"), "wb") as file:
            file.write(pattern(DISK_MIB << 20))
    busy = os.path.join(folder, "busy-disk.raw")
    with open(busy, "wb") as file:
        file.truncate(DISK_MIB << 20)
    subprocess.run(["mkfs.ext4", "-q", "-L", "busy-disk", busy], check=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """The host. FOLDER holds its files: share/ (what the host sees as /lab), console.log, disks, sockets, and "pid" when it
    is kept, that is, outlives this process."""

    def __init__(self, image, folder, keep=False):
        self.image, self.folder, self.keep = image, folder, keep
        self.console = os.path.join(folder, "console.log")
        # process: that we have started; watch: readable when QEMU has ended
        self.process = self.watch = self.port = self.pid = None
        self.pending = b""

    # ---- its life ----

    def arguments(self):
        folder = self.folder
        arguments = [
            "qemu-system-x86_64", "-name", "lab", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35,sata=off,smbus=off,vmport=off", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", PROCESSORS, "-m", MEMORY,
            "-device", "intel-iommu,intremap=on,aw-bits=48",
            "-kernel", f"{self.image}/vmlinuz", "-initrd", f"{self.image}/initrd", "-append", kernel_words(),
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
            "-chardev", f"socket,id=port,path={folder}/port,server=on,wait=off", "-device", "virtserialport,chardev=port,name=lab",
            "-chardev", f"socket,id=terminal,path={folder}/terminal,server=on,wait=off", "-device", "virtconsole,chardev=terminal",
        ]  # fmt: skip
        return arguments + stand_in_devices(folder)

    def start(self):
        modules = os.path.join(self.folder, "modules")
        os.makedirs(modules, exist_ok=True)
        try:
            patch_tcg.make(modules)
        except patch_tcg.Fault as fault:
            raise Fault(str(fault)) from None
        make_disks(self.folder)
        for name in ("port", "qmp", "terminal"):
            if os.path.exists(os.path.join(self.folder, name)):
                os.unlink(os.path.join(self.folder, name))
        self.pending = b""
        with open(os.path.join(self.folder, "qemu.log"), "ab") as log:
            self.process = subprocess.Popen(
                self.arguments(), env={**os.environ, "QEMU_MODULE_DIR": modules, "TMPDIR": self.folder},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True,
                start_new_session=self.keep, preexec_fn=None if self.keep else die_with_parent,
            )  # fmt: skip
        self.pid = self.process.pid
        self.watch = os.pidfd_open(self.pid)
        if self.keep:
            with open(os.path.join(self.folder, "pid"), "w", encoding="ascii") as file:
                print(self.pid, file=file)

    def attach(self):
        """To the host that is kept in this folder; False when it does not run (any more)."""
        try:
            with open(os.path.join(self.folder, "pid"), encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if os.fsencode(self.folder) not in file.read():
                    return False
            self.watch = os.pidfd_open(pid)
        except (OSError, ValueError):
            return False
        self.keep, self.pid = True, pid
        return True

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
        # one that was there before has said so already
        if not self.process:
            self.send("ping")
        self.receive("ready", BOOT_LIMIT, lambda: None)
        return time.monotonic() - start

    def check_alive(self):
        if not select.select([self.watch], [], [], 0)[0]:
            return
        how = "ended" if self.process is None else describe(self.process.wait())
        raise Gone(f"the lab's host ended: QEMU {how}{self.last_words()}")

    def cpu_seconds(self):
        """What QEMU has used so far: on a busy machine that says more than the clock."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
                words = file.read().rsplit(")", 1)[1].split()
        except OSError:
            return 0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def last_words(self):
        with open(os.path.join(self.folder, "qemu.log"), encoding="utf-8", errors="replace") as log:
            lines = [line for line in log.read().splitlines() if line and "warning: " not in line]
        return f" ({lines[-1]})" if lines else ""

    def leave(self):
        """The host goes on without us."""
        if self.port:
            self.port.close()
        self.process = self.port = None

    def stop(self):
        if self.watch is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.watch, signal.SIGKILL)
            select.select([self.watch], [], [], 10)
            os.close(self.watch)
        if self.process:
            self.process.wait()
        self.leave()
        self.watch = None
        if self.keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder, "pid"))

    def console_tail(self, lines=CONSOLE_TAIL):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as file:
                text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", file.read().replace("\r", ""))
        except OSError:
            text = ""
        return [line for line in text.splitlines() if line.strip()][-lines:]

    def picture(self, device, path):
        """What DEVICE, a display, shows now, as the file PATH (PPM)."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(QMP_LIMIT)
            monitor.connect(os.path.join(self.folder, "qmp"))
            with monitor.makefile("rw") as lines:
                lines.readline()
                for command, words in (("qmp_capabilities", {}), ("screendump", {"filename": path, "device": device})):
                    lines.write(json.dumps({"execute": command, "arguments": words}) + "\n")
                    lines.flush()
                    answer = {}
                    # events come between
                    while not {"return", "error"} & set(answer):
                        answer = json.loads(lines.readline())
                    if "error" in answer:
                        raise Fault(f"{device}: {answer['error']['desc']}")

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
                    select.select([self.watch], [], [], 5)
                    self.check_alive()
                self.pending += data


def describe(status):
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"exited with status {status}"
