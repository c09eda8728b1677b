/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Everything that can be refused is refused before the first effect: the bundle is read, the host looked at and the
 * plan made. Then, in this order: the state folder (whoever makes it owns the id), journal, cgroups, record, shim. The
 * shim's end of the boss connection is its life line: when we die before the container is created it ends the virtual
 * machine and removes folder and cgroups; what dies before there is a shim leaves a folder without a complete record,
 * which the next create of that id sweeps away.
 *
 * When the shim has namespaces and QEMU runs, the hooks run while the guest boots; then CREATE tells the shim to make
 * the container as soon as the guest is up. The pid file comes last: engines take it for "created".
 */
#include "runtime/commands/creation.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/protocol/message.h"
#include "runtime/commands/gpu-lease.h"
#include "runtime/commands/kernel-check.h"
#include "runtime/commands/pod.h"
#include "runtime/commands/warning.h"
#include "runtime/host/cgroup.h"
#include "runtime/host/engine-socket.h"
#include "runtime/host/engine.h"
#include "runtime/host/facts.h"
#include "runtime/host/netns.h"
#include "runtime/host/scope.h"
#include "runtime/plan/sizing.h"
#include "runtime/store/journal.h"
#include "runtime/store/process.h"

#define LAUNCH_TIMEOUT_MS 60000
#define CHOICES_MAX       8 /* how often devices are chosen when others are quicker */
/* What the guest may take for its part on top of its boot: mounts and hooks of the container. */
#define CREATE_TIMEOUT_MS 300000

typedef struct Creation {
        const ContainerRequest *request;
        Caller caller;
        Bundle bundle;
        Pod *pod; /* whose VM it joins; NULL: its own */
        HostFacts *facts;
        Plan *plan;
        char **cgroups;
        Scope *scope;    /* systemd's; NULL: the cgroups are made here */
        ScopeHold *hold; /* keeps it until the shim is in it */
        char *state_dir;
        int console_socket, pidfd_socket;
        Created made;
        bool outrun; /* another container took a device that was free when we looked */
        bool hooked; /* hooks began: poststop is due when it fails now */
} Creation;

void created_done(Created *created) {
        created->container = container_free(created->container);
        shim_done(&created->shim);
        terminal_done(&created->terminal);
}

static void creation_done(Creation *c) {
        close_descriptor(&c->console_socket);
        close_descriptor(&c->pidfd_socket);
        scope_release(c->hold);
        scope_free(c->scope);
        created_done(&c->made);
        strv_free(c->cgroups);
        free(c->state_dir);
        pod_free(c->pod);
        plan_free(c->plan);
        host_facts_free(c->facts);
        bundle_done(&c->bundle);
}

/* ---- before the first effect ---- */

static int open_sockets(Creation *c, Error *err) {
        const ContainerRequest *request = c->request;
        bool terminal = c->bundle.spec->process->terminal;
        const char *path = request->options->console_socket;

        if (path && (!terminal || request->foreground))
                return error_set(err, EINVAL,
                                 "cannot use console socket if carrel will not detach or allocate tty");
        if (!path && terminal && !request->foreground)
                return error_set(err, EINVAL,
                                 "cannot allocate tty if carrel will detach without setting console socket");
        if (path)
                c->console_socket = engine_socket_connect("console-socket", path, err);
        if (path && c->console_socket < 0)
                return c->console_socket;
        path = request->options->pidfd_socket;
        if (path)
                c->pidfd_socket = engine_socket_connect("pidfd-socket", path, err);
        return path && c->pidfd_socket < 0 ? c->pidfd_socket : 0;
}

static int find_cgroups(Creation *c, Error *err) {
        const ContainerRequest *request = c->request;
        const OciLinux *linux_ = c->bundle.spec->linux_;
        const char *path = linux_ ? linux_->cgroups_path : NULL;
        int r = 0;

        if (request->globals->systemd_cgroup) {
                r = scope_parse(path, request->id, &c->scope, err);
                if (r >= 0)
                        r = scope_check(err);
                if (r >= 0)
                        path = c->scope->path;
        }
        return r < 0 ? r : cgroup_folders(path, request->id, &c->cgroups, err);
}

/* Kubernetes' engines hand a pod's annotations down to all its containers: the devices are in the pod's machine already. */
static void drop_wishes_of_pod(Creation *c) {
        const char *own = str_map_get(&c->bundle.spec->annotations, GPU_ANNOTATION);

        if (own && c->pod && c->pod->gpu && streq(own, c->pod->gpu))
                gpu_request_drop(&c->bundle.gpu, GPU_BY_ANNOTATION);
}

