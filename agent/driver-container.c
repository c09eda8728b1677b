/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A container's share of the driver bundle.
 *
 * DRIVER_ROOT is a small tmpfs of the container's own: "files" is the bundle, "bin" has links to its programs, and what
 * the loader is to read lies beside them and is bound over the image's files, which therefore stay as they are. What the
 * container's own ldconfig does is its own affair: it runs as the user of the container's process, without capabilities,
 * under its seccomp filter, sees everything but one folder read-only, and has a time limit. When it cannot be had,
 * LD_LIBRARY_PATH takes its place.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/driver.h"
#include "agent/mount-point.h"
#include "agent/mounts.h"
#include "agent/program.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define LDCONFIG_WAIT_USEC 10000000U
#define LDCONFIG_SAID_MAX  65536U /* what a pipe holds */
#define LDCONFIG_WORDS_MAX 300U
#define LOADER_FILE_MAX    65536U

#define WORK            DRIVER_ROOT "/work"
#define NEW_CACHE       WORK "/ld.so.cache"
#define NEW_CONFIG      DRIVER_ROOT "/ld.so.conf"
#define NEW_MUSL_PATH   DRIVER_ROOT "/ld-musl.path"
#define USE_ENVIRONMENT DRIVER_ROOT "/use-environment"

#define GLIBC_LOADER "/lib64/ld-linux-x86-64.so.2"
#define GLIBC_CONFIG "/etc/ld.so.conf"
#define GLIBC_CACHE  "/etc/ld.so.cache"
#define MUSL_LOADER  "/lib/ld-musl-x86_64.so.1"
#define MUSL_PATH    "/etc/ld-musl-x86_64.path"
#define MUSL_DEFAULT "/lib:/usr/local/lib:/usr/lib" /* where musl looks when there is no such file */

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- devices ---- */

static bool has_device(const OciLinux *linux_, const char *path) {
        for (size_t i = 0; i < linux_->n_devices; i++)
                if (streq(linux_->devices[i].path, path))
                        return true;
        return false;
}

void driver_extend_resources(const Driver *driver, OciResources *resources) {
        size_t n = driver ? driver->n_devices : 0;

        resources->devices =
                xreallocarray(resources->devices, resources->n_devices + n + 1, sizeof(OciDeviceRule));
        for (size_t i = 0; i < n; i++) {
                const DriverDevice *d = &driver->devices[i];

                resources->devices[resources->n_devices++] = (OciDeviceRule){
                        .allow = true,
                        .type = xstrdup(d->block ? "b" : "c"),
                        .major = { .set = true, .value = d->major },
                        .minor = { .set = true, .value = d->minor },
                        .access = xstrdup("rwm"),
                };
        }
}

void driver_extend_spec(const Driver *driver, OciSpec *spec) {
        OciLinux *linux_;

        if (!driver)
                return;
        if (!spec->linux_)
                spec->linux_ = xnew(OciLinux, 1);
        linux_ = spec->linux_;
        if (!linux_->resources)
                linux_->resources = xnew(OciResources, 1);
        driver_extend_resources(driver, linux_->resources);
        linux_->devices =
                xreallocarray(linux_->devices, linux_->n_devices + driver->n_devices + 1, sizeof(OciDevice));
        for (size_t i = 0; i < driver->n_devices; i++) {
                const DriverDevice *d = &driver->devices[i];

                if (has_device(linux_, d->path))
                        continue;
                linux_->devices[linux_->n_devices++] = (OciDevice){
                        .type = xstrdup(d->block ? "b" : "c"),
                        .path = xstrdup(d->path),
                        .major = d->major,
                        .minor = d->minor,
                        .file_mode = { .set = true, .value = d->mode },
                };
        }
}

/* ---- files ---- */

