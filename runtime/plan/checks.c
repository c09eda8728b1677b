/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one table of what a virtual machine cannot honour (for mounts see the tables of mounts.c). Each entry has a
 * function that looks for its case in the bundle and reports every place it finds; verdict and reason are the
 * table's, so that a setting is treated and explained the same way everywhere, docs/spec-support.md included.
 */
#include "runtime/plan/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/names.h"
#include "runtime/plan/devices.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/words.h"

#define SHOWN_MAX 128U /* bytes of a value that a message shows */

typedef struct Check Check;

/* Where a function reports to. */
typedef struct Report {
        Planner *p;
        const Check *check;
        Error *err;
        int result;
} Report;

struct Check {
        const char *key; /* as the specification names it */
        Verdict verdict;
        void (*find)(const OciSpec *spec, Report *r);
        const char *why; /* and what to do */
};

static const char *const verdict_names[_VERDICT_MAX] = {
        [VERDICT_NOTE] = "noted",
        [VERDICT_WARN] = "warned about",
        [VERDICT_REFUSE] = "refused",
};

const char *verdict_name(Verdict v) {
        return verdict_names[v];
}

/* "<where>: <why>" into warnings, notes or, if it is the first, the error. */
static void found(Report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void found(Report *r, const char *format, ...) {
        cleanup_free char *where = NULL;
        va_list ap;

        va_start(ap, format);
        where = xvasprintf(format, ap);
        va_end(ap);
        if (r->check->verdict == VERDICT_WARN)
                planner_warn(r->p, "%s: %s", where, r->check->why);
        else if (r->check->verdict == VERDICT_NOTE)
                planner_note(r->p, "%s: %s", where, r->check->why);
        else if (r->result >= 0)
                r->result = error_set(r->err, ENOTSUP, "%s: %s", where, r->check->why);
}

static char *shown(const char *text) {
        return str_printable(text, strlen(text), SHOWN_MAX);
}

/* ---- process ---- */

/* Profiles and labels that engines give to every container, unasked. */
static bool is_default_profile(const char *name) {
        return str_after(name, "docker-default") || str_after(name, "containers-default") ||
               str_after(name, "cri-containerd") || str_after(name, "crio-default") ||
               streq(name, "unconfined");
}

static bool is_default_label(const char *label) {
        return strstr(label, ":container_t:") || strstr(label, ":container_kvm_t:") ||
               strstr(label, ":spc_t:") || strstr(label, ":container_file_t:") ||
               strstr(label, ":container_init_t:");
}

static void find_apparmor(const OciSpec *spec, Report *r, bool usual) {
        const char *profile = spec->process->apparmor_profile;
        cleanup_free char *text = NULL;

        if (!profile || !*profile || is_default_profile(profile) != usual)
                return;
        text = shown(profile);
        found(r, "process.apparmorProfile: \"%s\"", text);
}

static void find_usual_apparmor(const OciSpec *spec, Report *r) {
        find_apparmor(spec, r, true);
}

static void find_special_apparmor(const OciSpec *spec, Report *r) {
        find_apparmor(spec, r, false);
}

static void find_label(const char *key, const char *label, Report *r, bool usual) {
        cleanup_free char *text = NULL;

        if (!label || !*label || is_default_label(label) != usual)
                return;
        text = shown(label);
        found(r, "%s: \"%s\"", key, text);
}

static void find_usual_labels(const OciSpec *spec, Report *r) {
        find_label("process.selinuxLabel", spec->process->selinux_label, r, true);
        find_label("linux.mountLabel", spec->linux_ ? spec->linux_->mount_label : NULL, r, true);
}

static void find_special_labels(const OciSpec *spec, Report *r) {
        find_label("process.selinuxLabel", spec->process->selinux_label, r, false);
        find_label("linux.mountLabel", spec->linux_ ? spec->linux_->mount_label : NULL, r, false);
}

/* Keys that other systems than Linux have. */
static void find_other_process(const OciSpec *spec, Report *r) {
        const Json *process = json_get(r->p->tree, "process");

        (void)spec;
        if (json_get(process, "commandLine"))
                found(r, "process.commandLine");
        if (json_get(json_get(process, "user"), "username"))
                found(r, "process.user.username");
}

static void find_other_systems(const OciSpec *spec, Report *r) {
        static const char *const systems[] = { "windows", "solaris", "zos" };

        (void)spec;
        for (size_t i = 0; i < ELEMENTS_OF(systems); i++)
                if (json_count(json_get(r->p->tree, systems[i])) > 0)
                        found(r, "%s", systems[i]);
}

static void find_mount_labels(const OciSpec *spec, Report *r, bool usual) {
        for (size_t i = 0; i < spec->n_mounts; i++)
                STRV_FOR_EACH (option, spec->mounts[i].options) {
                        cleanup_free char *destination = NULL, *text = NULL;

                        if (!is_label_option(*option) || is_default_label(*option) != usual)
                                continue;
                        destination = shown(spec->mounts[i].destination);
                        text = shown(*option);
                        found(r, "mounts[%zu] (%s): %s", i, destination, text);
                }
}

static void find_usual_mount_labels(const OciSpec *spec, Report *r) {
        find_mount_labels(spec, r, true);
}

static void find_special_mount_labels(const OciSpec *spec, Report *r) {
        find_mount_labels(spec, r, false);
}

static void find_affinity(const OciSpec *spec, Report *r) {
        if (spec->process->exec_cpu_affinity)
                found(r, "process.execCPUAffinity");
}

/* ---- namespaces ---- */

/* The shim of a machine of its own can be in them, in the place of the guest's own: nothing of them reaches a guest but the host name. */
static bool can_be_joined(const char *type, const PlanRequest *request) {
        return streq(type, "network") || (!request->pod && word_in("ipc uts", type));
}

static void find_namespace_paths(const OciSpec *spec, Report *r) {
        for (size_t i = 0; spec->linux_ && i < spec->linux_->n_namespaces; i++) {
                const OciNamespace *n = &spec->linux_->namespaces[i];
                cleanup_free char *path = NULL;

                if (!n->path || !*n->path || can_be_joined(n->type, r->p->request) ||
                    strv_contains(r->p->request->pod_namespaces, n->type))
                        continue;
                path = shown(n->path);
                found(r, "linux.namespaces: %s: joining %s", n->type, path);
        }
}

/* Bundles of test suites ask for no network and are content without one. Those of an engine have its name server
 * bound in, and mean the host's network. */
static bool from_engine(const OciSpec *spec) {
        for (size_t i = 0; i < spec->n_mounts; i++)
                if (streq(spec->mounts[i].destination, "/etc/resolv.conf"))
                        return true;
        return false;
}

static void find_host_network(const OciSpec *spec, Report *r) {
        if (!oci_namespace(spec->linux_, "network") && from_engine(spec))
                found(r, "linux.namespaces: no network namespace is asked for");
}

static void find_no_network(const OciSpec *spec, Report *r) {
        if (!oci_namespace(spec->linux_, "network"))
                found(r, "linux.namespaces: no network namespace is asked for");
}

static void find_shared_namespaces(const OciSpec *spec, Report *r) {
        static const char *const types[] = { "pid", "ipc", "uts" };

        for (size_t i = 0; i < ELEMENTS_OF(types); i++)
                if (!oci_namespace(spec->linux_, types[i]))
                        found(r, "linux.namespaces: no %s namespace is asked for", types[i]);
}

static void find_shared_cgroups(const OciSpec *spec, Report *r) {
        if (!oci_namespace(spec->linux_, "cgroup"))
                found(r, "linux.namespaces: no cgroup namespace is asked for");
}

/* ---- devices ---- */

static void describe_device(const OciDevice *d, StrBuf *out) {
        cleanup_free char *path = shown(d->path);

        strbuf_printf(out, "%s (%s %" PRId64 ":%" PRId64 ")", path,
                      streq(d->type, "b") ? "block" : "character", d->major, d->minor);
}

static bool is_own_id(const OciIdMapping *mappings, size_t n, uint32_t own) {
        return n == 0 || (n == 1 && mappings->host_id == own && mappings->size == 1);
}

static void find_foreign_ids(const OciSpec *spec, Report *r) {
        const HostFacts *facts = r->p->facts;
        const OciLinux *linux_ = spec->linux_;

        if (!linux_ || facts->own_uid == 0)
                return;
        if (!is_own_id(linux_->uid_mappings, linux_->n_uid_mappings, facts->own_uid))
                found(r, "linux.uidMappings");
        if (!is_own_id(linux_->gid_mappings, linux_->n_gid_mappings, facts->own_gid))
                found(r, "linux.gidMappings");
}

static bool is_nvidias(const OciDevice *d) {
        return str_after(d->path, "/dev/nvidia");
}

static void find_listed(const OciSpec *spec, Report *r, bool nvidias) {
        const OciLinux *l = spec->linux_;

        if (!l || oci_allows_all_devices(l->resources))
                return;
        for (size_t i = 0; i < l->n_devices; i++) {
                StrBuf where = { 0 };
                cleanup_free char *text = NULL;

                if (device_is_standard(&l->devices[i]) || device_is_disk(&l->devices[i]) ||
                    is_nvidias(&l->devices[i]) != nvidias)
                        continue;
                describe_device(&l->devices[i], &where);
                text = strbuf_take(&where);
                found(r, "linux.devices: %s", text);
        }
}

static void find_nvidia_devices(const OciSpec *spec, Report *r) {
        find_listed(spec, r, true);
}

static void find_amd_devices(const OciSpec *spec, Report *r) {
        const char *value = oci_process_variable(spec->process, "AMD_VISIBLE_DEVICES=");
        cleanup_free char *text = NULL;

        if (!value || !*value || streq(value, "none") || streq(value, "void") ||
            (r->p->request->gpu && r->p->request->gpu->n_wishes > 0))
                return;
        text = shown(value);
        found(r, "process.env: AMD_VISIBLE_DEVICES=%s", text);
}

static void find_devices(const OciSpec *spec, Report *r) {
        find_listed(spec, r, false);
}

static void find_privileged_devices(const OciSpec *spec, Report *r) {
        const OciLinux *l = spec->linux_;
        size_t n = 0;

        if (!l || !oci_allows_all_devices(l->resources))
                return;
        for (size_t i = 0; i < l->n_devices; i++)
                n += !device_is_standard(&l->devices[i]);
        if (n > 0)
                found(r, "linux.devices: %zu of %zu devices are left out", n, l->n_devices);
}

/* ---- resources ---- */

static const OciResources *resources_of(const OciSpec *spec) {
        return spec->linux_ ? spec->linux_->resources : NULL;
}

static void find_old_memory(const OciSpec *spec, Report *r) {
        const OciMemory *m = resources_of(spec) ? resources_of(spec)->memory : NULL;

        if (!m)
                return;
        if (m->kernel.set && m->kernel.value > 0)
                found(r, "linux.resources.memory.kernel");
        if (m->kernel_tcp.set && m->kernel_tcp.value > 0)
                found(r, "linux.resources.memory.kernelTCP");
        if (m->swappiness.set)
                found(r, "linux.resources.memory.swappiness");
        if (m->disable_oom_killer.value)
                found(r, "linux.resources.memory.disableOOMKiller");
}

static void find_realtime(const OciSpec *spec, Report *r) {
        const OciCpu *cpu = resources_of(spec) ? resources_of(spec)->cpu : NULL;

        if (cpu && cpu->realtime_runtime.value > 0)
                found(r, "linux.resources.cpu.realtimeRuntime");
        if (cpu && cpu->realtime_period.value > 0)
                found(r, "linux.resources.cpu.realtimePeriod");
}

static void find_old_network(const OciSpec *spec, Report *r) {
        if (resources_of(spec) && json_count(resources_of(spec)->network) > 0)
                found(r, "linux.resources.network");
}

static void find_unified(const OciSpec *spec, Report *r, const char *controller) {
        const OciResources *resources = resources_of(spec);

        for (size_t i = 0; resources && i < resources->unified.count; i++)
                if (str_after(resources->unified.keys[i], controller)) {
                        cleanup_free char *key = shown(resources->unified.keys[i]);

                        found(r, "linux.resources.unified: %s", key);
                }
}

static void find_block_io(const OciSpec *spec, Report *r) {
        const OciBlockIo *b = resources_of(spec) ? resources_of(spec)->block_io : NULL;

        if (b && (b->weight.value > 0 || b->leaf_weight.value > 0 || b->n_weight_device > 0 ||
                  b->n_throttle_read_bps > 0 || b->n_throttle_write_bps > 0 || b->n_throttle_read_iops > 0 ||
                  b->n_throttle_write_iops > 0))
                found(r, "linux.resources.blockIO");
        find_unified(spec, r, "io.");
}

static void find_unified_cpuset(const OciSpec *spec, Report *r) {
        find_unified(spec, r, "cpuset.");
}

static void find_rdma(const OciSpec *spec, Report *r) {
        if (resources_of(spec) && json_count(resources_of(spec)->rdma) > 0)
                found(r, "linux.resources.rdma");
        find_unified(spec, r, "rdma.");
}

/* ---- the rest ---- */

static void find_intel_rdt(const OciSpec *spec, Report *r) {
        if (spec->linux_ && json_count(spec->linux_->intel_rdt) > 0)
                found(r, "linux.intelRdt");
}

static void find_seccomp_notify(const OciSpec *spec, Report *r) {
        const OciSeccomp *s = spec->linux_ ? spec->linux_->seccomp : NULL;

        if (!s)
                return;
        if (s->listener_path && *s->listener_path)
                found(r, "linux.seccomp.listenerPath");
        if (streq(s->default_action, "SCMP_ACT_NOTIFY"))
                found(r, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY");
        for (size_t i = 0; i < s->n_syscalls; i++)
                if (streq(s->syscalls[i].action, "SCMP_ACT_NOTIFY"))
                        found(r, "linux.seccomp.syscalls[%zu].action: SCMP_ACT_NOTIFY", i);
}

static bool is_shared(const char *propagation) {
        return word_in("shared rshared", propagation);
}

static void find_propagation(const OciSpec *spec, Report *r) {
        if (spec->linux_ && spec->linux_->rootfs_propagation && is_shared(spec->linux_->rootfs_propagation))
                found(r, "linux.rootfsPropagation: %s", spec->linux_->rootfs_propagation);
        for (size_t i = 0; i < spec->n_mounts; i++) {
                cleanup_free char *destination = shown(spec->mounts[i].destination);

                STRV_FOR_EACH (option, spec->mounts[i].options)
                        if (is_shared(*option))
                                found(r, "mounts[%zu] (%s): %s", i, destination, *option);
        }
}

static void find_container_hooks(const OciSpec *spec, Report *r) {
        if (spec->hooks && spec->hooks->n_create_container > 0)
                found(r, "hooks.createContainer");
}

/* A name that is ours and means nothing is a slip of the pen. */
static void find_unknown_annotations(const OciSpec *spec, Report *r) {
        for (size_t i = 0; i < spec->annotations.count; i++) {
                const char *key = str_after(spec->annotations.keys[i], ANNOTATION_PREFIX);
                const char *nearest = key ? runtime_config_nearest_key(key) : NULL;
                cleanup_free char *text = key ? shown(key) : NULL;

                if (key && !streq(key, "gpu") && !runtime_config_field(key))
                        found(r, "annotation " ANNOTATION_PREFIX "%s%s%s%s", text,
                              nearest ? " (" ANNOTATION_PREFIX : "", nearest ? nearest : "",
                              nearest ? "?)" : "");
        }
}

static void find_capabilities(const OciSpec *spec, Report *r) {
        const OciCapabilities *c = spec->process->capabilities;
        char *const *const sets[] = { c ? c->bounding : NULL, c ? c->effective : NULL,
                                      c ? c->inheritable : NULL, c ? c->permitted : NULL,
                                      c ? c->ambient : NULL };
        cleanup_strv char **seen = NULL;

        for (size_t i = 0; i < ELEMENTS_OF(sets); i++)
                STRV_FOR_EACH (name, sets[i]) {
                        cleanup_free char *text = shown(*name);

                        if (oci_is_capability(*name) || strv_contains(seen, *name))
                                continue;
                        strv_append(&seen, *name);
                        found(r, "process.capabilities: %s", text);
                }
}

static void find_vm(const OciSpec *spec, Report *r) {
        (void)spec;
        if (json_count(json_get(r->p->tree, "vm")) > 0)
                found(r, "vm");
}

static const Check checks[] = {
        { "linux.namespaces[].path", VERDICT_REFUSE, find_namespace_paths,
          "a namespace of the host cannot be entered from inside a virtual machine; network, ipc and uts can "
          "be joined where no process lives, and with the network of another container its ipc, uts and "
          "pid" },
        { "linux.namespaces without network, from an engine", VERDICT_REFUSE, find_host_network,
          "the host's network cannot be used from inside a virtual machine; choose a bridge network, or "
          "none" },
        { "linux.namespaces without network", VERDICT_WARN, find_no_network,
          "the host's network cannot be used from inside a virtual machine; the container has a network of "
          "its own" },
        { "linux.namespaces without pid, ipc, uts", VERDICT_WARN, find_shared_namespaces,
          "that of the host cannot be used from inside a virtual machine; the container shares that of its "
          "guest" },
        { "linux.namespaces without cgroup", VERDICT_NOTE, find_shared_cgroups,
          "the container sees the cgroups of its guest, not those of the host" },
        { "linux.uidMappings, gidMappings of ids that are not the user's", VERDICT_REFUSE, find_foreign_ids,
          "who is not root has one id for the container, the own one; map that, with size 1" },
        { "linux.devices of NVIDIA's driver, without a GPU that is asked for", VERDICT_REFUSE,
          find_nvidia_devices,
          "the host's driver cannot be used from inside a virtual machine; ask for the GPU itself: "
          "annotation "
          "io.carrel.gpu, or a device of carrel cdi generate" },
        { "linux.devices", VERDICT_REFUSE, find_devices,
          "a device of the host does not exist inside a virtual machine; leave it out" },
        { "linux.devices of a privileged container", VERDICT_WARN, find_privileged_devices,
          "devices of the host do not exist inside a virtual machine" },
        { "linux.resources.cpu.realtimeRuntime, realtimePeriod", VERDICT_REFUSE, find_realtime,
          "a guest's processors have no realtime guarantee; leave it out" },
        { "linux.resources.memory.kernel, kernelTCP, swappiness, disableOOMKiller", VERDICT_WARN,
          find_old_memory, "the guest has cgroups version 2 only, which lack it" },
        { "linux.resources.network", VERDICT_WARN, find_old_network,
          "the guest has cgroups version 2 only, which lack it" },
        { "linux.resources.blockIO, unified io.*", VERDICT_WARN, find_block_io,
          "block devices of the host do not exist inside a virtual machine" },
        { "linux.resources.unified cpuset.*", VERDICT_WARN, find_unified_cpuset,
          "CPUs and memory nodes of the host have other numbers inside a virtual machine; use "
          "linux.resources.cpu" },
        { "linux.resources.rdma, unified rdma.*", VERDICT_WARN, find_rdma,
          "RDMA devices of the host do not exist inside a virtual machine" },
        { "linux.intelRdt", VERDICT_WARN, find_intel_rdt,
          "cache and memory bandwidth of the host cannot be assigned from here" },
        { "linux.seccomp with SCMP_ACT_NOTIFY or listenerPath", VERDICT_REFUSE, find_seccomp_notify,
          "a program of the host cannot be asked about system calls inside a virtual machine; use another "
          "action" },
        { "linux.rootfsPropagation, mounts[].options shared, rshared", VERDICT_WARN, find_propagation,
          "mounts made inside the virtual machine do not reach the host" },
        { "process.capabilities of other names than the kernel's", VERDICT_WARN, find_capabilities,
          "there is no such capability" },
        { "process.execCPUAffinity", VERDICT_WARN, find_affinity,
          "CPUs of the host have other numbers inside a virtual machine" },
        { "process.env AMD_VISIBLE_DEVICES, without a GPU that is asked for", VERDICT_WARN, find_amd_devices,
          "GPUs are not chosen by it, and the container has none; ask by annotation io.carrel.gpu, or a "
          "device of carrel cdi generate" },
        { "process.apparmorProfile", VERDICT_WARN, find_special_apparmor,
          "the guest has no AppArmor; the virtual machine confines the container" },
        { "process.apparmorProfile, one that engines set by themselves", VERDICT_NOTE, find_usual_apparmor,
          "the guest has no AppArmor; the virtual machine confines the container" },
        { "process.selinuxLabel, linux.mountLabel", VERDICT_WARN, find_special_labels,
          "the guest has no SELinux; the virtual machine confines the container" },
        { "process.selinuxLabel, linux.mountLabel, ones that engines set by themselves", VERDICT_NOTE,
          find_usual_labels, "the guest has no SELinux; the virtual machine confines the container" },
        { "mounts[].options context=, fscontext=, defcontext=, rootcontext=", VERDICT_WARN,
          find_special_mount_labels, "the guest has no SELinux; the virtual machine confines the container" },
        { "mounts[].options context= and the like, ones that engines set by themselves", VERDICT_NOTE,
          find_usual_mount_labels, "the guest has no SELinux; the virtual machine confines the container" },
        { "process.commandLine, process.user.username", VERDICT_WARN, find_other_process,
          "it is for Windows; process.args and process.user.uid count" },
        { "windows, solaris, zos", VERDICT_WARN, find_other_systems,
          "the guest runs Linux; what is for other systems has no effect" },
        { "hooks.createContainer", VERDICT_NOTE, find_container_hooks,
          "it runs on the host, in the namespaces around the virtual machine" },
        { "annotations io.carrel.* of other names", VERDICT_WARN, find_unknown_annotations,
          "there is no such setting" },
        { "vm", VERDICT_WARN, find_vm,
          "machine, kernel and image are carrel's to choose; see carrel-config(5)" },
};

/* Those whose key begins with PREFIX. */
static int run_checks(Planner *p, const char *prefix, Error *err) {
        for (size_t i = 0; i < ELEMENTS_OF(checks); i++) {
                Report report = { .p = p, .check = &checks[i], .err = err };

                if (!str_after(checks[i].key, prefix))
                        continue;
                checks[i].find(p->spec, &report);
                if (report.result < 0)
                        return report.result;
        }
        return 0;
}

int planner_check(Planner *p, Error *err) {
        const GpuRequest *gpu = p->request->gpu;

        STRV_FOR_EACH (warning, gpu ? gpu->warnings : NULL)
                planner_warn(p, "%s", *warning);
        STRV_FOR_EACH (note, gpu ? gpu->notes : NULL)
                planner_note(p, "%s", *note);
        return run_checks(p, "", err);
}

int planner_check_process(Planner *p, Error *err) {
        return run_checks(p, "process.", err);
}

int planner_check_resources(Planner *p, Error *err) {
        return run_checks(p, "linux.resources.", err);
}

void checks_describe(StrBuf *out) {
        for (size_t i = 0; i < ELEMENTS_OF(checks); i++)
                strbuf_printf(out, "| `%s` | %s | %s |\n", checks[i].key, verdict_name(checks[i].verdict),
                              checks[i].why);
}
