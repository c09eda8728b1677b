/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_LZMA
#include <lzma.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#endif

#include "common/base/cleanup.h"
#include "common/base/mem.h"

/* The largest dictionary the kernel's own build uses is 128 MiB (zstd -22). */
#define MAX_DECODER_MEMORY (192U << 20)
#define MAX_ZSTD_WINDOW    27
#define FIRST_ROOM         (256U << 10)

PackFormat pack_format_of(const uint8_t *data, size_t length) {
        static const struct {
                const char *magic;
                size_t length;
                PackFormat format;
        } magics[] = {
                { "\x1f\x8b", 2, PACK_GZIP },        { "\3757zXZ\0", 6, PACK_XZ },
                { "\x5d\0\0", 3, PACK_LZMA },        { "\x28\xb5\x2f\xfd", 4, PACK_ZSTD },
                { "\x02\x21\x4c\x18", 4, PACK_LZ4 }, { "BZh", 3, PACK_BZIP2 },
                { "\x89LZO\0", 5, PACK_LZO },        { "\177ELF", 4, PACK_ELF },
        };

        for (size_t i = 0; i < ELEMENTS_OF(magics); i++)
                if (length >= magics[i].length && memcmp(data, magics[i].magic, magics[i].length) == 0)
                        return magics[i].format;
        return PACK_UNKNOWN;
}

const char *pack_format_name(PackFormat format) {
        static const char *const names[] = {
                [PACK_UNKNOWN] = "unknown", [PACK_GZIP] = "gzip", [PACK_XZ] = "xz",
                [PACK_LZMA] = "lzma",       [PACK_ZSTD] = "zstd", [PACK_LZ4] = "lz4",
                [PACK_BZIP2] = "bzip2",     [PACK_LZO] = "lzo",   [PACK_ELF] = "not packed",
        };

        return format >= 0 && format < _PACK_FORMAT_MAX ? names[format] : NULL;
}

/* ---- where the output goes (unused only in a build without any of the libraries) ---- */

typedef struct Output {
        uint8_t *data;
        size_t length;
        size_t room;
        size_t max;
} Output;

static void output_done(Output *o) {
        free(o->data);
}

/* Makes room for more; false when the limit is reached. */
__attribute__((unused)) static bool output_grow(Output *o) {
        if (o->room == o->max)
                return false;
        o->room = o->room == 0 ? FIRST_ROOM : o->room * 2;
        if (o->room > o->max)
                o->room = o->max;
        o->data = xreallocarray(o->data, o->room, 1);
        return true;
}

__attribute__((unused)) static int too_large(const Output *o, Error *err) {
        return error_set(err, EFBIG, "unpacks to more than %zu MiB", o->max >> 20);
}

#define MISSING_LIBRARY(library)                                                                             \
        error_set(err, ENOTSUP, "this carrel was built without " library ", which it is packed with")

/* ---- gzip ---- */

#ifdef HAVE_ZLIB
static int unpack_gzip(const uint8_t *data, size_t length, Output *o, Error *err) {
        z_stream z = { .avail_in = length < UINT32_MAX ? (uInt)length : UINT32_MAX };
        int r;

        memcpy(&z.next_in, &data, sizeof(data)); /* zlib does not write to it */
        if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
                return error_set(err, ENOMEM, "gzip: cannot begin");
        do {
                if (o->length == o->room && !output_grow(o)) {
                        inflateEnd(&z);
                        return too_large(o, err);
                }
                z.next_out = o->data + o->length;
                z.avail_out = (uInt)(o->room - o->length);
                r = inflate(&z, Z_NO_FLUSH);
                o->length = o->room - z.avail_out;
        } while (r == Z_OK && (z.avail_in > 0 || z.avail_out == 0));
        inflateEnd(&z);
        if (r != Z_STREAM_END)
                return error_set(err, EINVAL, "gzip data are damaged or cut off");
        return 0;
}
#else
static int unpack_gzip(const uint8_t *data, size_t length, Output *o, Error *err) {
        (void)data, (void)length, (void)o;
        return MISSING_LIBRARY("zlib");
}
#endif

/* ---- xz, lzma ---- */

#ifdef HAVE_LZMA
static int unpack_lzma(const uint8_t *data, size_t length, Output *o, Error *err) {
        lzma_stream z = LZMA_STREAM_INIT;
        lzma_ret r = lzma_auto_decoder(&z, MAX_DECODER_MEMORY, 0);

        z.next_in = data;
        z.avail_in = length;
        while (r == LZMA_OK) {
                if (o->length == o->room && !output_grow(o)) {
                        lzma_end(&z);
                        return too_large(o, err);
                }
                z.next_out = o->data + o->length;
                z.avail_out = o->room - o->length;
                r = lzma_code(&z, LZMA_RUN);
                o->length = o->room - z.avail_out;
                if (r == LZMA_OK && z.avail_in == 0 && z.avail_out > 0)
                        break;
        }
        lzma_end(&z);
        if (r != LZMA_STREAM_END)
                return error_set(err, EINVAL, "xz data are damaged or cut off");
        return 0;
}
#else
static int unpack_lzma(const uint8_t *data, size_t length, Output *o, Error *err) {
        (void)data, (void)length, (void)o;
        return MISSING_LIBRARY("liblzma");
}
#endif

