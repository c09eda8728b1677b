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

#define MAX_IMAGE    (1024U << 20)
#define MAX_UNPACKED (512U << 20)
#define MAX_CONFIG   (4U << 20)

#define IKCONFIG_BEGIN "IKCFG_ST"
#define IKCONFIG_END   "IKCFG_ED"

/* ---- the configuration inside (CONFIG_IKCONFIG): marker, gzip, marker ---- */

static int find_ikconfig(const uint8_t *data, size_t length, char **ret, Error *err) {
        const size_t marker = strlen(IKCONFIG_BEGIN);
        const uint8_t *end = data + length, *begin = memmem(data, length, IKCONFIG_BEGIN, marker), *stop;
        uint8_t *text;
        size_t n;

        if (!begin)
                return error_set(err, ENOENT, "the image holds no configuration (CONFIG_IKCONFIG is off)");
        begin += marker;
        stop = memmem(begin, (size_t)(end - begin), IKCONFIG_END, marker);
        if (!stop)
                return error_set(err, EINVAL, "the configuration in the image has no end");
        if (unpack(begin, (size_t)(stop - begin), MAX_CONFIG, &text, &n, err) < 0)
                return error_prefix(err, "the configuration in the image");
        *ret = xstrndup((const char *)text, n);
        free(text);
        return 0;
}

/* "Linux version 6.12.117 (...": the banner; not the pattern "%s version %s" it is printed with. */
static char *find_banner(const uint8_t *data, size_t length) {
        static const char words[] = "Linux version ";
        const size_t n = strlen(words);

        while (length > n) {
                const uint8_t *at = memmem(data, length, words, n);

                if (!at)
                        return NULL;
                length -= (size_t)(at + n - data);
                data = at + n;
                if (length > 0 && *data >= '0' && *data <= '9') {
                        size_t end = 0;

                        while (end < length && end < 64 && data[end] > ' ' && data[end] < 127)
                                end++;
                        return xstrndup((const char *)data, end);
                }
        }
        return NULL;
}

static int config_from_bzimage(const uint8_t *data, KernelImage *image, Error *err) {
        const KernelFormat *f = &image->format;
        cleanup_free uint8_t *vmlinux = NULL;
        const uint8_t *payload = data + f->payload_offset;
        size_t length;

        image->packed = pack_format_of(payload, (size_t)f->payload_length);
        if (image->packed == PACK_ELF)
                return find_ikconfig(payload, (size_t)f->payload_length, &image->config, err);
        if (unpack(payload, (size_t)f->payload_length, MAX_UNPACKED, &vmlinux, &length, err) < 0)
                return error_prefix(err, "the kernel in the image");
        return find_ikconfig(vmlinux, length, &image->config, err);
}

int kernel_image_parse(const uint8_t *data, size_t length, KernelImage *ret, Error *err) {
        const ByteSource source = { .data = data, .fd = -1, .size = length };
        cleanup_error Error e = { 0 };
        KernelImage image = { 0 };
        int r;

        if (kernel_format_read(&source, &image.format, err) < 0)
                return -err->code;
        if (image.format.kind == KERNEL_ELF) {
                r = find_ikconfig(data, length, &image.config, &e);
                image.version = find_banner(data, length);
        } else {
                r = config_from_bzimage(data, &image, &e);
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
        cleanup_free uint8_t *data = NULL;
        KernelImage image = { 0 };
        KernelFormat f;

        if (open_image(dir, path, &source, err) < 0)
                return -err->code;
        if (kernel_format_read(&source, &f, err) < 0) /* before all of some huge file is read */
                return error_prefix(err, "%s", path);
        if (source.size > MAX_IMAGE)
                return error_set(err, EFBIG, "%s: larger than %u MiB", path, MAX_IMAGE >> 20);
        data = xmalloc((size_t)source.size);
        if (!byte_source_read(&source, 0, data, (size_t)source.size))
                return error_set(err, EIO, "%s: cannot be read to its end", path);
        if (kernel_image_parse(data, (size_t)source.size, &image, err) < 0)
                return error_prefix(err, "%s", path);
        if (!image.config)
                find_config_beside(dir, path, &image);
        *ret = image;
        return 0;
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
