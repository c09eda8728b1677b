/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/kernel-format.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_PROGRAM_HEADERS 128U
#define MAX_NOTES           65536U
#define MAX_PE_OFFSET       65536U
#define MAX_SETUP_SECTORS   128U

/* Offsets of the setup header: Documentation/arch/x86/boot.rst of Linux. */
#define SETUP_SECTS          0x1f1U
#define SETUP_SYSSIZE        0x1f4U
#define SETUP_BOOT_FLAG      0x1feU
#define SETUP_MAGIC          0x202U
#define SETUP_VERSION        0x206U
#define SETUP_KERNEL_VERSION 0x20eU
#define SETUP_LOADFLAGS      0x211U
#define SETUP_XLOADFLAGS     0x236U
#define SETUP_PAYLOAD_OFFSET 0x248U
#define SETUP_PAYLOAD_LENGTH 0x24cU
#define SETUP_END            0x268U
#define SECTOR               512U

#define LOADED_HIGH         0x1U
#define XLF_KERNEL_64       0x1U
#define XLF_EFI_HANDOVER_64 0x8U

#define PE_OFFSET         0x3cU
#define PE_MACHINE_X86_64 0x8664U

/* Xen's number for the entry point of a kernel that wants to be started in 32-bit mode without a BIOS. */
#define XEN_ELFNOTE_PHYS32_ENTRY 18U

bool byte_source_read(const ByteSource *s, uint64_t offset, void *to, size_t length) {
        size_t done = 0;

        if (offset > s->size || length > s->size - offset)
                return false;
        if (s->data) {
                memcpy(to, s->data + offset, length);
                return true;
        }
        while (done < length) {
                ssize_t n = pread(s->fd, (uint8_t *)to + done, length - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                done += (size_t)n;
        }
        return true;
}

static uint16_t get16(const uint8_t *p) {
        return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p) {
        return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* ---- things that are often taken for a kernel ---- */

static const struct {
        const char *magic;
        size_t length, offset;
        const char *what;
} lookalikes[] = {
        { "070701", 6, 0, "a cpio archive, perhaps an initrd" },
        { "070702", 6, 0, "a cpio archive, perhaps an initrd" },
        { "\x1f\x8b", 2, 0, "gzip data, perhaps an initrd or a packed vmlinux: unpack it" },
        { "\x28\xb5\x2f\xfd", 4, 0, "zstd data, perhaps an initrd or a packed vmlinux: unpack it" },
        { "\3757zXZ", 5, 0, "xz data, perhaps an initrd or a packed vmlinux: unpack it" },
        { "\x02\x21\x4c\x18", 4, 0, "LZ4 data, perhaps an initrd or a packed vmlinux: unpack it" },
        { "\x04\x22\x4d\x18", 4, 0, "LZ4 data, perhaps an initrd or a packed vmlinux: unpack it" },
        { "BZh", 3, 0, "bzip2 data" },
        { "ARM\x64", 4, 56, "a kernel for arm64; this machine is x86-64" },
        { "RISCV", 5, 48, "a kernel for RISC-V; this machine is x86-64" },
        { "QFI\xfb", 4, 0, "a qcow2 disk image" },
        { "hsqs", 4, 0, "a squashfs image" },
        { "#!", 2, 0, "a script" },
        { "<", 1, 0, "an HTML or XML page (a failed download?)" },
        { "{", 1, 0, "JSON text" },
        { "#\n# Automatically generated", 27, 0, "a kernel configuration; it belongs beside the image" },
};

static int refuse_unknown(const uint8_t *head, size_t length, Error *err) {
        cleanup_free char *start = NULL;

        for (size_t i = 0; i < ELEMENTS_OF(lookalikes); i++)
                if (lookalikes[i].offset + lookalikes[i].length <= length &&
                    memcmp(head + lookalikes[i].offset, lookalikes[i].magic, lookalikes[i].length) == 0)
                        return error_set(err, EINVAL, "not a kernel: %s", lookalikes[i].what);
        start = str_printable((const char *)head, length < 16 ? length : 16, 48);
        return error_set(err, EINVAL,
                         "not a kernel: neither a bzImage nor an ELF file (it begins with \"%s\")", start);
}

/* ---- ELF ---- */

/* Notes are {name size, description size, type}, name, description, each padded to four bytes. */
static bool find_pvh_note(const uint8_t *notes, size_t length, uint32_t *ret_entry) {
        size_t at = 0;

        while (length - at >= sizeof(Elf64_Nhdr)) {
                uint64_t name_size = get32(notes + at), size = get32(notes + at + 4);
                uint32_t type = get32(notes + at + 8);
                uint64_t name = at + sizeof(Elf64_Nhdr), description = name + ((name_size + 3) & ~3ULL);
                uint64_t next = description + ((size + 3) & ~3ULL);

                if (description + size > length)
                        return false;
                if (type == XEN_ELFNOTE_PHYS32_ENTRY && name_size == 4 &&
                    memcmp(notes + name, "Xen", 4) == 0 && size >= 4) {
                        *ret_entry = get32(notes + description);
                        return true;
                }
                if (next > length)
                        return false;
                at = (size_t)next;
        }
        return false;
}

static int read_notes(const ByteSource *s, const Elf64_Phdr *segment, KernelFormat *f, Error *err) {
        cleanup_free uint8_t *notes = NULL;
        size_t length = segment->p_filesz < MAX_NOTES ? (size_t)segment->p_filesz : MAX_NOTES;

        notes = xmalloc(length + 1);
        if (!byte_source_read(s, segment->p_offset, notes, length))
                return error_set(err, EINVAL, "a damaged ELF file: its notes lie beyond its end");
        f->pvh = f->pvh || find_pvh_note(notes, length, &f->pvh_entry);
        return 0;
}

static int check_elf_header(const Elf64_Ehdr *h, Error *err) {
        if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
            h->e_machine != EM_X86_64)
                return error_set(err, EINVAL,
                                 "an ELF file for another kind of machine than x86-64 (class %u, machine %u)",
                                 h->e_ident[EI_CLASS], h->e_machine);
        if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
                return error_set(err, EINVAL, "an ELF file that cannot be run (type %u), not a kernel",
                                 h->e_type);
        if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > MAX_PROGRAM_HEADERS)
                return error_set(err, EINVAL, "a damaged ELF file: %u program headers of %u bytes",
                                 h->e_phnum, h->e_phentsize);
        return 0;
}

