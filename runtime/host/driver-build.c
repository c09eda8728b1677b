/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/driver-build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/driver-bundle.h"
#include "runtime/host/kernel-image.h"
#include "runtime/host/module-info.h"
#include "runtime/host/tool.h"
#include "runtime/plan/driver.h"

#define MANIFEST_FILE "manifest.json"
/* Any would do, but always the same: bundles can be compared. */
#define IMAGE_UUID "63617272-656c-4472-8976-657200000001"

/* ---- files ---- */

/* As a process with FOLDER for its root would see it. */
static int open_inside(const char *folder, const char *path, int flags, Error *err) {
        cleanup_close int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd;

        if (root < 0)
                return error_errno(err, "%s", folder);
        fd = path_open_in_root(root, path, flags, 0, err);
        if (fd == -ENOENT)
                return error_set(err, ENOENT, "%s: not in the bundle", path);
        return fd;
}

static int check_folder(const char *folder, const char *path, Error *err) {
        cleanup_close int fd = open_inside(folder, path, O_PATH | O_DIRECTORY, err);

        return fd < 0 ? fd : 0;
}

static int check_program(const char *folder, const char *path, Error *err) {
        cleanup_close int fd = open_inside(folder, path, O_PATH, err);
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IXUSR) == 0)
                return error_set(err, EINVAL, "%s: not a program (chmod +x)", path);
        return 0;
}

/* ---- modules ---- */

static int take_kernel(DriverManifest *m, const ModuleInfo *info) {
        m->kernel = xnew(DriverKernel, 1);
        m->kernel->release = xstrndup(info->vermagic, strcspn(info->vermagic, " "));
        m->kernel->vermagic = xstrdup(info->vermagic);
        return 0;
}

static bool same_list(char *const *a, char *const *b) {
        bool same = strv_length(a) == strv_length(b);

        STRV_FOR_EACH (item, a)
                same = same && strv_contains(b, *item);
        return same;
}

static int check_module(const char *folder, DriverManifest *m, size_t i, bool fill, Error *err) {
        DriverModule *module = &m->modules[i];
        cleanup_close int fd = open_inside(folder, module->file, O_PATH, err);
        cleanup_module_info ModuleInfo info = { 0 };
        cleanup_free char *path = fd >= 0 ? xasprintf("/proc/self/fd/%d", fd) : NULL;

        if (fd < 0)
                return fd;
        if (module_info_read(path, &info, err) < 0)
                return error_prefix(err, "%s", module->file);
        if (!m->kernel && fill)
                take_kernel(m, &info);
        if (!m->kernel || !streq(m->kernel->vermagic, info.vermagic))
                return error_set(err, EINVAL, "%s: built for kernel \"%s\", %s for \"%s\"", module->file,
                                 info.vermagic,
                                 fill ? "the bundle (or the module before it)" : "the manifest says",
                                 m->kernel ? m->kernel->vermagic : "none");
        if (!fill && !same_list(module->depends, info.depends))
                return error_set(err, EINVAL,
                                 "%s: the manifest does not say which modules it needs: build it again",
                                 module->file);
        strv_free(module->depends);
        module->depends = TAKE_PTR(info.depends);
        return 0;
}

int driver_check_files(const char *folder, DriverManifest *m, bool fill, Error *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < m->n_modules; i++)
                r = check_module(folder, m, i, fill, err);
        if (r >= 0 && m->firmware)
                r = check_folder(folder, m->firmware, err);
        STRV_FOR_EACH (path, m->libraries)
                if (r >= 0)
                        r = check_folder(folder, *path, err);
        STRV_FOR_EACH (path, m->programs)
                if (r >= 0)
                        r = check_program(folder, *path, err);
        /* order and dependencies, now that they are known */
        return r < 0 ? r : driver_manifest_check(m, true, err);
}

/* ---- building ---- */

static int read_manifest(const char *folder, DriverManifest **ret, Error *err) {
        cleanup_free char *path = path_join(folder, MANIFEST_FILE), *text = NULL;
        size_t length;

        if (file_read(AT_FDCWD, path, DRIVER_MANIFEST_MAX, &text, &length, err) < 0)
                return -err->code;
        if (driver_manifest_parse(text, length, false, ret, err) < 0)
                return error_prefix(err, "%s", path);
        return 0;
}

/* A copy with the owners and modes of everywhere, so that the image depends on contents and names only. */
static int stage(const char *folder, const char *to, Error *err) {
        cleanup_free char *from = xasprintf("%s/.", folder);
        char cp[] = "cp", recursive[] = "-rd", reflink[] = "--reflink=auto", end[] = "--";
        char chmod_[] = "chmod", all[] = "-R", modes[] = "u=rwX,go=rX";
        cleanup_free char *target = xstrdup(to);
        char *copy[] = { cp, recursive, reflink, end, from, target, NULL };
        char *change[] = { chmod_, all, modes, end, target, NULL };

        if (tool_run(&(Tool){ .argv = copy, .package = "coreutils" }, err) < 0)
                return -err->code;
        return tool_run(&(Tool){ .argv = change, .package = "coreutils" }, err);
}

