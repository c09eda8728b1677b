/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/kernel-image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/kernel-config-check.h"

#define MAX_IMAGE    (2048ULL << 20)
#define MAX_PACKED   (256U << 20)
#define MAX_UNPACKED (512U << 20)
#define MAX_CONFIG   (4U << 20)
#define CHUNK        (1U << 20)
#define MAX_NEEDLE   80U
#define MAX_BANNERS  16U
#define MAX_RELEASE  64U
#define MAX_VERMAGIC 128U

#define IKCONFIG_BEGIN "IKCFG_ST"
#define IKCONFIG_END   "IKCFG_ED"
#define NOT_FOUND      UINT64_MAX

/* ---- searching, piece by piece: most of the time goes into touching memory ---- */

/* Where NEEDLE begins, at FROM or behind it. Neighbouring pieces overlap by what a needle may be long. */
static uint64_t find(const ByteSource *s, uint64_t from, const char *needle) {
        const size_t length = strlen(needle);
        cleanup_free uint8_t *chunk = s->data ? NULL : xmalloc(CHUNK + MAX_NEEDLE);

        for (uint64_t at = from; at < s->size; at += CHUNK) {
                size_t n = s->size - at < CHUNK + MAX_NEEDLE ? (size_t)(s->size - at) : CHUNK + MAX_NEEDLE;
                const uint8_t *piece = s->data ? s->data + at : chunk, *found;

                if (!s->data && !byte_source_read(s, at, chunk, n))
                        break;
                found = memmem(piece, n, needle, length);
                if (found)
                        return at + (uint64_t)(found - piece);
        }
        return NOT_FOUND;
}

/* ---- the configuration inside (CONFIG_IKCONFIG): marker, gzip, marker ---- */

static int find_ikconfig(const ByteSource *s, char **ret, Error *err) {
        uint64_t begin = find(s, 0, IKCONFIG_BEGIN), end;
        cleanup_free uint8_t *packed = NULL, *text = NULL;
        size_t n;

        if (begin == NOT_FOUND)
                return error_set(err, ENOENT, "the image holds no configuration (CONFIG_IKCONFIG is off)");
        begin += strlen(IKCONFIG_BEGIN);
        end = find(s, begin, IKCONFIG_END);
        if (end == NOT_FOUND || end - begin > MAX_CONFIG)
                return error_set(err, EINVAL, "the configuration in the image has no end");
        packed = xmalloc((size_t)(end - begin) + 1);
        if (!byte_source_read(s, begin, packed, (size_t)(end - begin)))
                return error_set(err, EIO, "the configuration in the image cannot be read");
        if (unpack(packed, (size_t)(end - begin), MAX_CONFIG, &text, &n, err) < 0)
                return error_prefix(err, "the configuration in the image");
        *ret = xstrndup((const char *)text, n);
        return 0;
}

/* "Linux version 6.12.117 (...": the banner; not the pattern "%s version %s" it is printed with. */
static char *find_banner(const ByteSource *s) {
        static const char words[] = "Linux version ";
        char version[MAX_RELEASE + 1] = "";
        uint64_t at = 0;

        for (unsigned i = 0; i < MAX_BANNERS && (at = find(s, at, words)) != NOT_FOUND; i++) {
                size_t n = 0;

                at += strlen(words);
                while (n < sizeof(version) - 1 && byte_source_read(s, at + n, version + n, 1) &&
                       version[n] > ' ' && version[n] < 127)
                        n++;
                version[n] = '\0';
                if (*version >= '0' && *version <= '9')
                        return xstrdup(version);
        }
        return NULL;
}

/* The kernel in a bzImage; *ret reads from *ret_memory, owned by the caller. */
static int unpack_bzimage(const ByteSource *s, KernelImage *image, ByteSource *ret, uint8_t **ret_memory,
                          Error *err) {
        const KernelFormat *f = &image->format;
        cleanup_free uint8_t *packed = NULL;
        size_t length = f->payload_length;

        if (f->payload_length > MAX_PACKED)
                return error_set(err, EFBIG, "the kernel in the image is larger than %u MiB",
                                 MAX_PACKED >> 20);
        packed = xmalloc((size_t)f->payload_length + 1);
        if (!byte_source_read(s, f->payload_offset, packed, (size_t)f->payload_length))
                return error_set(err, EIO, "the image cannot be read to its end");
        image->packed = pack_format_of(packed, (size_t)f->payload_length);
        if (image->packed == PACK_ELF)
                *ret_memory = TAKE_PTR(packed);
        else if (unpack(packed, (size_t)f->payload_length, MAX_UNPACKED, ret_memory, &length, err) < 0)
                return error_prefix(err, "the kernel in the image");
        *ret = (ByteSource){ .data = *ret_memory, .fd = -1, .size = length };
        return 0;
}