static int read_elf(const ByteSource *s, KernelFormat *f, Error *err) {
        Elf64_Phdr segments[MAX_PROGRAM_HEADERS];
        Elf64_Ehdr header;

        if (!byte_source_read(s, 0, &header, sizeof(header)))
                return error_set(err, EINVAL, "a damaged ELF file: only %" PRIu64 " bytes long", s->size);
        if (check_elf_header(&header, err) < 0)
                return -err->code;
        if (!byte_source_read(s, header.e_phoff, segments, header.e_phnum * sizeof(segments[0])))
                return error_set(err, EINVAL, "a damaged ELF file: its program headers lie beyond its end");
        for (unsigned i = 0; i < header.e_phnum; i++) {
                const Elf64_Phdr *p = &segments[i];

                if (p->p_type == PT_INTERP)
                        return error_set(err, EINVAL, "an ordinary program, not a kernel");
                if (p->p_type == PT_LOAD && (p->p_offset > s->size || p->p_filesz > s->size - p->p_offset))
                        return error_set(err, EINVAL,
                                         "a truncated ELF file: segment %u ends at byte %" PRIu64
                                         " of %" PRIu64,
                                         i, p->p_offset + p->p_filesz, s->size);
                if (p->p_type == PT_NOTE && read_notes(s, p, f, err) < 0)
                        return -err->code;
        }
        f->kind = KERNEL_ELF;
        return 0;
}

/* ---- bzImage ---- */

/* The stub makes the image a PE program: "MZ" at its begin, and a PE header for x86-64. */
static bool has_efi_stub(const ByteSource *s, const uint8_t *head) {
        uint32_t offset = get32(head + PE_OFFSET);
        uint8_t pe[6];

        return memcmp(head, "MZ", 2) == 0 && offset <= MAX_PE_OFFSET &&
               byte_source_read(s, offset, pe, sizeof(pe)) && memcmp(pe, "PE\0\0", 4) == 0 &&
               get16(pe + 4) == PE_MACHINE_X86_64;
}

