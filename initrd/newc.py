# SPDX-License-Identifier: Apache-2.0
"""Write a cpio archive ("newc" form, what the kernel unpacks) from a manifest.

cpio(1) can only archive what lies on a disk, so device nodes would need root.
Here every header is made from the manifest: sorted by path, inode numbers
counted from 1, owner and time 0. The same input gives the same bytes.
"""

import stat
import struct
import sys

TRAILER = "TRAILER!!!"
PT_INTERP = struct.pack("<I", 3)


class Fault(Exception):
    pass


def parse(name, lines):
    """Manifest lines -> {path: (mode, (major, minor))}; mode holds the file type."""
    kinds = {"dir": (stat.S_IFDIR, 3), "node": (stat.S_IFCHR, 5), "file": (stat.S_IFREG, 4)}
    entries = {}
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        kind, length = kinds.get(words[0], (None, 0))
        if len(words) != length:
            raise Fault(f"{where}: not an entry: {line.strip()}")
        path = words[1].lstrip("/")
        parent = path.rpartition("/")[0]
        if not path or path in entries:
            raise Fault(f"{where}: {words[1]}: no path, or one that was there before")
        if parent and not stat.S_ISDIR(entries.get(parent, (0,))[0]):
            raise Fault(f"{where}: {words[1]}: no such folder before it")
        if words[0] == "file" and words[3] != "agent":
            raise Fault(f'{where}: {words[3]}: the only file there is to name is "agent"')
        try:
            mode = kind | int(words[2], 8)
            device = (int(words[3]), int(words[4])) if words[0] == "node" else (0, 0)
        except ValueError:
            raise Fault(f"{where}: not an entry: {line.strip()}") from None
        entries[path] = (mode, device)
    return entries


def record(name, ino, mode, nlink, device, data):
    """One archive member: 110 bytes of header, name and data padded to 4."""
    fields = (ino, mode, 0, 0, nlink, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def archive(entries, agent):
    members = []
    # Sorted, a folder comes before what lies in it.
    for ino, path in enumerate(sorted(entries), 1):
        mode, device = entries[path]
        nlink = 2 if stat.S_ISDIR(mode) else 1
        members.append(record(path, ino, mode, nlink, device, agent if stat.S_ISREG(mode) else b""))
    members.append(record(TRAILER, 0, 0, 1, (0, 0), b""))
    return b"".join(members)


def listing(entries, agent):
    for path in sorted(entries):
        mode, (major, minor) = entries[path]
        size = f"{major}, {minor}" if stat.S_ISCHR(mode) else len(agent) if stat.S_ISREG(mode) else 0
        yield f"{stat.filemode(mode)} root root {size:>9} /{path}"


def check_static(name, program):
    """Nothing in the initrd could load a dynamic program: it must be static ELF."""
    if len(program) < 64 or program[:6] != b"\x7fELF\x02\x01":
        raise Fault(f"{name}: not a 64-bit ELF program")
    (offset,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    for index in range(count):
        start = offset + index * size
        if program[start : start + 4] == PT_INTERP:
            raise Fault(f"{name}: not a static program: it asks for a dynamic loader")


def main(manifest, agent_path, output):
    with open(manifest, encoding="utf-8") as stream:
        entries = parse(manifest, stream)
    with open(agent_path, "rb") as stream:
        agent = stream.read()
    check_static(agent_path, agent)
    with open(output, "wb") as stream:
        stream.write(archive(entries, agent))
    print("\n".join(listing(entries, agent)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Fault as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}")