/* ---- zstd ---- */

#ifdef HAVE_ZSTD
static int unpack_zstd(const uint8_t *data, size_t length, Output *o, Error *err) {
        ZSTD_inBuffer in = { .src = data, .size = length };
        ZSTD_DCtx *z = ZSTD_createDCtx();
        size_t r = z ? ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, MAX_ZSTD_WINDOW) : 0;
        bool full = false;

        do {
                ZSTD_outBuffer out;

                if (!z || ZSTD_isError(r))
                        break;
                full = o->length == o->room && !output_grow(o);
                if (full)
                        break;
                out = (ZSTD_outBuffer){ .dst = o->data, .size = o->room, .pos = o->length };
                r = ZSTD_decompressStream(z, &out, &in);
                o->length = out.pos;
        } while (r > 0 && (in.pos < in.size || o->length == o->room));
        ZSTD_freeDCtx(z);
        if (full)
                return too_large(o, err);
        if (!z || r != 0)
                return error_set(err, EINVAL, "zstd data are damaged or cut off");
        return 0;
}
#else
static int unpack_zstd(const uint8_t *data, size_t length, Output *o, Error *err) {
        (void)data, (void)length, (void)o;
        return MISSING_LIBRARY("libzstd");
}
#endif

/* ---- LZ4, legacy frames: a magic number, then {size, block}; a block unpacks to at most 8 MiB ---- */

#ifdef HAVE_LZ4
#define LZ4_LEGACY_MAGIC 0x184c2102U
#define LZ4_BLOCK        (8U << 20)

static int unpack_lz4(const uint8_t *data, size_t length, Output *o, Error *err) {
        cleanup_free uint8_t *block = xmalloc(LZ4_BLOCK);
        size_t at = 4; /* behind the magic number */

        while (length - at >= 4) {
                uint32_t size = (uint32_t)data[at] | (uint32_t)data[at + 1] << 8 |
                                (uint32_t)data[at + 2] << 16 | (uint32_t)data[at + 3] << 24;
                int n;

                if (size == LZ4_LEGACY_MAGIC) { /* another frame follows */
                        at += 4;
                        continue;
                }
                /* The last thing is the unpacked size, which is longer than what is left. */
                if (size == 0 || size > length - at - 4)
                        break;
                n = LZ4_decompress_safe((const char *)data + at + 4, (char *)block, (int)size,
                                        (int)LZ4_BLOCK);
                if (n <= 0)
                        return error_set(err, EINVAL, "LZ4 data are damaged");
                while (o->room - o->length < (size_t)n)
                        if (!output_grow(o))
                                return too_large(o, err);
                memcpy(o->data + o->length, block, (size_t)n);
                o->length += (size_t)n;
                at += 4 + (size_t)size;
        }
        if (o->length == 0)
                return error_set(err, EINVAL, "LZ4 data are cut off");
        return 0;
}
#else
static int unpack_lz4(const uint8_t *data, size_t length, Output *o, Error *err) {
        (void)data, (void)length, (void)o;
        return MISSING_LIBRARY("liblz4");
}
#endif

static int unpack_to(const uint8_t *data, size_t length, Output *o, Error *err) {
        PackFormat format = pack_format_of(data, length);

        switch (format) {
        case PACK_GZIP:
                return unpack_gzip(data, length, o, err);
        case PACK_XZ:
        case PACK_LZMA:
                return unpack_lzma(data, length, o, err);
        case PACK_ZSTD:
                return unpack_zstd(data, length, o, err);
        case PACK_LZ4:
                return unpack_lz4(data, length, o, err);
        case PACK_UNKNOWN:
        case PACK_BZIP2:
        case PACK_LZO:
        case PACK_ELF:
        case _PACK_FORMAT_MAX:
                break;
        }
        return error_set(err, ENOTSUP, "packed in a way that is not understood here (%s)",
                         pack_format_name(format));
}

int unpack(const uint8_t *data, size_t length, size_t max, uint8_t **ret, size_t *ret_length, Error *err) {
        cleanup(output_done) Output o = { .max = max };
        int r = unpack_to(data, length, &o, err);

        if (r < 0)
                return r;
        *ret = TAKE_PTR(o.data);
        *ret_length = o.length;
        return 0;
}
