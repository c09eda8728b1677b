/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/driver-bundle.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <config.h>

#include "common/base/crc32.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define EROFS_OFFSET 1024U
#define EROFS_MAGIC  0xE0F5E1E2U
#define READ_SIZE    (1U << 20)

#define DAMAGED "a damaged driver bundle: build it again, or copy it again"

typedef struct Footer {
        uint64_t image;
        uint32_t manifest;
        uint32_t image_sum, manifest_sum;
        uint32_t zero;
        char magic[16];
} Footer;

_Static_assert(sizeof(Footer) == DRIVER_FOOTER, "as described");
_Static_assert(sizeof(DRIVER_MAGIC) == sizeof(((Footer *)0)->magic) + 1, "as described");

static int read_footer(const ByteSource *s, Footer *ret, Error *err) {
        Footer f;

        if (s->size % DRIVER_BLOCK != 0 || s->size < 2ULL * DRIVER_BLOCK ||
            !byte_source_read(s, s->size - DRIVER_FOOTER, &f, sizeof(f)) ||
            memcmp(f.magic, DRIVER_MAGIC, sizeof(f.magic)) != 0)
                return error_set(err, EINVAL,
                                 "not a driver bundle, or not all of one; carrel driver build makes them");
        ret->image = le64toh(f.image);
        ret->manifest = le32toh(f.manifest);
        ret->image_sum = le32toh(f.image_sum);
        ret->manifest_sum = le32toh(f.manifest_sum);
        if (ret->image % DRIVER_BLOCK != 0 || ret->image > DRIVER_IMAGE_MAX ||
            ret->manifest > DRIVER_MANIFEST_MAX || ret->image + ret->manifest + DRIVER_FOOTER > s->size)
                return error_set(err, EINVAL, DAMAGED);
        return 0;
}

static int check_image(const ByteSource *s, const Footer *footer, Error *err) {
        uint32_t magic = 0;

        if (footer->image < DRIVER_BLOCK || !byte_source_read(s, EROFS_OFFSET, &magic, sizeof(magic)) ||
            le32toh(magic) != EROFS_MAGIC)
                return error_set(err, EINVAL, "a driver bundle without an EROFS image: build it again");
        return 0;
}

int driver_bundle_parse(const ByteSource *s, DriverManifest **ret, uint64_t *ret_image, Error *err) {
        cleanup_free char *text = NULL;
        Footer footer = { 0 };

        if (read_footer(s, &footer, err) < 0 || check_image(s, &footer, err) < 0)
                return -err->code;
        text = xmalloc(footer.manifest + 1U);
        if (!byte_source_read(s, footer.image, text, footer.manifest))
                return error_set(err, EIO, "the manifest cannot be read");
        if (crc32_add(0, text, footer.manifest) != footer.manifest_sum)
                return error_set(err, EBADMSG, DAMAGED);
        if (driver_manifest_parse(text, footer.manifest, true, ret, err) < 0)
                return error_prefix(err, "manifest");
        if (ret_image)
                *ret_image = footer.image;
        return 0;
}

/* A regular file as a source, open for reading; its descriptor is the caller's. */
static int open_source(int dir, const char *path, ByteSource *ret, Error *err) {
        cleanup_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "%s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, EINVAL, "%s: not a regular file", path);
        *ret = (ByteSource){ .fd = TAKE_FD(fd), .size = (uint64_t)st.st_size };
        return 0;
}

int driver_bundle_read(int dir, const char *path, DriverManifest **ret, uint64_t *ret_image, Error *err) {
        ByteSource source = { .fd = -1 };
        cleanup_close int fd = -1;

        if (open_source(dir, path, &source, err) < 0)
                return -err->code;
        fd = source.fd;
        if (driver_bundle_parse(&source, ret, ret_image, err) < 0)
                return error_prefix(err, "%s", path);
        return 0;
}

/* The checksum of the first LENGTH bytes. */
static int sum_of(const ByteSource *s, uint64_t length, uint32_t *ret, Error *err) {
        cleanup_free uint8_t *buffer = xmalloc(READ_SIZE);
        uint32_t sum = 0;

        for (uint64_t at = 0; at < length;) {
                size_t n = length - at < READ_SIZE ? (size_t)(length - at) : READ_SIZE;

                if (!byte_source_read(s, at, buffer, n))
                        return error_set(err, EIO, "the image cannot be read");
                sum = crc32_add(sum, buffer, n);
                at += n;
        }
        *ret = sum;
        return 0;
}