static int config_from_bzimage(const ByteSource *s, KernelImage *image, Error *err) {
        cleanup_free uint8_t *memory = NULL;
        ByteSource unpacked = { .fd = -1 };

        if (unpack_bzimage(s, image, &unpacked, &memory, err) < 0)
                return -err->code;
        return find_ikconfig(&unpacked, &image->config, err);
}

static int parse_image(const ByteSource *s, KernelImage *ret, Error *err) {
        cleanup_error Error e = { 0 };
        KernelImage image = { 0 };
        int r;

        if (kernel_format_read(s, &image.format, err) < 0)
                return -err->code;
        if (image.format.kind == KERNEL_ELF) {
                r = find_ikconfig(s, &image.config, &e);
                image.version = find_banner(s);
        } else {
                r = config_from_bzimage(s, &image, &e);
                if (*image.format.version)
                        image.version = xstrndup(image.format.version, strcspn(image.format.version, " "));
        }
        if (r < 0)
                image.config_problem = TAKE_PTR(e.message);
        else
                image.config_source = xstrdup("the image");
        *ret = image;
        return 0;
}

int kernel_image_parse(const uint8_t *data, size_t length, KernelImage *ret, Error *err) {
        const ByteSource source = { .data = data, .fd = -1, .size = length };

        return parse_image(&source, ret, err);
}

/* ---- the configuration beside it ---- */

static bool try_config(int dir, char *path, KernelImage *image) {
        cleanup_free char *owned = path, *text = NULL;
        cleanup_error Error e = { 0 };

        if (file_read(dir, path, MAX_CONFIG, &text, NULL, &e) < 0 || !strstr(text, "CONFIG_"))
                return false;
        image->config = TAKE_PTR(text);
        image->config_source = TAKE_PTR(owned);
        free(TAKE_PTR(image->config_problem));
        return true;
}

/* kernel.config, config-<what follows "vmlinuz-">, config-<version>, in the image's folder. */
static bool find_config_beside(int dir, const char *path, KernelImage *image) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        const char *dash = strchr(name, '-');
        int folder = (int)(name - path);

        if (dash && try_config(dir, xasprintf("%.*sconfig%s", folder, path, dash), image))
                return true;
        if (image->version &&
            try_config(dir, xasprintf("%.*sconfig-%s", folder, path, image->version), image))
                return true;
        return try_config(dir, xasprintf("%.*skernel.config", folder, path), image);
}

/* ---- files ---- */

static int open_image(int dir, const char *path, ByteSource *ret, Error *err) {
        cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "%s", path);
        if (S_ISDIR(st.st_mode))
                return error_set(err, EISDIR, "%s: a folder, not a kernel", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, EINVAL, "%s: not a regular file", path);
        *ret = (ByteSource){ .fd = TAKE_FD(fd), .size = (uint64_t)st.st_size };
        return 0;
}

static void close_image(ByteSource *s) {
        close_descriptor(&s->fd);
}

/* The stub is what an image itself shows of CONFIG_EFI. The rare kernel that has EFI and no stub can still be told by
 * the configuration beside it. */
static int check_uefi(int dir, const char *path, const KernelFormat *f, Error *err) {
        cleanup_kernel_image KernelImage image = { 0 };
        size_t length;

        if (f->kind != KERNEL_BZIMAGE)
                return error_set(err, EINVAL,
                                 "%s: an ELF kernel, which OVMF cannot start: give it the bzImage (vmlinuz)",
                                 path);
        if (f->efi_stub ||
            (find_config_beside(dir, path, &image) && kernel_config_get(image.config, "EFI", &length)))
                return 0;
        return error_set(err, EINVAL,
                         "%s: built without CONFIG_EFI_STUB: under OVMF such a kernel finds no ACPI tables, "
                         "has one CPU and no working GPU",
                         path);
}

int kernel_image_check(int dir, const char *path, KernelNeeds needs, Error *err) {
        cleanup(close_image) ByteSource source = { .fd = -1 };
        KernelFormat f;

        if (open_image(dir, path, &source, err) < 0)
                return -err->code;
        if (kernel_format_read(&source, &f, err) < 0)
                return error_prefix(err, "%s", path);
        if (needs == KERNEL_NEEDS_UEFI)
                return check_uefi(dir, path, &f, err);
        if (f.kind == KERNEL_ELF && !f.pvh)
                return error_set(err, EINVAL,
                                 "%s: an ELF kernel without a PVH entry (CONFIG_PVH is off): it can only be "
                                 "started as a bzImage (vmlinuz)",
                                 path);
        return 0;
}

