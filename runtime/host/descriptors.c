/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/host-root.h"
#include "runtime/host/program-version.h"
#include "runtime/qemu/firmware.h"

#define MAX_DESCRIPTOR (256U << 10)
#define MAX_FIRMWARE   64U

static const char *const firmware_dirs[] = { "/etc/qemu/firmware", "/usr/share/qemu/firmware", NULL };
static const char *const vhost_user_dirs[] = { "/etc/qemu/vhost-user", "/usr/share/qemu/vhost-user", NULL };

/* 1: *ret is filled. 0: not for us. Negative: cannot be used. */
static int read_firmware(int root, const char *path, FirmwareFact *ret, Error *err) {
        cleanup_free char *text = NULL;
        FirmwareFact fact = { 0 };
        size_t length;
        int r;

        text = host_root_read(root, path, MAX_DESCRIPTOR, &length);
        if (!text)
                return error_set(err, EIO, "%s: cannot be read", path);
        r = firmware_parse(path, text, length, &fact, err);
        if (r < 0)
                return error_prefix(err, "%s", path);
        if (r == 0)
                return 0;
        if (!host_root_has_file(root, fact.executable)) {
                error_set(err, ENOENT, "%s: %s does not exist", path, fact.executable);
                firmware_fact_done(&fact);
                return -err->code;
        }
        *ret = fact;
        return 1;
}

void descriptors_collect_firmware(int root, FirmwareFact **ret, size_t *ret_count, char ***problems) {
        cleanup_strv char **paths = host_root_list_descriptors(root, firmware_dirs);
        FirmwareFact *firmware = NULL;
        size_t n = 0;

        STRV_FOR_EACH (path, paths) {
                cleanup_error Error e = { 0 };
                FirmwareFact fact;
                int r = read_firmware(root, *path, &fact, &e);

                if (r < 0 && problems)
                        strv_append(problems, e.message);
                if (r <= 0)
                        continue;
                if (n == MAX_FIRMWARE) {
                        firmware_fact_done(&fact);
                        break;
                }
                firmware = xreallocarray(firmware, n + 1, sizeof(*firmware));
                firmware[n++] = fact;
        }
        *ret = firmware;
        *ret_count = n;
}

/* ---- virtiofsd ---- */

static char *virtiofsd_from_descriptors(int root) {
        cleanup_strv char **paths = host_root_list_descriptors(root, vhost_user_dirs);

        STRV_FOR_EACH (path, paths) {
                cleanup_error Error e = { 0 };
                cleanup_free char *text = NULL, *binary = NULL;
                size_t length;

                text = host_root_read(root, *path, MAX_DESCRIPTOR, &length);
                if (text && firmware_parse_virtiofsd(text, length, &binary, &e) > 0 &&
                    host_root_has_program(root, binary))
                        return TAKE_PTR(binary);
        }
        return NULL;
}

char *descriptors_find_virtiofsd(int root, const char *search) {
        static const char *const names[] = { "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd",
                                             "/usr/lib/qemu/virtiofsd", "virtiofsd", NULL };
        char *found = virtiofsd_from_descriptors(root);

        return found ? found : host_root_find_program(root, names, search);
}

/*
 * QEMU's own virtiofsd (C, until QEMU 7.2) and the one in Rust that followed it carry the same name and sit in the
 * same folders, and starting it to ask takes time with each container. The C one is linked with GLib, whose name then
 * stands in the dynamic string table near the beginning of the file. Only a script around one of them is asked, since
 * neither understands all options of the other: "virtiofsd 1.13.2" is the one in Rust, "virtiofsd version 7.2.22 (...)" C.
 */
#define VIRTIOFSD_HEAD (256U << 10)

static bool says_rust(int root, const char *path) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = program_version(root, path, &ignored);
        const char *name = text ? strstr(text, "virtiofsd ") : NULL;
        unsigned major, minor;

        return name && sscanf(name, "virtiofsd %u.%u", &major, &minor) == 2;
}

bool virtiofsd_is_rust(int root, const char *path) {
        cleanup_close int fd = host_root_open_file(root, path, O_RDONLY);
        cleanup_free char *head = xmalloc(VIRTIOFSD_HEAD);
        ssize_t n = fd >= 0 ? pread(fd, head, VIRTIOFSD_HEAD, 0) : -1;

        if (n >= 2 && memcmp(head, "#!", 2) == 0)
                return says_rust(root, path);
        if (n < 4 || memcmp(head, "\177ELF", 4) != 0)
                return false;
        return !memmem(head, (size_t)n, "libglib-2.0.so", strlen("libglib-2.0.so"));
}