int driver_bundle_check_image(int dir, const char *path, Error *err) {
        ByteSource source = { .fd = -1 };
        cleanup_close int fd = -1;
        Footer footer = { 0 };
        uint32_t sum = 0;

        if (open_source(dir, path, &source, err) < 0)
                return -err->code;
        fd = source.fd;
        if (read_footer(&source, &footer, err) < 0 || sum_of(&source, footer.image, &sum, err) < 0)
                return error_prefix(err, "%s", path);
        if (sum != footer.image_sum)
                return error_set(err, EBADMSG,
                                 "%s: " DAMAGED " (the checksum of its image is %08x, not %08x)", path, sum,
                                 footer.image_sum);
        return 0;
}

int driver_bundle_finish(int fd, const DriverManifest *manifest, Error *err) {
        cleanup_free char *text = json_to_text(driver_manifest_fields, manifest, false);
        size_t length = strlen(text);
        off_t image = lseek(fd, 0, SEEK_END);
        Footer footer = { .manifest = htole32((uint32_t)length),
                          .manifest_sum = htole32(crc32_add(0, text, length)) };
        uint32_t sum = 0;
        uint64_t end;

        if (image < 0)
                return error_errno(err, "lseek");
        if ((uint64_t)image > DRIVER_IMAGE_MAX || length > DRIVER_MANIFEST_MAX)
                return error_set(err, EFBIG, "more than a bundle may hold");
        end = ((uint64_t)image + length + DRIVER_FOOTER + DRIVER_BLOCK - 1) / DRIVER_BLOCK * DRIVER_BLOCK;
        if (sum_of(&(ByteSource){ .fd = fd, .size = (uint64_t)image }, (uint64_t)image, &sum, err) < 0)
                return -err->code;
        footer.image_sum = htole32(sum);
        memcpy(footer.magic, DRIVER_MAGIC, sizeof(footer.magic));
        footer.image = htole64((uint64_t)image);
        if (fd_write_all(fd, text, length, err) < 0)
                return -err->code;
        if (ftruncate(fd, (off_t)end) < 0 || lseek(fd, -(off_t)DRIVER_FOOTER, SEEK_END) < 0)
                return error_errno(err, "ftruncate");
        return fd_write_all(fd, &footer, sizeof(footer), err);
}

/* ---- what is installed ---- */

typedef struct List {
        DriverFact *facts;
        size_t n;
        char **problems;
} List;

static int is_bundle(const struct dirent *entry) {
        return *entry->d_name != '.' && str_ends_with(entry->d_name, DRIVER_SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_file(List *list, char *path) {
        cleanup(driver_manifest_freep) DriverManifest *manifest = NULL;
        cleanup_free char *owned = path;
        cleanup_error Error e = { 0 };
        DriverFact *fact;

        if (driver_bundle_read(AT_FDCWD, path, &manifest, NULL, &e) < 0) {
                strv_append(&list->problems, e.message);
                return;
        }
        for (size_t i = 0; i < list->n; i++)
                if (streq(list->facts[i].manifest->name, manifest->name)) {
                        strv_printf(&list->problems, "%s: not used, since %s is called \"%s\" too", path,
                                    list->facts[i].path, manifest->name);
                        return;
                }
        list->facts = xreallocarray(list->facts, list->n + 1, sizeof(DriverFact));
        fact = &list->facts[list->n++];
        fact->path = TAKE_PTR(owned);
        fact->manifest = TAKE_PTR(manifest);
}

static void add_folder(List *list, const char *folder, bool needed) {
        struct dirent **entries = NULL;
        int n = scandir(folder, &entries, is_bundle, by_name);

        if (n < 0 && (errno != ENOENT || needed))
                strv_printf(&list->problems, "%s: %s", folder, strerror(errno));
        for (int i = 0; i < n; i++) {
                if (list->n < DRIVER_BUNDLES_MAX)
                        add_file(list, path_join(folder, entries[i]->d_name));
                free(entries[i]);
        }
        free(entries);
}

void driver_bundles_list(const RuntimeConfig *config, DriverFact **ret, size_t *ret_n, char ***ret_problems) {
        List list = { 0 };

        if (config->driver_path)
                add_folder(&list, config->driver_path, true);
        if (!streq(config->driver_path, CARREL_DATA_DIR "/drivers"))
                add_folder(&list, CARREL_DATA_DIR "/drivers", false);
        *ret = list.facts;
        *ret_n = list.n;
        *ret_problems = list.problems;
}

void driver_facts_free(DriverFact *facts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(facts[i].path);
                driver_manifest_free(facts[i].manifest);
        }
        free(facts);
}
