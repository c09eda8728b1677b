/* SPDX-License-Identifier: Apache-2.0 */

/* A bundle on disk becomes what planning needs. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/commands/creation.h"
#include "runtime/commands/exec-process.h"
#include "runtime/host/joined.h"

#define CONFIG_NAME "config.json"

static int read_text(Bundle *bundle, Error *err) {
        cleanup_free char *path = path_join(bundle->path, CONFIG_NAME);
        /* a pipe that nobody writes to must not hold us up */
        cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return error_set(err, ENOENT, "%s: not found in bundle %s", CONFIG_NAME, bundle->path);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(err, "%s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(err, EINVAL, "%s: not a regular file", path);
        if ((uint64_t)st.st_size > JSON_MAX_BYTES)
                return error_set(err, EFBIG, "%s: larger than %u bytes", CONFIG_NAME, JSON_MAX_BYTES);
        if (fd_read(fd, JSON_MAX_BYTES, &bundle->text, &bundle->text_length, err) < 0)
                return error_prefix(err, "%s", CONFIG_NAME);
        return 0;
}

/* The host's IPC and host name, by a path (CRI-O's hostIPC): the same wish as that for no namespace. */
static bool means_host(const OciNamespace *namespace) {
        struct stat st;

        return (streq(namespace->type, "ipc") || streq(namespace->type, "uts")) && namespace->path &&
               *namespace->path && stat(namespace->path, &st) == 0 && joined_is_host(namespace->type, &st);
}

static int drop_namespaces_of_host(Bundle *bundle, Error *err) {
        const OciLinux *spec = bundle->spec->linux_;
        const Json *linux_ = json_get(bundle->tree, "linux");
        Json *kept = json_new_array(), *changed;

        for (size_t i = 0; spec && i < spec->n_namespaces; i++)
                if (!means_host(&spec->namespaces[i]))
                        json_append(kept, json_copy(json_item(json_get(linux_, "namespaces"), i)));
        if (!spec || json_count(kept) == spec->n_namespaces) {
                json_free(kept);
                return 0;
        }
        changed = json_copy(linux_);
        json_set(changed, "namespaces", kept);
        json_set(bundle->tree, "linux", changed);
        bundle->spec = oci_spec_free(bundle->spec);
        return oci_spec_from_tree(bundle->tree, &bundle->spec, err);
}

static int read_config(Bundle *bundle, Error *err) {
        int r = read_text(bundle, err);

        if (r < 0)
                return r;
        r = json_parse(bundle->text, bundle->text_length, NULL, &bundle->tree, err);
        if (r >= 0)
                r = oci_spec_from_tree(bundle->tree, &bundle->spec, err);
        if (r >= 0)
                r = drop_namespaces_of_host(bundle, err);
        return r < 0 ? error_prefix(err, "%s", CONFIG_NAME) : 0;
}

int bundle_check_rootfs(const Bundle *bundle, Error *err) {
        struct stat st;

        if (stat(bundle->rootfs, &st) < 0)
                return error_errno(err, "%s: root.path: %s", CONFIG_NAME, bundle->rootfs);
        if (!S_ISDIR(st.st_mode))
                return error_set(err, ENOTDIR, "%s: root.path: %s: not a directory", CONFIG_NAME,
                                 bundle->rootfs);
        return 0;
}

uint64_t bundle_shm_bytes(const Bundle *bundle) {
        const OciSpec *spec = bundle->spec;

        for (size_t i = 0; i < spec->n_mounts; i++) {
                const OciMount *m = &spec->mounts[i];
                struct statfs fs;

                if (m->source && streq(m->destination, "/dev/shm") && statfs(m->source, &fs) >= 0 &&
                    (uint64_t)fs.f_type == TMPFS_MAGIC)
                        return (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
        }
        return 0;
}

static char *rootfs_of(const Bundle *bundle) {
        const char *path = bundle->spec->root->path;
        cleanup_free char *joined = *path == '/' ? xstrdup(path) : path_join(bundle->path, path);

        return path_normalize(joined);
}

int bundle_load(const char *path, const char *config_file, Bundle *ret, Error *err) {
        cleanup_bundle Bundle bundle = { 0 };
        char real[PATH_MAX];
        int r;

        if (!realpath(path ? path : ".", real))
                return error_errno(err, "bundle %s", path ? path : ".");
        bundle.path = xstrdup(real);
        r = read_config(&bundle, err);
        if (r >= 0)
                bundle.rootfs = rootfs_of(&bundle);
        if (r >= 0)
                r = runtime_config_load(config_file, &bundle.config, err);
        if (r >= 0)
                r = runtime_config_apply_annotations(bundle.config, &bundle.spec->annotations, err);
        if (r >= 0)
                r = runtime_config_check(bundle.config, err);
        if (r >= 0 && bundle_find_gpus(&bundle, err) < 0)
                r = error_prefix(err, "%s", CONFIG_NAME);
        if (r < 0)
                return r;
        *ret = bundle;
        bundle = (Bundle){ 0 };
        return 0;
}

void bundle_text_from_tree(Bundle *bundle) {
        free(bundle->text);
        bundle->text = json_tree_to_text(bundle->tree, false);
        bundle->text_length = strlen(bundle->text);
}

int bundle_add_env(Bundle *bundle, char *const *env, Error *err) {
        Json *process = json_copy(json_get(bundle->tree, "process"));
        int r = exec_process_add_env(process, env, err);

        json_set(bundle->tree, "process", process);
        STRV_FOR_EACH (variable, env)
                strv_append(&bundle->spec->process->env, *variable);
        if (r < 0)
                return error_prefix(err, "--env");
        if (env)
                bundle_text_from_tree(bundle); /* `exec` takes its environment from there */
        return 0;
}

void bundle_done(Bundle *bundle) {
        free(bundle->path);
        free(bundle->text);
        json_free(bundle->tree);
        oci_spec_free(bundle->spec);
        free(bundle->rootfs);
        runtime_config_free(bundle->config);
        gpu_request_done(&bundle->gpu);
        *bundle = (Bundle){ 0 };
}
