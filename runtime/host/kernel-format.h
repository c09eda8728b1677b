/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the headers of a kernel image say: bzImage (Linux' boot protocol, PE header of the EFI stub) or ELF (vmlinux,
 * PVH entry). Reads a few pages, never the whole image; every offset in it is checked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* Bytes in memory, or (DATA NULL) in a file. */
typedef struct ByteSource {
        const uint8_t *data;
        int fd;
        uint64_t size;
} ByteSource;

/* False if not all of LENGTH bytes at OFFSET are there. */
bool byte_source_read(const ByteSource *s, uint64_t offset, void *to, size_t length);

typedef enum KernelKind {
        KERNEL_BZIMAGE,
        KERNEL_ELF,
        _KERNEL_KIND_MAX,
} KernelKind;

typedef struct KernelFormat {
        KernelKind kind;
        /* ELF */
        bool pvh;
        uint32_t pvh_entry;
        /* bzImage */
        unsigned protocol;       /* 0x020f is version 2.15 */
        bool entry_64;           /* XLF_KERNEL_64: it is a 64-bit kernel */
        bool efi_stub;           /* PE header: firmware can start it as a program */
        bool efi_handover;       /* XLF_EFI_HANDOVER_64 */
        uint64_t payload_offset; /* of the compressed kernel in the file; checked against its size */
        uint64_t payload_length; /* 0: not given (protocol before 2.08) */
        char version[128];       /* "6.12.117 (user@host) #1 ..."; "" if not given */
} KernelFormat;

/* EINVAL with one line (without the file's name) if it is no kernel for x86-64. */
int kernel_format_read(const ByteSource *s, KernelFormat *ret, Error *err);

const char *kernel_kind_name(KernelKind kind); /* "bzImage", "ELF" */
