/* SPDX-License-Identifier: Apache-2.0 */

/* The bundle's config.json as the agent gets it: a copy in which everything that means the host is replaced or left
 * out, and everything else, known or not, is as it was. */

#include "common/base/mem.h"
#include "common/protocol/message.h"
#include "runtime/plan/devices.h"
#include "runtime/plan/planner.h"

/* A copy of the object OWNER.KEY, to be changed and put back; NULL if there is none. */
static Json *copy_of(const Json *owner, const char *key) {
        const Json *v = json_get(owner, key);

        return json_type(v) == JSON_OBJECT ? json_copy(v) : NULL;
}

/* Removes what is in the list; OWNER may be NULL. */
static void drop(Json *owner, const char *const *keys) {
        for (; owner && *keys; keys++)
                json_set(owner, *keys, NULL);
}

static void rewrite_root(Json *guest, const char *folder) {
        cleanup_free char *path = xasprintf(GUEST_SHARE_ROOTFS, folder);
        Json *root = copy_of(guest, "root");

        json_set(root, "path", json_new_string(path));
        json_set(guest, "root", root);
}

Json *planner_guest_process(const Json *process) {
        static const char *const host_only[] = { "apparmorProfile", "selinuxLabel", "execCPUAffinity", NULL };
        Json *result = json_copy(process);

        drop(result, host_only);
        return result;
}

static void rewrite_hooks(Json *guest) {
        const Json *inside = json_get(json_get(guest, "hooks"), "startContainer");
        Json *hooks = NULL;

        if (json_count(inside) > 0) {
                hooks = json_new_object();
                json_set(hooks, "startContainer", json_copy(inside));
        }
        json_set(guest, "hooks", hooks);
}

/* Paths of namespaces are the host's: the shim joins the network's, and those of a pod are known to the guest. */
static Json *rewrite_namespaces(const Json *namespaces, const PlanRequest *request) {
        Json *result = json_new_array();

        for (size_t i = 0; i < json_count(namespaces); i++) {
                Json *namespace = json_copy(json_item(namespaces, i));
                const char *type = json_string(json_get(namespace, "type"));
                cleanup_free char *of_member = request->pod_pid && streq(type, "pid")
                                                       ? xasprintf(NAMESPACE_OF_MEMBER, request->pod_pid)
                                                       : NULL;
                const char *path = of_member ? of_member : NAMESPACE_OF_POD;

                json_set(namespace, "path",
                         strv_contains(request->pod_namespaces, type) ? json_new_string(path) : NULL);
                json_append(result, namespace);
        }
        return result;
}

static Json *rewrite_devices(const Json *devices, const OciLinux *linux_) {
        bool disks = !oci_allows_all_devices(linux_->resources);
        Json *result = json_new_array();

        for (size_t i = 0; i < json_count(devices); i++)
                if (device_is_standard(&linux_->devices[i]) || (disks && device_is_disk(&linux_->devices[i])))
                        json_append(result, json_copy(json_item(devices, i)));
        return result;
}

/* CPU and device numbers are the host's, and so are the limits that only version 1 of cgroups has. */
Json *planner_guest_resources(const Json *resources) {
        static const char *const host_only[] = { "blockIO", "network", "rdma", NULL };
        static const char *const host_only_memory[] = { "kernel", "kernelTCP", "swappiness", "useHierarchy",
                                                        NULL };
        static const char *const host_only_cpu[] = { "cpus", "mems", "realtimeRuntime", "realtimePeriod",
                                                     NULL };
        Json *result = json_copy(resources);
        Json *memory = copy_of(result, "memory");
        Json *cpu = copy_of(result, "cpu");
        Json *unified = copy_of(result, "unified");

        drop(result, host_only);
        drop(memory, host_only_memory);
        drop(cpu, host_only_cpu);
        for (size_t i = 0; i < json_count(json_get(resources, "unified")); i++) {
                const char *key = json_key(json_get(resources, "unified"), i);

                if (str_after(key, "cpuset.") || str_after(key, "io.") || str_after(key, "rdma."))
                        json_set(unified, key, NULL);
        }
        json_set(result, "memory", memory);
        json_set(result, "cpu", cpu);
        json_set(result, "unified", unified);
        return result;
}

/* The one id that a user has is 0 where the container is made; that it is the user's was checked. */
static void rewrite_mappings(Json *linux_, const char *key) {
        Json *result = json_new_array();
        const Json *mappings = json_get(linux_, key);

        for (size_t i = 0; i < json_count(mappings); i++) {
                Json *mapping = json_copy(json_item(mappings, i));

                json_set(mapping, "hostID", json_new_uint64(0));
                json_append(result, mapping);
        }
        json_set(linux_, key, result);
}

static void rewrite_linux(const Planner *p, Json *guest) {
        static const char *const host_only[] = { "cgroupsPath", "intelRdt", "mountLabel", NULL };
        const OciLinux *spec = p->spec->linux_;
        Json *linux_ = copy_of(guest, "linux");

        if (!linux_)
                return;
        drop(linux_, host_only);
        if (spec->n_namespaces > 0)
                json_set(linux_, "namespaces",
                         rewrite_namespaces(json_get(linux_, "namespaces"), p->request));
        if (spec->n_devices > 0)
                json_set(linux_, "devices", rewrite_devices(json_get(linux_, "devices"), spec));
        if (spec->resources)
                json_set(linux_, "resources", planner_guest_resources(json_get(linux_, "resources")));
        if (p->facts->own_uid != 0 && spec->n_uid_mappings > 0)
                rewrite_mappings(linux_, "uidMappings");
        if (p->facts->own_uid != 0 && spec->n_gid_mappings > 0)
                rewrite_mappings(linux_, "gidMappings");
        json_set(guest, "linux", linux_);
}

Json *planner_guest(const Planner *p, Json *mounts) {
        Json *guest = json_copy(p->tree);

        rewrite_root(guest, p->folder);
        json_set(guest, "process", planner_guest_process(json_get(guest, "process")));
        rewrite_hooks(guest);
        rewrite_linux(p, guest);
        json_set(guest, "mounts", mounts);
        json_set(guest, "vm", NULL);
        return guest;
}
