/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A guest kernel image: the quick look at it that `create` takes, and the thorough one of `carrel doctor`, which also
 * finds the configuration the kernel was built with. Paths are relative to the folder DIR (AT_FDCWD: as usual).
 */

#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "runtime/host/kernel-format.h"
#include "runtime/host/unpack.h"

typedef enum KernelNeeds {
        KERNEL_NEEDS_DIRECT, /* qboot or SeaBIOS starts it: vmlinux with a PVH entry, or bzImage */
        KERNEL_NEEDS_UEFI,   /* OVMF starts it: bzImage with an EFI stub */
} KernelNeeds;

/*
 * Headers only: well under a millisecond, whatever the size. Errors are one line that begins with the path: not there,
 * not readable, garbage, truncated, for another machine, not fit for NEEDS.
 */
int kernel_image_check(int dir, const char *path, KernelNeeds needs, Error *err);

/*
 * The options it was built with, as the image says (else the configuration beside it), against those that USES
 * (KernelUse bits, kernel-config-check.h) cannot do without. EINVAL names up to four of them, with what goes wrong. An
 * image whose options cannot be told passes. Tens of milliseconds.
 */
int kernel_image_check_options(int dir, const char *path, unsigned uses, Error *err);

typedef struct KernelImage {
        KernelFormat format;
        PackFormat packed;    /* how a bzImage's kernel is packed */
        char *version;        /* "6.12.117"; NULL: unknown */
        char *config;         /* the configuration as text; NULL: none was found */
        char *config_source;  /* "the image", or the file's name */
        char *config_problem; /* one line, without the path, if none was found */
} KernelImage;

/* What the kernel wants modules to have been built for, "6.12.117-carrel SMP mod_unload ": out of the kernel itself.
 * ENOENT: it takes no modules. Owned by the caller. */
int kernel_image_vermagic(int dir, const char *path, char **ret, Error *err);

/* Reads all of it: tens of milliseconds. Fails only if it is no kernel. */
int kernel_image_read(int dir, const char *path, KernelImage *ret, Error *err);
/* The same for bytes in memory; looks for no file beside it. Pure: this is what is fuzzed. */
int kernel_image_parse(const uint8_t *data, size_t length, KernelImage *ret, Error *err);

void kernel_image_done(KernelImage *image);
#define cleanup_kernel_image cleanup(kernel_image_done)

/* How a file is packed (an initrd); PACK_UNKNOWN also if it cannot be read. */
PackFormat pack_format_of_file(int dir, const char *path);