int kernel_image_read(int dir, const char *path, KernelImage *ret, Error *err) {
        cleanup(close_image) ByteSource source = { .fd = -1 };
        KernelImage image = { 0 };

        if (open_image(dir, path, &source, err) < 0)
                return -err->code;
        if (source.size > MAX_IMAGE)
                return error_set(err, EFBIG, "%s: larger than %llu MiB", path, MAX_IMAGE >> 20);
        if (parse_image(&source, &image, err) < 0)
                return error_prefix(err, "%s", path);
        if (!image.config)
                find_config_beside(dir, path, &image);
        *ret = image;
        return 0;
}

/* The release and words behind it, as include/linux/vermagic.h puts them together; other texts that begin with the
 * release are the banner and the like. */
static int find_vermagic(const ByteSource *s, char **ret, Error *err) {
        cleanup_free char *release = find_banner(s), *needle = NULL;
        uint64_t at = 0;

        if (!release)
                return error_set(err, EINVAL, "the kernel does not say which release it is");
        needle = xasprintf("%s ", release);
        while ((at = find(s, at, needle)) != NOT_FOUND) {
                char text[MAX_VERMAGIC] = "";
                const char *words = text + strlen(needle);

                for (size_t n = 0; n < sizeof(text) - 1; n++)
                        if (!byte_source_read(s, at + n, text + n, 1) || text[n] == '\0')
                                break;
                if (str_after(words, "SMP ") || str_after(words, "preempt") ||
                    str_after(words, "mod_unload ")) {
                        *ret = xstrdup(text);
                        return 0;
                }
                at += strlen(needle);
        }
        return error_set(err, ENOENT, "kernel %s takes no modules (CONFIG_MODULES is off)", release);
}

int kernel_image_vermagic(int dir, const char *path, char **ret, Error *err) {
        cleanup(close_image) ByteSource source = { .fd = -1 };
        cleanup_free uint8_t *memory = NULL;
        ByteSource unpacked = { .fd = -1 };
        KernelImage image = { 0 };
        int r;

        if (open_image(dir, path, &source, err) < 0)
                return -err->code;
        r = kernel_format_read(&source, &image.format, err);
        if (r >= 0 && image.format.kind == KERNEL_BZIMAGE)
                r = unpack_bzimage(&source, &image, &unpacked, &memory, err);
        if (r >= 0)
                r = find_vermagic(memory ? &unpacked : &source, ret, err);
        return r < 0 ? error_prefix(err, "%s", path) : 0;
}

#define NAMED_MAX 4U /* options that an error names */

int kernel_image_check_options(int dir, const char *path, unsigned uses, Error *err) {
        cleanup_kernel_image KernelImage image = { 0 };
        cleanup_free KernelLack *lacks = NULL;
        cleanup_strbuf StrBuf named = { 0 };
        size_t n, count = 0;
        int r = kernel_image_read(dir, path, &image, err);

        if (r < 0 || !image.config)
                return r;
        n = kernel_config_check(image.config, uses, PACK_UNKNOWN, &lacks);
        for (size_t i = 0; i < n; i++) {
                if (!lacks[i].option->required || !(lacks[i].option->uses & uses))
                        continue;
                if (count++ < NAMED_MAX)
                        strbuf_printf(&named, "%sCONFIG_%s (%s)", count > 1 ? ", " : "",
                                      lacks[i].option->name, lacks[i].option->why);
        }
        if (count == 0)
                return 0;
        if (count > NAMED_MAX)
                strbuf_printf(&named, " and %zu more", count - NAMED_MAX);
        return error_set(
                err, EINVAL,
                "%s: built %s %s; carrel doctor --kernel explains all, kernel-config/ has the fragments",
                path, lacks[0].option->unwanted ? "with" : "without", named.data);
}

void kernel_image_done(KernelImage *image) {
        free(image->version);
        free(image->config);
        free(image->config_source);
        free(image->config_problem);
        *image = (KernelImage){ 0 };
}

PackFormat pack_format_of_file(int dir, const char *path) {
        cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        uint8_t head[16];
        ssize_t n = fd >= 0 ? pread(fd, head, sizeof(head), 0) : -1;

        return n > 0 ? pack_format_of(head, (size_t)n) : PACK_UNKNOWN;
}
