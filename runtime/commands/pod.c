/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/pod.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/commands/container.h"
#include "runtime/gpu/request.h"
#include "runtime/host/pod-share.h"

static bool is_alive(const Container *container) {
        return container->record->pid > 0 && container->status != OCI_STOPPED;
}

/* Whether PATH is the namespace of TYPE in which the container's shim is. */
static bool has_namespace(const Container *container, const char *type, const char *path) {
        const char *file = streq(type, "network") ? "net" : streq(type, "mount") ? "mnt" : type;
        cleanup_free char *own = xasprintf("/proc/%lld/ns/%s", (long long)container->record->pid, file);
        struct stat a, b;

        return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int find_owner(const Globals *globals, const char *path, Container **ret, Error *err) {
        cleanup_strv char **ids = NULL;

        if (store_list(globals->root, &ids, err) < 0)
                return -err->code;
        STRV_FOR_EACH (id, ids) {
                cleanup(container_freep) Container *container = NULL;
                cleanup_error Error ignored = { 0 };

                if (container_open(globals, *id, &container, &ignored) < 0 || !is_alive(container) ||
                    container->record->pod || !has_namespace(container, "network", path))
                        continue;
                *ret = TAKE_PTR(container);
                return 0;
        }
        return 0;
}

/* Processes of one other container (kubectl debug --target). NULL: it is none of this pod. */
static char *find_processes(const Globals *globals, const char *pod, const char *path) {
        cleanup_strv char **ids = NULL;
        cleanup_error Error ignored = { 0 };

        if (store_list(globals->root, &ids, &ignored) < 0)
                return NULL;
        STRV_FOR_EACH (id, ids) {
                cleanup(container_freep) Container *container = NULL;
                cleanup_error Error gone = { 0 };

                if (container_open(globals, *id, &container, &gone) >= 0 && is_alive(container) &&
                    streq(container->record->pod, pod) && has_namespace(container, "pid", path))
                        return xstrdup(*id);
        }
        return NULL;
}

static void find_namespaces(const Globals *globals, const OciLinux *linux_, const Container *owner,
                            Pod *pod) {
        for (size_t i = 0; i < linux_->n_namespaces; i++) {
                const OciNamespace *n = &linux_->namespaces[i];
                bool shared = n->path && *n->path && has_namespace(owner, n->type, n->path);

                if (!shared && n->path && *n->path && streq(n->type, "pid") && !pod->pid_of)
                        pod->pid_of = find_processes(globals, pod->id, n->path);
                if (shared || (pod->pid_of && streq(n->type, "pid")))
                        strv_append(&pod->namespaces, n->type);
        }
}

int pod_find(const Globals *globals, const OciSpec *spec, Pod **ret, Error *err) {
        const char *network = oci_namespace_path(spec->linux_, "network");
        cleanup(container_freep) Container *owner = NULL;
        cleanup(pod_freep) Pod *pod = NULL;

        *ret = NULL;
        if (!network)
                return 0;
        if (find_owner(globals, network, &owner, err) < 0 || !owner)
                return -err->code;
        pod = xnew(Pod, 1);
        pod->id = xstrdup(owner->entry->id);
        pod->control = path_join(owner->entry->path, STATE_CONTROL);
        if (str_map_get(&owner->record->annotations, GPU_ANNOTATION))
                pod->gpu = xstrdup(str_map_get(&owner->record->annotations, GPU_ANNOTATION));
        pod->vcpus = owner->record->vcpus;
        pod->memory = owner->record->memory;
        find_namespaces(globals, spec->linux_, owner, pod);
        pod->share = pod_share_open((pid_t)owner->record->pid, err);
        if (pod->share < 0)
                return error_prefix(err, "joining container %s", pod->id);
        *ret = TAKE_PTR(pod);
        return 0;
}

Pod *pod_free(Pod *pod) {
        if (!pod)
                return NULL;
        free(pod->id);
        free(pod->control);
        free(pod->pid_of);
        free(pod->gpu);
        strv_free(pod->namespaces);
        if (pod->share >= 0)
                close(pod->share);
        free(pod);
        return NULL;
}

int pod_leave(const Globals *globals, const char *pod, const char *member, Error *err) {
        cleanup(container_freep) Container *owner = NULL;
        cleanup_error Error gone = { 0 };
        cleanup_close int share = -1;

        if (container_open(globals, pod, &owner, &gone) < 0 || !is_alive(owner))
                return 0;
        share = pod_share_open((pid_t)owner->record->pid, &gone);
        return share < 0 ? 0 : pod_share_remove(share, member, err);
}