static int fill_folder(const DriverManifest *m, int folder, Error *err) {
        static const char *const names[] = { "files", "bin", "work" };

        for (size_t i = 0; i < ELEMENTS_OF(names); i++)
                if (mkdirat(folder, names[i], 0755) < 0)
                        return error_errno(err, "mkdir %s", names[i]);
        STRV_FOR_EACH (program, m->programs) {
                const char *slash = strrchr(*program, '/');
                cleanup_free char *link = xasprintf("bin/%s", slash ? slash + 1 : *program);
                cleanup_free char *target = xasprintf("../files/%s", *program);

                if (symlinkat(target, folder, link) < 0 && errno != EEXIST)
                        return error_errno(err, "link %s", link);
        }
        return 0;
}

static int mount_files(const Driver *driver, int root, Error *err) {
        char mode[] = "mode=0755", size[] = "size=16m", *data[] = { mode, size, NULL };
        cleanup_close int tmpfs = -1, inside = -1, place = -1, files = -1, files_place = -1;

        tmpfs = mount_new("tmpfs", "carrel-driver", 0, data, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
        if (tmpfs < 0)
                return tmpfs;
        inside = openat(tmpfs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (inside < 0)
                return error_errno(err, "a new tmpfs");
        place = mount_point_open(root, DRIVER_ROOT, false, err);
        if (place < 0 || fill_folder(driver->manifest, inside, err) < 0 ||
            mount_attach(tmpfs, place, err) < 0)
                return -err->code;
        files = mount_copy(AT_FDCWD, DRIVER_GUEST, false, err);
        if (files < 0)
                return files;
        files_place = openat(inside, "files", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (files_place < 0)
                return error_errno(err, "files");
        return mount_attach(files, files_place, err);
}

int driver_mount(const Driver *driver, int root, Error *err) {
        if (driver && mount_files(driver, root, err) < 0)
                return error_prefix(err, "driver bundle \"%s\": " DRIVER_ROOT, driver->manifest->name);
        return 0;
}

/* ---- the loader; from here on "/" is the container's root, and paths of the image may be links to anywhere in it ---- */

static bool has_file(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int write_file(const char *path, const char *text, Error *err) {
        cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

        if (fd < 0)
                return error_errno(err, "%s", path);
        return fd_write_all(fd, text, strlen(text), err);
}

static char *library_folders(const Driver *driver, const char *separator) {
        StrBuf b = { 0 };

        STRV_FOR_EACH (folder, driver->manifest->libraries)
                strbuf_printf(&b, "%s" DRIVER_FILES "/%s", b.length > 0 ? separator : "", *folder);
        return strbuf_take(&b);
}

/* Puts the regular file PATH, one of ours, over TARGET. */
static int bind_over(const char *path, const char *target, Error *err) {
        cleanup_close int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), root = -1, copy = -1, place = -1;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "%s", path);
        if (!S_ISREG(st.st_mode) || st.st_size == 0)
                return error_set(err, EINVAL, "%s: not a file", path);
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return error_errno(err, "/");
        copy = mount_copy(fd, "", false, err);
        if (copy < 0 || mount_change(copy, false, MOUNT_ATTR_RDONLY, 0, err) < 0)
                return -err->code;
        place = mount_point_open(root, target, true, err);
        return place < 0 ? place : mount_attach(copy, place, err);
}

/* musl: a list of folders in a file. One that is not there is made with what its absence means, since it stays in the
 * image. */
static int settle_musl(const Driver *driver, Error *err) {
        cleanup_free char *folders = library_folders(driver, "\n"), *old = NULL, *text = NULL;
        int r = file_read(AT_FDCWD, MUSL_PATH, LOADER_FILE_MAX, &old, NULL, err);

        if (r == -ENOENT) {
                error_clear(err);
                old = xstrdup(MUSL_DEFAULT "\n");
                r = write_file(MUSL_PATH, old, err);
        }
        if (r < 0)
                return r;
        text = xasprintf("%s%s%s\n", old, str_ends_with(old, "\n") ? "" : "\n", folders);
        r = write_file(NEW_MUSL_PATH, text, err);
        return r < 0 ? r : bind_over(NEW_MUSL_PATH, MUSL_PATH, err);
}

/* Ubuntu's is a script that calls the other one. */
static const char *find_ldconfig(void) {
        static const char *const places[] = { "/sbin/ldconfig.real", "/usr/sbin/ldconfig.real",
                                              "/sbin/ldconfig", "/usr/sbin/ldconfig" };

        for (size_t i = 0; i < ELEMENTS_OF(places); i++)
                if (has_file(places[i]))
                        return places[i];
        return NULL;
}

/* A mount namespace in which only WORK's file system can be written. */
static int protect_mounts(Error *err) {
        cleanup_close int root = -1, ours = -1;

        if (unshare(CLONE_NEWNS) < 0)
                return error_errno(err, "unshare");
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        ours = open(DRIVER_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0 || ours < 0)
                return error_errno(err, DRIVER_ROOT);
        if (mount_set_propagation(root, true, MS_PRIVATE, err) < 0 ||
            mount_change(root, true, MOUNT_ATTR_RDONLY, 0, err) < 0)
                return -err->code;
        return mount_change(ours, false, 0, MOUNT_ATTR_RDONLY, err);
}

static __attribute__((noreturn)) void run_ldconfig(const char *program, const OciProcess *process,
                                                   const Seccomp *seccomp, int complaints) {
        char keep[] = "-X", cache[] = "-C", cache_path[] = NEW_CACHE, config[] = "-f",
             config_path[] = NEW_CONFIG;
        char *name = xstrdup(program), *args[] = { name, keep, cache, cache_path, config, config_path, NULL };
        char path[] = "PATH=" DEFAULT_PATH, *env[] = { path, NULL }, cwd[] = "/";
        OciProcess how = {
                .args = args, .env = env, .cwd = cwd, .user = process->user, .no_new_privileges = true
        };
        Program *ready = NULL;
        Error err = { 0 };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0)
                error_errno(&err, "/dev/null");
        for (int fd = 0; null >= 0 && fd < STDERR_FILENO; fd++)
                dup2(null, fd);
        dup2(complaints, STDERR_FILENO);
        if (null >= 0 && protect_mounts(&err) >= 0 && program_setup(&how, seccomp, &ready, &err) >= 0)
                program_exec(ready, &err);
        dprintf(STDERR_FILENO, "%s\n", err.message);
        _exit(127);
}

/* How PID ended, in words, and 0 if well; it has ended in any case. */
static int wait_ldconfig(pid_t pid, Error *err) {
        uint64_t deadline = now_usec() + LDCONFIG_WAIT_USEC;
        int status = -1;
        pid_t ended;

        while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && now_usec() < deadline)
                poll(NULL, 0, 2);
        if (ended == 0) {
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) /* what it left, if we are the container's init */
                ;
        if (ended == 0)
                return error_set(err, ETIMEDOUT, "took longer than %u s", LDCONFIG_WAIT_USEC / 1000000U);
        if (ended == pid && WIFSIGNALED(status))
                return error_set(err, EIO, "was ended by signal %d", WTERMSIG(status));
        if (ended != pid || status != 0)
                return error_set(err, EIO, "ended with status %d", WEXITSTATUS(status));
        return 0;
}

