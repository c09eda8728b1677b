/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/host/hooks.h"
#include "runtime/store/process.h"

Container *container_free(Container *container) {
        if (!container)
                return NULL;
        json_clear(shim_status_fields, &container->shim);
        record_free(container->record);
        store_entry_free(container->entry);
        free(container);
        return NULL;
}

/* The shim's word counts while it lives; after that there is only one state, whatever it said last. */
static OciStatus judge(const Record *record, const ShimStatus *shim) {
        OciStatus said = shim->status ? oci_status_from_name(shim->status) : OCI_CREATING;

        if (record->pid == 0)
                return record->complete ? OCI_STOPPED : OCI_CREATING;
        if (!process_is_alive((pid_t)record->pid, record->pid_start))
                return OCI_STOPPED;
        if (said == _OCI_STATUS_INVALID || said == OCI_STOPPED)
                return OCI_RUNNING; /* its last moments: QEMU is being taken down */
        /* until create has come to its end the container is for nobody else */
        return record->complete ? said : OCI_CREATING;
}

int container_refresh(Container *container, Error *err) {
        cleanup(record_freep) Record *record = NULL;
        ShimStatus shim;
        int r;

        r = record_read(container->entry->dir, &record, err);
        if (r == -ENOENT) /* being made, or being removed */
                return oci_error_not_found(err);
        if (r >= 0)
                r = shim_status_read(container->entry->dir, &shim, err);
        if (r < 0)
                return error_prefix(err, "state of container %s", container->entry->id);
        json_clear(shim_status_fields, &container->shim);
        record_free(container->record);
        container->record = TAKE_PTR(record);
        container->shim = shim;
        container->status = judge(container->record, &container->shim);
        return 0;
}

int container_open(const Globals *globals, const char *id, Container **ret, Error *err) {
        cleanup(container_freep) Container *container = xnew(Container, 1);
        int r;

        r = store_open(globals->root, id, &container->entry, err);
        if (r >= 0)
                r = container_refresh(container, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(container);
        return 0;
}

int container_lock(Container *container, Error *err) {
        int r = store_lock(container->entry, LOCK_TIMEOUT_MS, err);

        return r < 0 ? r : container_refresh(container, err);
}

int container_open_locked(const Globals *globals, const char *id, OciOperation operation, Container **ret,
                          Error *err) {
        cleanup(container_freep) Container *container = NULL;
        int r;

        r = container_open(globals, id, &container, err);
        /* one that is being created is refused, not waited for */
        if (r >= 0)
                r = oci_check_operation(container->status, operation, id, err);
        if (r >= 0)
                r = container_lock(container, err);
        /* the state may have changed while we waited */
        if (r >= 0)
                r = oci_check_operation(container->status, operation, id, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(container);
        return 0;
}

char *container_state_text(const Container *container, bool hook) {
        const Record *record = container->record;
        cleanup_free char *status = xstrdup(oci_status_name(container->status));
        OciState state = {
                .oci_version = record->oci_version,
                .id = record->id,
                .pid = container->status == OCI_STOPPED ? 0 : (int32_t)record->pid,
                .status = status,
                .bundle = record->bundle,
                .annotations = record->annotations,
        };

        if (!hook) {
                state.rootfs = record->rootfs;
                state.created = record->created;
                state.owner = record->owner;
        }
        return json_to_text(oci_state_fields, &state, !hook);
}

int container_spec_tree(const Container *container, Json **ret, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r;

        r = file_read(container->entry->dir, STATE_CONFIG, JSON_MAX_BYTES, &text, &length, err);
        if (r >= 0)
                r = json_parse(text, length, NULL, ret, err);
        return r < 0 ? error_prefix(err, "state of container %s", container->entry->id) : 0;
}

int container_spec(const Container *container, OciSpec **ret, Error *err) {
        cleanup_json Json *tree = NULL;
        int r;

        r = container_spec_tree(container, &tree, err);
        if (r < 0)
                return r;
        r = oci_spec_from_tree(tree, ret, err);
        return r < 0 ? error_prefix(err, "state of container %s: %s", container->entry->id, STATE_CONFIG) : 0;
}

int container_check_answer(int r, Error *err) {
        return r == -ECONNRESET ? oci_error_not_running(err) : r;
}

int container_open_shim(const Container *container, Error *err) {
        return process_open((pid_t)container->record->pid, container->record->pid_start, err);
}

int container_run_hooks(const Container *container, const char *name, const OciHook *hooks, size_t n_hooks,
                        int namespaces_of, Error *err) {
        cleanup_free char *state = NULL, *root = NULL;
        cleanup_close int root_fd = -1;
        HookRun run = { .name = name, .bundle = container->record->bundle, .namespaces_of = namespaces_of };

        if (n_hooks == 0)
                return 0;
        if (namespaces_of >= 0) {
                root = xasprintf("/proc/%lld/root", (long long)container->record->pid);
                run.root = root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (root_fd < 0)
                        return error_errno(err, "%s", root);
        }
        state = container_state_text(container, true);
        run.state = state;
        return hooks_run(&run, hooks, n_hooks, err);
}