static int prepare(Creation *c, Error *err) {
        const ContainerRequest *request = c->request;
        PlanRequest what = {
                .id = request->id,
                .debug = request->globals->debug,
                .foreground = request->foreground,
                .begin_usec = request->globals->begin_usec,
        };
        int r;

        r = oci_check_id(request->id, err);
        if (r >= 0)
                r = caller_become_root(&c->caller, err);
        if (r >= 0)
                r = bundle_load(request->options->bundle, request->globals->config, &c->bundle, err);
        if (r >= 0)
                r = bundle_add_env(&c->bundle, request->options->env, err);
        if (r >= 0)
                r = bundle_check_rootfs(&c->bundle, err);
        if (r >= 0)
                r = open_sockets(c, err);
        if (r >= 0)
                r = find_cgroups(c, err);
        if (r >= 0)
                r = pod_find(request->globals, c->bundle.spec, &c->pod, err);
        if (r >= 0)
                drop_wishes_of_pod(c);
        if (r >= 0)
                r = host_facts_gather(c->bundle.config, &c->caller, &c->facts, err);
        if (r >= 0 && c->bundle.gpu.n_wishes > 0)
                gpu_reclaim_left();
        if (r >= 0 && c->bundle.gpu.n_wishes > 0)
                r = host_facts_gather_gpu(c->bundle.config, c->facts, err);
        if (r < 0)
                return r;
        what.state_dir = c->state_dir = path_join(request->globals->root, request->id);
        what.bundle = c->bundle.path;
        what.gpu = &c->bundle.gpu;
        what.pod = c->pod ? c->pod->control : NULL;
        what.pod_namespaces = c->pod ? c->pod->namespaces : NULL;
        what.pod_pid = c->pod ? c->pod->pid_of : NULL;
        what.shm_bytes = bundle_shm_bytes(&c->bundle);
        what.memory_above = cgroup_memory_above(c->cgroups);
        r = plan_make(c->bundle.spec, c->bundle.tree, c->bundle.config, c->facts, &what, &c->plan, err);
        if (r >= 0 && !c->pod)
                r = kernel_check(c->plan, c->bundle.config, err);
        if (r < 0)
                return r;
        if (request->options->preserve_fds > 0)
                strv_printf(&c->plan->warnings, "--preserve-fds: descriptors cannot be passed into a virtual "
                                                "machine; they are not there");
        c->plan->launch.cgroups = strv_copy(c->cgroups);
        if (c->plan->gpu.n_slots > 0)
                c->plan->launch.last_act = gpu_last_act(&c->plan->gpu);
        engine_find(request->globals->root, c->bundle.path, &c->plan->launch);
        return 0;
}

/* ---- folder, record, cgroups ---- */

static int take_folder(Creation *c, StoreEntry **ret, Error *err) {
        for (;;) {
                cleanup(store_entry_freep) StoreEntry *entry = NULL;
                int r = store_create(c->request->globals->root, c->request->id, &entry, err);

                if (r < 0)
                        return r;
                if (r == STORE_OK) {
                        *ret = TAKE_PTR(entry);
                        return 0;
                }
                r = entry_sweep(entry, err);
                if (r < 0)
                        return error_prefix(err, "removing what an interrupted create left of container %s",
                                            c->request->id);
        }
}

static char *owner_name(uid_t uid) {
        struct passwd *user = getpwuid(uid);

        return user ? xstrdup(user->pw_name) : xasprintf("%u", (unsigned)uid);
}

static Record *make_record(const Creation *c) {
        const OciSpec *spec = c->bundle.spec;
        Record *record = xnew(Record, 1);
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        record->version = RECORD_VERSION;
        record->oci_version = xstrdup(spec->oci_version);
        record->id = xstrdup(c->request->id);
        record->bundle = xstrdup(c->bundle.path);
        record->rootfs = xstrdup(c->bundle.rootfs);
        record->created = oci_format_time(&now);
        record->owner = owner_name(c->caller.uid);
        for (size_t i = 0; i < spec->annotations.count; i++)
                str_map_set(&record->annotations, spec->annotations.keys[i], spec->annotations.values[i]);
        record->terminal = spec->process->terminal;
        record->cgroups = strv_copy(c->cgroups);
        record->scope = c->scope ? xstrdup(c->scope->unit) : NULL;
        for (size_t i = 0; i < c->plan->vm.n_devices; i++)
                strv_append(&record->devices, c->plan->vm.devices[i].address);
        record->warnings = strv_copy(c->plan->warnings);
        record->pod = c->pod ? xstrdup(c->pod->id) : NULL;
        record->vcpus = c->pod ? c->pod->vcpus : c->plan->vm.vcpus;
        record->memory = c->pod ? c->pod->memory : c->plan->vm.memory_mib * MIB;
        record->host_memory =
                c->pod ? 0 : record->memory + sizing_host_overhead(record->memory, c->plan->vm.accelerator);
        return record;
}