/* Puts the last line of what ldconfig said behind the error. */
static void add_complaint(int complaints, Error *err) {
        cleanup_free char *text = xmalloc(LDCONFIG_SAID_MAX), *words = NULL, *message = NULL;
        size_t length = 0;
        const char *last;
        ssize_t n;

        while (length < LDCONFIG_SAID_MAX &&
               (n = read(complaints, text + length, LDCONFIG_SAID_MAX - length)) > 0)
                length += (size_t)n;
        while (length > 0 && text[length - 1] == '\n')
                length--;
        if (length == 0)
                return;
        last = memrchr(text, '\n', length);
        last = last ? last + 1 : text;
        words = str_printable(last, (size_t)(text + length - last), LDCONFIG_WORDS_MAX);
        message = xasprintf("%s: %s", err->message, words);
        error_set(err, err->code, "%s", message);
}

static int make_cache(const char *program, const OciProcess *process, const Seccomp *seccomp, Error *err) {
        cleanup_close int complaints = -1, theirs = -1;
        int fds[2], r;
        pid_t pid;

        /* one that says more than fits has to go on without it */
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return error_errno(err, "pipe");
        complaints = fds[0];
        theirs = fds[1];
        pid = fork();
        if (pid < 0)
                return error_errno(err, "fork");
        if (pid == 0)
                run_ldconfig(program, process, seccomp, theirs);
        r = wait_ldconfig(pid, err);
        if (r >= 0)
                return bind_over(NEW_CACHE, GLIBC_CACHE, err);
        add_complaint(complaints, err);
        return r;
}

