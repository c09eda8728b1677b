#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the kernel images of the tests: as small as the formats allow, and of no use to a CPU.

usage: tests/data/kernels/make.py

Writes next to itself; what it writes is kept in the repository, so that tests need neither this nor its tools
(zstd, lz4).
"""

import gzip
import lzma
import os
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = b'6.12.0-carrel'
XEN_PHYS32_ENTRY = 18


def save(name, data):
    with open(os.path.join(HERE, name), 'wb') as file:
        file.write(data)


def config(without=(), modules=()):
    """good.config as bytes, without some options, and with some as modules."""
    lines = []
    with open(os.path.join(HERE, 'good.config'), encoding='ascii') as file:
        for line in file:
            name = line.split('=')[0].removeprefix('CONFIG_')
            if name in without:
                line = f'# CONFIG_{name} is not set\n'
            elif name in modules:
                line = f'CONFIG_{name}=m\n'
            lines.append(line)
    return ''.join(lines).encode()


def ikconfig(text):
    return b'IKCFG_ST' + gzip.compress(text, mtime=0) + b'IKCFG_ED' if text is not None else b''


def note(name, kind, data):
    pad = lambda b: b + b'\0' * (-len(b) % 4)
    return struct.pack('<III', len(name), len(data), kind) + pad(name) + pad(data)


def elf(text, pvh=True, machine=62):
    """A vmlinux: ELF header, two program headers, notes, a banner, the configuration TEXT."""
    notes = note(b'GNU\0', 3, b'\x11' * 20)
    if pvh:
        notes += note(b'Xen\0', XEN_PHYS32_ENTRY, struct.pack('<Q', 0x1000000))
    start = 64 + 2 * 56
    rest = notes + b'%s version %s\0Linux version ' + VERSION + b' (a@b) #1 SMP\n\0' + ikconfig(text)
    header = b'\x7fELF\x02\x01\x01' + bytes(9)
    header += struct.pack('<HHIQQQIHHHHHH', 2, machine, 1, 0x1000000, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    segments = struct.pack('<IIQQQQQQ', 1, 5, 0, 0x1000000, 0x1000000, start + len(rest), start + len(rest), 4096)
    segments += struct.pack('<IIQQQQQQ', 4, 4, start, 0, 0, len(notes), len(notes), 4)
    return header + segments + rest


def bzimage(payload, stub=True, protocol=0x20f, xloadflags=0x3f):
    """Two sectors of setup code, one of them with the header, and the packed kernel behind."""
    setup = bytearray(1024)
    if stub:
        setup[0:2] = b'MZ'
        struct.pack_into('<I', setup, 0x3c, 0x40)
        struct.pack_into('<4sH', setup, 0x40, b'PE\0\0', 0x8664)
    body = b'\x90' * 64 + payload
    body += bytes(-len(body) % 16)
    struct.pack_into('<B', setup, 0x1f1, 1)
    struct.pack_into('<I', setup, 0x1f4, len(body) // 16)
    struct.pack_into('<H', setup, 0x1fe, 0xaa55)
    struct.pack_into('<4sH', setup, 0x202, b'HdrS', protocol)
    struct.pack_into('<H', setup, 0x20e, 0x100)
    struct.pack_into('<B', setup, 0x211, 1)
    struct.pack_into('<H', setup, 0x236, xloadflags)
    struct.pack_into('<II', setup, 0x248, 64, len(payload))
    banner = VERSION + b' (a@b) #1 SMP\0'
    setup[0x300:0x300 + len(banner)] = banner
    return bytes(setup) + body


def pack(how, data):
    """As the kernel's build does: most have the unpacked size behind them."""
    size = struct.pack('<I', len(data))
    if how == 'gzip':
        return gzip.compress(data, mtime=0)
    if how == 'xz':
        return lzma.compress(data, check=lzma.CHECK_CRC32) + size
    if how == 'lzma':
        return lzma.compress(data, format=lzma.FORMAT_ALONE) + size
    if how == 'bzip2':
        return b'BZh9' + data[:64] + size
    if how == 'none':
        return data
    command = {'zstd': ['zstd', '-qc'], 'lz4': ['lz4', '-qlc']}[how]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout + size


def main():
    good = config()
    save('vmlinux', elf(good))
    save('vmlinux-no-pvh', elf(good, pvh=False))
    save('vmlinux-no-config', elf(None))
    save('vmlinux-arm64', elf(good, machine=183))
    for how in ['gzip', 'xz', 'lzma', 'zstd', 'lz4', 'bzip2', 'none']:
        save(f'bzimage-{how}', bzimage(pack(how, elf(good))))
    no_efi = config(without=['EFI', 'EFI_STUB'])
    save('bzimage-no-efi', bzimage(pack('gzip', elf(no_efi)), stub=False))
    save('vmlinux-no-efi', elf(no_efi))
    save('vmlinux-poor', elf(config(without=['VIRTIO_FS', 'OVERLAY_FS', 'RD_GZIP', 'EFI'], modules=['VIRTIO_CONSOLE'])))
    no_gpu = config(without=['ACPI', 'PCI_MSI', 'PCI_MMCONFIG', 'MODULES', 'EROFS_FS', 'PCIEPORTBUS', 'EFI_STUB'])
    save('bzimage-no-gpu', bzimage(pack('gzip', elf(no_gpu))))
    save('bzimage-efi-no-stub', bzimage(pack('gzip', elf(config(without=['EFI_STUB']))), stub=False))
    save('bzimage-no-config', bzimage(pack('gzip', elf(None))))
    save('bzimage-truncated', bzimage(pack('gzip', elf(good)))[:1200])
    save('bzimage-32bit', bzimage(pack('gzip', elf(good)), xloadflags=0))
    save('bzimage-old', bzimage(pack('gzip', elf(good)), protocol=0x20a))
    save('initrd.gz', gzip.compress(b'070701' + b'0' * 104, mtime=0))


if __name__ == '__main__':
    main()