static int make_image(const char *folder, const char *image, bool compress, Error *err) {
        cleanup_strv char **argv = NULL;

        strv_append(&argv, "mkfs.erofs");
        strv_append(&argv, "--quiet");
        strv_append(&argv, "-T0");
        strv_append(&argv, "-U" IMAGE_UUID);
        strv_append(&argv, "--all-root");
        strv_append(&argv, "-x-1");
        strv_append(&argv, "--exclude-path=" MANIFEST_FILE);
        if (compress)
                strv_append(&argv, "-zlz4hc");
        strv_append(&argv, image);
        strv_append(&argv, folder);
        return tool_run(&(Tool){ .argv = argv, .package = "erofs-utils" }, err);
}

/* mkfs.erofs may leave the last block short. */
static int append_manifest(const char *image, const DriverManifest *m, Error *err) {
        cleanup_close int fd = open(image, O_RDWR | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "%s", image);
        if (ftruncate(fd, (st.st_size + DRIVER_BLOCK - 1) / DRIVER_BLOCK * DRIVER_BLOCK) < 0 ||
            fchmod(fd, 0644) < 0)
                return error_errno(err, "%s", image);
        return driver_bundle_finish(fd, m, err);
}

static int build_in(const DriverBuild *build, const char *work, const char *output, DriverManifest *m,
                    Error *err) {
        cleanup_free char *staged = path_join(work, "files"), *image = path_join(work, "image");
        int r;

        if (mkdir(staged, 0755) < 0)
                return error_errno(err, "%s", staged);
        r = stage(build->folder, staged, err);
        if (r >= 0)
                r = driver_check_files(staged, m, true, err);
        if (r >= 0)
                r = make_image(staged, image, build->compress, err);
        if (r >= 0)
                r = append_manifest(image, m, err);
        if (r >= 0 && rename(image, output) < 0)
                r = error_errno(err, "%s", output);
        return r;
}

/* Temporary files are made beside the output, where there is room for it, and gone in any case. */
int driver_build(const DriverBuild *build, DriverManifest **ret, char **ret_output, Error *err) {
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_free char *output = NULL, *work = NULL;
        cleanup_error Error ignored = { 0 };
        int r = read_manifest(build->folder, &m, err);

        if (r < 0)
                return r;
        output = build->output ? xstrdup(build->output) : xasprintf("%s" DRIVER_SUFFIX, m->name);
        work = xasprintf("%s.XXXXXX", output);
        if (!mkdtemp(work))
                return error_errno(err, "%s", output);
        r = build_in(build, work, output, m, err);
        path_remove_tree(AT_FDCWD, work, &ignored);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        *ret_output = TAKE_PTR(output);
        return 0;
}

/* ---- verifying ---- */

static int take_apart(const char *file, const char *folder, Error *err) {
        cleanup_free char *extract = xasprintf("--extract=%s", folder), *image = xstrdup(file);
        char fsck[] = "fsck.erofs", keep[] = "--no-preserve", *argv[] = { fsck, extract, keep, image, NULL };

        return tool_run(&(Tool){ .argv = argv, .package = "erofs-utils" }, err);
}

static int check_contents(const char *file, DriverManifest *m, Error *err) {
        const char *temporary = getenv("TMPDIR");
        cleanup_free char *work =
                xasprintf("%s/carrel-driver.XXXXXX", temporary && *temporary ? temporary : "/tmp");
        cleanup_free char *folder = NULL;
        cleanup_error Error ignored = { 0 };
        int r;

        if (!mkdtemp(work))
                return error_errno(err, "%s", work);
        folder = path_join(work, "files");
        r = take_apart(file, folder, err);
        if (r >= 0)
                r = driver_check_files(folder, m, false, err);
        path_remove_tree(AT_FDCWD, work, &ignored);
        return r;
}

int driver_verify(const char *file, const char *kernel, DriverManifest **ret, Error *err) {
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_free char *vermagic = NULL;

        if (driver_bundle_read(AT_FDCWD, file, &m, NULL, err) < 0 ||
            driver_bundle_check_image(AT_FDCWD, file, err) < 0)
                return -err->code;
        if (check_contents(file, m, err) < 0)
                return error_prefix(err, "%s", file);
        if (kernel && (kernel_image_vermagic(AT_FDCWD, kernel, &vermagic, err) < 0 ||
                       driver_check_kernel(m, vermagic, err) < 0))
                return -err->code;
        *ret = TAKE_PTR(m);
        return 0;
}
