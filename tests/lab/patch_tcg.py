# SPDX-License-Identifier: Apache-2.0
"""A copy of QEMU's TCG module that does not abort when a nested guest of the lab writes CR8.

QEMU (7.2 to 10.0 at least) ends in tcg_handle_interrupt() with "assertion failed: (qemu_mutex_iothread_locked())" when
a guest under nested SVM writes CR8 while a virtual interrupt is pending: helper_write_crN() calls cpu_interrupt()
without the big lock. OVMF writes CR8 at the end of every interrupt handler, so a host under emulation would die sooner
or later of a guest of its own that runs OVMF. What the assertion guards is one `cpu->interrupt_request |= mask`; the
copy does that with a locked instruction instead of ending:

    test al, al; jne 1f; <the assertion's failure>; 1: or [rbx+N], ebp
becomes
    test al, al; nop; nop; lock or [rbx+N], ebp; jmp behind the or

Only QEMU that is started with QEMU_MODULE_DIR naming the copy's folder uses it; the installed QEMU is not touched.
"""

import os
import struct
import subprocess

FUNCTION = "tcg_handle_interrupt"
MODULE = "accel-tcg-x86_64.so"
FOLDERS = ("/usr/lib/x86_64-linux-gnu/qemu", "/usr/lib/qemu")
# how far into the function the pattern may begin
REACH = 0x40

TEST_JNE = b"\x84\xc0\x75"
OR_EBP_RBX = b"\x09\xab"
OR_LENGTH = 6
NOP, LOCK, JMP = b"\x90", b"\xf0", b"\xeb"


class Fault(Exception):
    pass


def installed():
    for folder in FOLDERS:
        path = os.path.join(folder, MODULE)
        if os.path.exists(path):
            return path
    raise Fault(f"{MODULE}: not in {' or '.join(FOLDERS)}: is Debian's qemu-system-x86 installed?")


def function_address(path):
    """Where the function begins in the file, from the module's dynamic symbols (in .text both are the same)."""
    symbols = subprocess.run(["nm", "--dynamic", path], capture_output=True, text=True, check=False)
    for line in symbols.stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[2].split("@")[0] == FUNCTION:
            return int(words[0], 16)
    raise Fault(f"{path}: no {FUNCTION}() in it: {symbols.stderr.strip() or 'another QEMU than Debian 12 has'}")


def defuse(code, start):
    """CODE with the assertion of the function at START made harmless, or Fault when it does not look as expected."""
    refusal = Fault(f"{FUNCTION}() is not the code this knows: another QEMU than Debian 12 has; see {__file__}")
    at = code.find(TEST_JNE, start, start + REACH)
    if at < 0:
        raise refusal
    jump = at + 2
    target = jump + 2 + code[jump + 1]
    instruction = code[target:target + OR_LENGTH]
    if instruction[:2] != OR_EBP_RBX:
        raise refusal
    new = NOP + NOP + LOCK + instruction
    behind = target + OR_LENGTH - (jump + len(new) + 2)
    new += JMP + struct.pack("b", behind)
    if jump + len(new) > target:
        raise refusal
    return code[:jump] + new + code[jump + len(new):]


def make(folder):
    """The copy, in FOLDER (to be named by QEMU_MODULE_DIR)."""
    source = installed()
    with open(source, "rb") as file:
        code = file.read()
    with open(os.path.join(folder, MODULE), "wb") as file:
        file.write(defuse(code, function_address(source)))