static void read_version(const ByteSource *s, uint32_t offset, KernelFormat *f) {
        char text[sizeof(f->version)] = "";
        size_t length = sizeof(text) - 1;
        cleanup_free char *printable = NULL;

        if (offset >= s->size)
                return;
        if (length > s->size - offset)
                length = (size_t)(s->size - offset);
        if (!byte_source_read(s, offset, text, length))
                return;
        printable = str_printable(text, strlen(text), sizeof(f->version) - 4);
        strncpy(f->version, printable, sizeof(f->version) - 1);
}

static int read_payload(const ByteSource *s, const uint8_t *head, uint64_t kernel, KernelFormat *f,
                        Error *err) {
        uint64_t offset = kernel + get32(head + SETUP_PAYLOAD_OFFSET),
                 length = get32(head + SETUP_PAYLOAD_LENGTH);

        if (offset > s->size || length > s->size - offset)
                return error_set(err, EINVAL,
                                 "a truncated bzImage: the packed kernel ends at byte %" PRIu64
                                 " of %" PRIu64,
                                 offset + length, s->size);
        f->payload_offset = offset;
        f->payload_length = length;
        return 0;
}

static int read_bzimage(const ByteSource *s, const uint8_t *head, KernelFormat *f, Error *err) {
        unsigned sectors = head[SETUP_SECTS] ? head[SETUP_SECTS] : 4;
        uint64_t kernel = (uint64_t)(sectors + 1) * SECTOR, size = (uint64_t)get32(head + SETUP_SYSSIZE) * 16;
        unsigned xloadflags;

        f->kind = KERNEL_BZIMAGE;
        f->protocol = get16(head + SETUP_VERSION);
        if (sectors > MAX_SETUP_SECTORS)
                return error_set(err, EINVAL, "a damaged bzImage: %u setup sectors", sectors);
        if (!(head[SETUP_LOADFLAGS] & LOADED_HIGH))
                return error_set(err, EINVAL, "a zImage, not a bzImage");
        if (f->protocol < 0x020c)
                return error_set(err, EINVAL, "a kernel older than Linux 3.8 (boot protocol %u.%02u)",
                                 f->protocol >> 8, f->protocol & 0xff);
        if (kernel + size > s->size)
                return error_set(err, EINVAL,
                                 "a truncated bzImage: its header says %" PRIu64
                                 " bytes, the file has %" PRIu64,
                                 kernel + size, s->size);
        xloadflags = get16(head + SETUP_XLOADFLAGS);
        f->entry_64 = xloadflags & XLF_KERNEL_64;
        f->efi_handover = xloadflags & XLF_EFI_HANDOVER_64;
        if (!f->entry_64)
                return error_set(err, EINVAL, "a 32-bit kernel; carrel needs a 64-bit one");
        f->efi_stub = has_efi_stub(s, head);
        if (get16(head + SETUP_KERNEL_VERSION) != 0)
                read_version(s, SECTOR + get16(head + SETUP_KERNEL_VERSION), f);
        return read_payload(s, head, kernel, f, err);
}

int kernel_format_read(const ByteSource *s, KernelFormat *ret, Error *err) {
        uint8_t head[SETUP_END] = { 0 };
        size_t length = s->size < sizeof(head) ? (size_t)s->size : sizeof(head);
        KernelFormat f = { 0 };
        int r;

        if (length == 0)
                return error_set(err, EINVAL, "not a kernel: the file is empty");
        if (!byte_source_read(s, 0, head, length))
                return error_set(err, EIO, "cannot be read");
        if (length >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
                r = read_elf(s, &f, err);
        else if (get16(head + SETUP_BOOT_FLAG) == 0xaa55 && memcmp(head + SETUP_MAGIC, "HdrS", 4) == 0 &&
                 length == sizeof(head))
                r = read_bzimage(s, head, &f, err);
        else
                r = refuse_unknown(head, length, err);
        if (r < 0)
                return r;
        *ret = f;
        return 0;
}

const char *kernel_kind_name(KernelKind kind) {
        return kind == KERNEL_BZIMAGE ? "bzImage" : kind == KERNEL_ELF ? "ELF" : NULL;
}
