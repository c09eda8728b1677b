/* SPDX-License-Identifier: Apache-2.0 */

/* The ends of a container: signals, the shim's violent death, and the removal of all traces. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/protocol/message.h"
#include "runtime/commands/container.h"
#include "runtime/commands/gpu-lease.h"
#include "runtime/commands/pod.h"
#include "runtime/host/cgroup.h"
#include "runtime/host/client.h"
#include "runtime/host/netns.h"
#include "runtime/host/scope.h"
#include "runtime/store/journal.h"
#include "runtime/store/process.h"

#define SIGNAL_TIMEOUT_MS 10000
/* A guest that does not take a SIGKILL by then is killed from outside. */
#define KILL_TIMEOUT_MS 1500
/* Memory of a large machine takes its time to be given back. */
#define END_TIMEOUT_MS 30000

static int release_cgroup(const Json *entry, Error *err) {
        const char *path = json_string(json_get(entry, "path"));
        char *folders[] = { NULL, NULL };
        cleanup_free char *owned = NULL;

        if (!path)
                return 0;
        owned = folders[0] = xstrdup(path);
        cgroup_thaw(folders);
        cgroup_kill(folders);
        return cgroup_remove(path, err);
}

static int release_scope(const Json *entry, Error *err) {
        const char *unit = json_string(json_get(entry, "path"));

        return unit ? scope_stop(unit, err) : 0;
}

static int release_share(const Json *entry, Error *err) {
        const char *root = json_string(json_get(entry, "root")), *pod = json_string(json_get(entry, "pod"));
        const char *member = json_string(json_get(entry, "member"));
        Globals globals = { .root = root };

        return root && pod && member ? pod_leave(&globals, pod, member, err) : 0;
}

/* Everything a journal may hold, and how it is undone. */
static const JournalKind journal_kinds[] = {
        { "cgroup", release_cgroup }, { GPU_JOURNAL, gpu_release_journal }, { "scope", release_scope },
        { "share", release_share },   { "network", netns_release },         {},
};

int container_kill_shim(Container *container, Error *err) {
        cleanup_close int pidfd = container_open_shim(container, err);
        int r;

        if (pidfd < 0) {
                if (err->code != ESRCH)
                        return pidfd;
                error_clear(err);
                return 0;
        }
        cgroup_thaw(container->record->cgroups);
        r = process_signal(pidfd, SIGKILL, err);
        if (r >= 0 && !process_wait(pidfd, END_TIMEOUT_MS))
                r = error_set(err, ETIMEDOUT, "container %s: process %lld does not end", container->entry->id,
                              (long long)container->record->pid);
        return r;
}

static int ask_shim(const Container *container, int signal_, bool all, Error *err) {
        SignalRequest request = { .signal = signal_, .all = all };
        cleanup(client_freep) Client *client = NULL;
        Frame reply;
        int r;

        r = client_connect(container->entry->dir, &client, err);
        if (r < 0)
                return r;
        return client_request(client, FRAME_SIGNAL, signal_request_fields, &request,
                              signal_ == SIGKILL ? KILL_TIMEOUT_MS : SIGNAL_TIMEOUT_MS, &reply, err);
}

int container_kill(Container *container, int signal_, bool all, Error *err) {
        int r;

        if (signal_ == 0)
                return 0;
        cgroup_thaw(container->record->cgroups);
        r = ask_shim(container, signal_, all, err);
        if (r >= 0 || signal_ != SIGKILL)
                return r == -ETIMEDOUT ? error_prefix(err, "the guest did not take signal %d", signal_)
                                       : container_check_answer(r, err);
        if (r == -ESRCH)
                return r;
        error_clear(err);
        return container_kill_shim(container, err);
}

void entry_kill_shim(StoreEntry *entry) {
        cleanup(client_freep) Client *client = NULL;
        cleanup_error Error ignored = { 0 };
        cleanup_close int pidfd = -1;
        uint64_t start;
        pid_t pid;

        if (client_connect(entry->dir, &client, &ignored) < 0)
                return;
        pid = client_peer(client);
        if (process_start_time(pid, &start, &ignored) < 0)
                return;
        pidfd = process_open(pid, start, &ignored);
        if (pidfd >= 0 && process_signal(pidfd, SIGKILL, &ignored) >= 0)
                process_wait(pidfd, END_TIMEOUT_MS);
}

int entry_sweep(StoreEntry *entry, Error *err) {
        int r = journal_replay(entry->dir, journal_kinds, err);

        return r < 0 ? r : store_remove(entry, err);
}

static void run_poststop(const Container *container, const OciSpec *spec) {
        cleanup_error Error failed = { 0 };

        if (!spec || !spec->hooks)
                return;
        if (container_run_hooks(container, "poststop", spec->hooks->poststop, spec->hooks->n_poststop, -1,
                                &failed) < 0)
                log_warning("%s", failed.message);
}

int container_destroy(Container *container, bool force, Error *err) {
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup_error Error ignored = { 0 };
        int r;

        container_spec(container, &spec, &ignored);
        r = journal_replay(container->entry->dir, journal_kinds, err);
        if (r < 0 && !force)
                return r;
        if (r < 0)
                log_warning("%s", err->message);
        error_clear(err);
        r = store_remove(container->entry, err);
        if (r < 0)
                return r;
        container->status = OCI_STOPPED;
        run_poststop(container, spec);
        return 0;
}