/* What is in the pod's guest when we are gone. */
static int journal_share(const Creation *c, Error *err) {
        Json *entry = json_new_object();

        json_set(entry, "root", json_new_string(c->request->globals->root));
        json_set(entry, "pod", json_new_string(c->pod->id));
        json_set(entry, "member", json_new_string(c->plan->launch.member));
        return journal_add(c->made.container->entry->dir, "share", entry, err);
}

/* What is left in a namespace of somebody else when the shim is killed. */
static int journal_network(const Creation *c, Error *err) {
        const char *network = c->pod ? NULL : oci_namespace_path(c->bundle.spec->linux_, "network");
        Json *note = network ? netns_note(network) : NULL;

        return note ? journal_add(c->made.container->entry->dir, "network", note, err) : 0;
}

static int start_scope(Creation *c, Error *err) {
        ScopeLimits limits = { .memory = c->plan->host_memory_bytes };
        char *units[] = { c->scope->unit, NULL };
        int r;

        r = journal_add_paths(c->made.container->entry->dir, "scope", units, err);
        return r < 0 ? r : scope_start(c->scope, c->request->id, &limits, &c->hold, err);
}

/* A user's containers do without them where the user may make none: their limits are the guest's. */
static int make_folders(Creation *c, Error *err) {
        int r = 0;

        STRV_FOR_EACH (folder, c->cgroups)
                if (r >= 0)
                        r = cgroup_make(*folder, err);
        if (r >= 0)
                r = cgroup_limit_memory(c->cgroups, c->plan->host_memory_bytes, err);
        if (!c->caller.rootless || c->scope || (r != -EACCES && r != -EPERM && r != -EROFS))
                return r;
        log_debug("no cgroups on the host: %s", err->message);
        error_clear(err);
        c->cgroups = strv_free(c->cgroups);
        c->plan->launch.cgroups = strv_free(c->plan->launch.cgroups);
        c->made.container->record->cgroups = strv_free(c->made.container->record->cgroups);
        return 0;
}

static int make_cgroups(Creation *c, Error *err) {
        int r = c->scope ? start_scope(c, err) : 0;

        if (r >= 0)
                r = journal_add_paths(c->made.container->entry->dir, "cgroup", c->cgroups, err);
        if (r >= 0 && c->pod)
                r = journal_share(c, err);
        if (r >= 0)
                r = journal_network(c, err);
        if (r < 0)
                return error_prefix(err, "state folder %s", c->state_dir);
        return make_folders(c, err);
}

static int write_record(const Container *container, Error *err) {
        return record_write(container->entry->dir, container->record, err) < 0
                       ? error_prefix(err, "state folder %s", container->entry->path)
                       : 0;
}

static int make_state(Creation *c, Error *err) {
        Container *container = xnew(Container, 1);
        int r;

        r = take_folder(c, &container->entry, err);
        if (r < 0) {
                free(container);
                return r;
        }
        c->made.container = container;
        container->record = make_record(c);
        container->status = OCI_CREATING;
        r = write_record(container, err);
        if (r < 0)
                return r;
        r = file_write_atomic(container->entry->dir, STATE_CONFIG, c->bundle.text, c->bundle.text_length,
                              0600, err);
        return r < 0 ? error_prefix(err, "state folder %s", container->entry->path) : make_cgroups(c, err);
}

/* ---- the shim ---- */