static int settle_glibc(const Driver *driver, const OciProcess *process, const Seccomp *seccomp,
                        char **ret_warning, Error *err) {
        cleanup_free char *folders = library_folders(driver, "\n"), *text = NULL;
        const char *program = find_ldconfig();

        if (!program)
                return error_set(err, ENOENT, "no ldconfig");
        text = xasprintf("%s\n%s", folders, has_file(GLIBC_CONFIG) ? "include " GLIBC_CONFIG "\n" : "");
        if (write_file(NEW_CONFIG, text, err) < 0)
                return -err->code;
        if (chown(WORK, process->user.uid, process->user.gid) < 0)
                return error_errno(err, WORK);
        if (make_cache(program, process, seccomp, err) < 0) {
                *ret_warning = xasprintf(
                        "driver bundle \"%s\": the container's %s failed (%s): its libraries are found by "
                        "LD_LIBRARY_PATH only",
                        driver->manifest->name, program, err->message);
                return -err->code;
        }
        return 0;
}

/* Whether every loader of the container finds the libraries now. */
static bool settle_loaders(const Driver *driver, const OciProcess *process, const Seccomp *seccomp,
                           char **ret_warning) {
        bool glibc = has_file(GLIBC_LOADER), musl = has_file(MUSL_LOADER);
        cleanup_error Error e = { 0 };

        if (musl && settle_musl(driver, &e) < 0)
                return false;
        if (glibc && settle_glibc(driver, process, seccomp, ret_warning, &e) < 0)
                return false;
        return musl || glibc;
}

int driver_settle(const Driver *driver, OciProcess *process, const Seccomp *seccomp, char **ret_warning,
                  Error *err) {
        cleanup_close int ours = -1;

        *ret_warning = NULL;
        if (!driver)
                return 0;
        ours = open(DRIVER_ROOT, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (ours < 0)
                return error_errno(err, DRIVER_ROOT);
        if (driver->manifest->libraries && driver->manifest->libraries[0] &&
            !settle_loaders(driver, process, seccomp, ret_warning) &&
            write_file(USE_ENVIRONMENT, "", err) < 0)
                return -err->code;
        driver_set_environment(driver, process);
        return mount_change(ours, false, MOUNT_ATTR_RDONLY, 0, err);
}

/* ---- environment ---- */

static void remove_variable(OciProcess *process, const char *name) {
        cleanup_strv char **old = process->env;
        size_t n = strlen(name);

        process->env = xnew(char *, 1);
        STRV_FOR_EACH (entry, old)
                if (strncmp(*entry, name, n) != 0 || (*entry)[n] != '=')
                        strv_append(&process->env, *entry);
}

void driver_set_environment(const Driver *driver, OciProcess *process) {
        const DriverManifest *m = driver ? driver->manifest : NULL;

        if (!m)
                return;
        if (m->programs && m->programs[0]) {
                const char *path = oci_process_variable(process, "PATH=");

                strv_printf(&process->env, "PATH=%s:" DRIVER_BIN, path && *path ? path : DEFAULT_PATH);
        }
        if (access(USE_ENVIRONMENT, F_OK) == 0) {
                const char *path = oci_process_variable(process, "LD_LIBRARY_PATH=");
                cleanup_free char *folders = library_folders(driver, ":");

                strv_printf(&process->env, "LD_LIBRARY_PATH=%s%s%s", path ? path : "",
                            path && *path ? ":" : "", folders);
        }
        STRV_FOR_EACH (entry, m->env)
                if (strchr(*entry, '='))
                        strv_append(&process->env, *entry);
                else
                        remove_variable(process, *entry);
}
