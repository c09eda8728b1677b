/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Unpacking what kernel images hold, in memory. The libraries are optional when carrel is built: zlib, liblzma,
 * libzstd, liblz4. Input is not trusted: output, and the decoder's own memory, are bounded.
 */

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

typedef enum PackFormat {
        PACK_UNKNOWN,
        PACK_GZIP,
        PACK_XZ,
        PACK_LZMA,
        PACK_ZSTD,
        PACK_LZ4, /* the "legacy" frames the kernel uses */
        PACK_BZIP2,
        PACK_LZO,
        PACK_ELF, /* not packed at all */
        _PACK_FORMAT_MAX,
} PackFormat;

/* By its first bytes. */
PackFormat pack_format_of(const uint8_t *data, size_t length);
const char *pack_format_name(PackFormat format); /* "gzip", ...; "unknown" */

/*
 * Unpacks the first stream in DATA; what follows it (the kernel appends the unpacked size) is ignored. The result, of
 * at most MAX bytes, is owned by the caller. ENOTSUP: this build cannot; EFBIG: more than MAX; EINVAL: damaged.
 */
int unpack(const uint8_t *data, size_t length, size_t max, uint8_t **ret, size_t *ret_length, Error *err);