static int open_shim_log(const Creation *c) {
        /* not the engine's log: there must be no more in it than what a failed command says */
        if (c->request->globals->debug && c->request->globals->log)
                return open(c->request->globals->log, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
        return record_open_log(c->made.container->entry->dir);
}

static int launch_shim(Creation *c, Error *err) {
        const OciConsoleSize *size = c->bundle.spec->process->console_size;
        const OciLinux *linux_ = c->bundle.spec->linux_;
        cleanup_free char *plan = json_to_text(launch_plan_fields, &c->plan->launch, false);
        cleanup_close int log = open_shim_log(c);
        Record *record = c->made.container->record;
        ShimSpec spec = {
                .plan = plan,
                .pass_stdio = !record->terminal,
                .console = -1,
                .log = log,
                .network = oci_namespace_path(linux_, "network"),
                .ipc = c->pod ? NULL : oci_namespace_path(linux_, "ipc"),
                .uts = c->pod ? NULL : oci_namespace_path(linux_, "uts"),
                .pod_share = c->pod ? c->pod->share : -1,
                .cgroups = c->cgroups,
        };
        int r;

        if (record->terminal) {
                r = terminal_open(size ? size->height : 0, size ? size->width : 0, &c->made.terminal, err);
                if (r < 0)
                        return r;
                spec.console = c->made.terminal.slave;
        }
        r = shim_launch(&spec, &c->made.shim, err);
        c->hold = scope_release(c->hold);
        if (r < 0)
                return r;
        if (record->terminal)
                close(TAKE_FD(c->made.terminal.slave));
        record->pid = c->made.shim.pid;
        r = process_start_time(c->made.shim.pid, &record->pid_start, err);
        if (r == -ESRCH) { /* ended already: its last words, which say why, wait on the boss connection */
                error_clear(err);
                return 0;
        }
        return r < 0 ? r : write_record(c->made.container, err);
}

/* The shim has gone without a word: its log knows more. */
static int explain_end(const Creation *c, Error *err) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL, *line = NULL;
        size_t length = 0;
        char *last;

        error_set(err, ECONNRESET, "carrel-shim ended unexpectedly");
        if (file_read(c->made.container->entry->dir, STATE_SHIM_LOG, 1U << 20, &text, &length, &ignored) < 0)
                return -err->code;
        while (length > 0 && text[length - 1] == '\n')
                text[--length] = '\0';
        last = strrchr(text, '\n');
        last = last ? last + 1 : text;
        if (str_after(last, "{\"level\":\"warning\""))
                return -err->code; /* not what it died of */
        line = str_printable(last, strlen(last), 1024);
        return *line ? error_set(err, ECONNRESET, "carrel-shim ended unexpectedly: %s", line) : -err->code;
}

static int wait_launched(Creation *c, Error *err) {
        Frame frame;
        int r;

        do {
                r = client_receive(c->made.shim.boss, LAUNCH_TIMEOUT_MS, &frame, err);
                if (r < 0)
                        return r;
                if (frame.type == FRAME_ERROR)
                        return message_to_error(&frame, err);
        } while (frame.type != FRAME_EVENT);
        return 0;
}

static int run_hooks(Creation *c, Error *err) {
        const OciHooks *hooks = c->bundle.spec->hooks;
        const Container *container = c->made.container;
        int r;

        if (!hooks)
                return 0;
        c->hooked = true;
        r = container_run_hooks(container, "prestart", hooks->prestart, hooks->n_prestart, -1, err);
        if (r >= 0)
                r = container_run_hooks(container, "createRuntime", hooks->create_runtime,
                                        hooks->n_create_runtime, -1, err);
        if (r >= 0)
                r = container_run_hooks(container, "createContainer", hooks->create_container,
                                        hooks->n_create_container, c->made.shim.pidfd, err);
        return r;
}

/* What is found out when there is a machine. */
static void warn_late(Creation *c, char *const *warnings) {
        show_warnings(warnings, c->request->show_warnings);
        keep_warnings(warnings, c->made.container->entry->dir);
        STRV_FOR_EACH (warning, warnings)
                strv_append(&c->made.container->record->warnings, *warning);
}

static int bring_up(Creation *c, Error *err) {
        int timeout = (int)(c->plan->launch.boot_timeout_ms % INT32_MAX) + CREATE_TIMEOUT_MS;
        cleanup_strv char **warnings = NULL;
        int r = wait_launched(c, err);
        Frame reply;

        if (r == -ECONNRESET)
                return explain_end(c, err);
        if (r >= 0)
                r = run_hooks(c, err);
        /* from here on the shim's word says whether there is a container, and its end without us undoes all */
        c->made.container->record->complete = true;
        if (r >= 0)
                r = write_record(c->made.container, err);
        if (r < 0)
                return r;
        r = client_request(c->made.shim.boss, FRAME_CREATE, NULL, NULL, timeout, &reply, err);
        warn_late(c, warnings = r >= 0 ? warnings_of_guest(&reply) : NULL);
        return r == -ECONNRESET ? explain_end(c, err) : r;
}

/* ---- the end of it ---- */

int write_pid_file(const char *path, pid_t pid, Error *err) {
        cleanup_free char *text = xasprintf("%d", (int)pid);

        return file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, err);
}

/* A kernel that was not looked at before the start, or that could not be, may have come up with fewer than it has. */
static int compare_processors(Creation *c, Error *err) {
        cleanup_strv char **warnings = NULL;
        ShimStatus shim;
        int r;

        if (c->pod)
                return 0;
        r = shim_status_read(c->made.container->entry->dir, &shim, err);
        if (r < 0)
                return r;
        if (shim.cpus > 0 && shim.cpus < c->plan->vm.vcpus)
                strv_take(&warnings, kernel_explain_processors(c->plan, shim.cpus));
        json_clear(shim_status_fields, &shim);
        warn_late(c, warnings);
        return 0;
}

/* The guest has booted with all the CPUs the host gave it; from here on it has what the bundle says. */
static int limit_cpu(Creation *c, Error *err) {
        const OciLinux *linux_ = c->bundle.spec->linux_;
        ScopeLimits limits = { .cpu = linux_ && linux_->resources ? linux_->resources->cpu : NULL };
        cleanup_strv char **warnings = NULL;
        int r = cgroup_limit_cpu(c->cgroups, limits.cpu, &warnings, err);

        warn_late(c, warnings);
        return r < 0 || !c->scope || !limits.cpu ? r : scope_limit(c->scope->unit, &limits, err);
}

static int complete(Creation *c, Error *err) {
        const CreateOptions *options = c->request->options;
        Container *container = c->made.container;
        EventMessage done = { .event = (char[]){ EVENT_COMPLETE } };
        int r;

        r = compare_processors(c, err);
        if (r >= 0)
                r = limit_cpu(c, err);
        if (r >= 0 && c->console_socket >= 0)
                r = engine_socket_send(c->console_socket, c->made.terminal.master, c->made.terminal.name,
                                       err);
        if (r >= 0 && c->pidfd_socket >= 0)
                r = engine_socket_send(c->pidfd_socket, c->made.shim.pidfd, PIDFD_NAME_INIT, err);
        if (r < 0)
                return r;
        r = write_record(container, err);
        if (r >= 0)
                r = container_refresh(container, err);
        if (r >= 0 && options->pid_file)
                r = write_pid_file(options->pid_file, c->made.shim.pid, err);
        if (r >= 0)
                r = client_send(c->made.shim.boss, FRAME_EVENT, 0, event_message_fields, &done, err);
        return r == -ECONNRESET ? explain_end(c, err) : r;
}

/* Takes back what was made, however far it got; *err keeps saying why. */
static void undo(Creation *c) {
        cleanup_error Error failed = { 0 };
        Container *container = c->made.container;

        shim_kill(&c->made.shim);
        c->hold = scope_release(c->hold);
        if (!container)
                return;
        if ((c->hooked ? container_destroy(container, true, &failed)
                       : entry_sweep(container->entry, &failed)) < 0)
                log_warning("%s", failed.message);
}

/* From the journal on, everything can be undone; devices are the first of it that takes time. */
static int take_gpus(Creation *c, Error *err) {
        const Globals *globals = c->request->globals;

        if (c->plan->gpu.n_slots == 0)
                return 0;
        return gpu_take(&c->plan->gpu, globals->root, c->request->id, c->made.container->entry->dir, err);
}

static int make(Creation *c, Error *err) {
        int r = prepare(c, err);

        if (r < 0)
                return r;
        show_warnings(c->plan->warnings, c->request->show_warnings);
        STRV_FOR_EACH (note, c->plan->notes)
                log_debug("%s", *note);
        r = make_state(c, err);
        if (r >= 0)
                r = take_gpus(c, err);
        c->outrun = r == -EBUSY;
        if (r >= 0) {
                keep_warnings(c->plan->warnings, c->made.container->entry->dir);
                r = launch_shim(c, err);
        }
        if (r >= 0)
                r = bring_up(c, err);
        if (r >= 0)
                r = complete(c, err);
        if (r < 0)
                undo(c);
        return r;
}

/* Another create may have taken a device between our look at the host and our lease; then there may be another. */
static bool may_choose_again(const Creation *c) {
        for (size_t i = 0; c->outrun && i < c->bundle.gpu.n_wishes; i++)
                if (c->bundle.gpu.wishes[i].kind == GPU_WISH_COUNT ||
                    c->bundle.gpu.wishes[i].kind == GPU_WISH_MODEL)
                        return true;
        return false;
}

int container_create(const ContainerRequest *request, Created *ret, Error *err) {
        for (unsigned tries = 1;; tries++) {
                cleanup(creation_done) Creation c = { .request = request,
                                                      .caller = caller_look(),
                                                      .console_socket = -1,
                                                      .pidfd_socket = -1,
                                                      .made = CREATED_NONE };
                int r = make(&c, err);

                if (r < 0 && may_choose_again(&c) && tries < CHOICES_MAX) {
                        error_clear(err);
                        continue;
                }
                if (r < 0)
                        return r;
                *ret = c.made;
                c.made = (Created)CREATED_NONE;
                return 0;
        }
}
