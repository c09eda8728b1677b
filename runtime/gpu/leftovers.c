/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gpu/leftovers.h"

#include <fnmatch.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/path.h"

#define SHOWN_MAX 256U /* bytes of a path that a note shows */

#define WHY_HOOK  "it is for the host's driver and does not run; the guest has a driver of its own"
#define WHY_FILES "they are of the host's driver and left out; the guest has a driver of its own"
#define WHY_NODES "they are the host's and left out; devices that are passed have nodes of the guest's own"

/* Programs of NVIDIA's container toolkit; its installer in a container puts ".real" behind their names. */
static const char *const hook_names[] = {
        "nvidia-container-runtime-hook",
        "nvidia-container-toolkit",
        "nvidia-container-cli",
        "nvidia-cdi-hook",
        "nvidia-ctk",
};
/* So many of the first act on NVIDIA_VISIBLE_DEVICES. */
#define VISIBLE_DEVICES_HOOKS 3U

/* Of files below the folders of the system, what the driver's own are called. */
static const char *const driver_files[] = {
        "libnvidia-*.so*",
        "libcuda.so*",
        "libcudadebugger.so*",
        "libnvcuvid.so*",
        "libnvoptix.so*",
        "libGLX_nvidia.so*",
        "libEGL_nvidia.so*",
        "libGLESv1_CM_nvidia.so*",
        "libGLESv2_nvidia.so*",
        "libvdpau_nvidia.so*",
        "libglxserver_nvidia.so*",
        "nvidia_drv.so",
        "nvidia-drm_gbm.so",
        "nvidia-smi",
        "nvidia-debugdump",
        "nvidia-persistenced",
        "nvidia-modprobe",
        "nvidia-cuda-mps-*",
        "nvidia-imex*",
        "nvidia_icd*.json",
        "nvidia_layers.json",
        "10_nvidia*.json",
        "15_nvidia_gbm.json",
        "20_nvidia_*.json",
        "nvidia-drm-outputclass.conf",
        "nvidia-application-profiles-*",
        "nvoptix.bin",
        "gsp*.bin",
};

static const char *const system_folders[] = {
        "/usr/",       "/lib",        "/bin/",           "/sbin/",          "/etc/",
        "/opt/nvidia", "/run/nvidia", "/var/run/nvidia", "/var/lib/nvidia", "/home/kubernetes/bin/nvidia",
};

/* Wherever they are bound from, or mounted on. */
static const char *const driver_places[] = {
        "/proc/driver/nvidia",           "/run/nvidia-persistenced",          "/var/run/nvidia-persistenced",
        "/run/nvidia-fabricmanager",     "/var/run/nvidia-fabricmanager",     "/tmp/nvidia-mps",
        "/run/nvidia-container-devices", "/var/run/nvidia-container-devices",
};

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool is_named(const char *path, const char *name) {
        const char *rest = str_after(base_name(path), name);

        return rest && (!*rest || streq(rest, ".real"));
}

/* containerd oci-hook -- /usr/bin/nvidia-container-cli --load-kmods configure --device=0,1 ... (contrib/nvidia) */
static bool is_containerds(const char *path, char *const *args) {
        bool hook = false;

        if (!is_named(path, "containerd"))
                return false;
        STRV_FOR_EACH (arg, args) {
                hook = hook || streq(*arg, "oci-hook");
                if (hook && is_named(*arg, "nvidia-container-cli"))
                        return true;
        }
        return false;
}

const char *gpu_hook_devices(const OciHook *hook) {
        if (!is_containerds(hook->path, hook->args))
                return NULL;
        STRV_FOR_EACH (arg, hook->args)
                if (str_after(*arg, "--device="))
                        return str_after(*arg, "--device=");
        return NULL;
}

bool gpu_hook_is_nvidias(const char *path, char *const *args) {
        if (is_containerds(path, args))
                return true;
        for (size_t i = 0; i < ELEMENTS_OF(hook_names); i++)
                if (is_named(path, hook_names[i]))
                        return true;
        return false;
}

static bool acts_on_visible_devices(const OciHook *hooks, size_t n) {
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < VISIBLE_DEVICES_HOOKS; j++)
                        if (is_named(hooks[i].path, hook_names[j]))
                                return true;
        return false;
}

bool gpu_has_visible_devices_hook(const OciHooks *hooks) {
        return hooks && (acts_on_visible_devices(hooks->prestart, hooks->n_prestart) ||
                         acts_on_visible_devices(hooks->create_runtime, hooks->n_create_runtime));
}

/* ---- hooks ---- */

static char **strings_of(const Json *list) {
        char **strings = NULL;

        for (size_t i = 0; i < json_count(list); i++)
                if (json_string(json_item(list, i)))
                        strv_append(&strings, json_string(json_item(list, i)));
        return strings;
}

static Json *drop_from_list(const Json *list, const char *key, char ***notes) {
        Json *kept = json_new_array();

        for (size_t i = 0; i < json_count(list); i++) {
                const Json *hook = json_item(list, i);
                const char *path = json_string(json_get(hook, "path"));
                cleanup_strv char **args = strings_of(json_get(hook, "args"));
                cleanup_free char *shown = NULL;

                if (!path || !gpu_hook_is_nvidias(path, args)) {
                        json_append(kept, json_copy(hook));
                        continue;
                }
                shown = str_printable(path, strlen(path), SHOWN_MAX);
                strv_printf(notes, "hooks.%s: %s: " WHY_HOOK, key, shown);
        }
        return kept;
}

static bool drop_hooks(Json *tree, char ***notes) {
        const Json *hooks = json_get(tree, "hooks");
        Json *result;
        bool changed = false;

        if (json_type(hooks) != JSON_OBJECT)
                return false;
        result = json_copy(hooks);
        for (size_t i = 0; i < json_count(hooks); i++) {
                const char *key = json_key(hooks, i);
                Json *kept;

                if (json_type(json_item(hooks, i)) != JSON_ARRAY)
                        continue;
                kept = drop_from_list(json_item(hooks, i), key, notes);
                changed = changed || json_count(kept) < json_count(json_item(hooks, i));
                json_set(result, key, kept);
        }
        json_set(tree, "hooks", result);
        return changed;
}

/* ---- mounts ---- */

static bool is_in(const char *path, const char *folder) {
        const char *rest = str_after(path, folder);

        return rest && (!*rest || *rest == '/');
}

static bool is_driver_place(const char *path) {
        for (size_t i = 0; i < ELEMENTS_OF(driver_places); i++)
                if (is_in(path, driver_places[i]))
                        return true;
        return gpu_node_is_of_gpu(path);
}

static bool is_driver_file(const char *source, const char *destination) {
        const char *name = base_name(source);
        bool of_system = false;

        for (size_t i = 0; i < ELEMENTS_OF(system_folders); i++)
                of_system = of_system || str_after(source, system_folders[i]);
        if (!of_system || !streq(name, base_name(destination)))
                return false;
        for (size_t i = 0; i < ELEMENTS_OF(driver_files); i++)
                if (fnmatch(driver_files[i], name, 0) == 0)
                        return true;
        return false;
}

static bool is_of_driver(const Json *mount) {
        const char *source = json_string(json_get(mount, "source"));
        const char *destination = json_string(json_get(mount, "destination"));
        cleanup_free char *to = destination && *destination == '/' ? path_normalize(destination) : NULL;
        cleanup_free char *from = source && *source == '/' ? path_normalize(source) : NULL;

        if (!to)
                return false;
        return is_driver_place(to) || (from && (is_driver_place(from) || is_driver_file(from, to)));
}

/* Items of the array OWNER.KEY that are UNWANTED go; one note says how many there were, and shows the first. */
static bool drop_items(Json *owner, const char *key, const char *place, const char *name,
                       bool (*unwanted)(const Json *item), const char *why, char ***notes) {
        const Json *list = json_get(owner, key);
        Json *kept;
        size_t n = 0;

        if (json_type(list) != JSON_ARRAY)
                return false;
        kept = json_new_array();
        for (size_t i = 0; i < json_count(list); i++) {
                const Json *item = json_item(list, i);
                const char *path = json_string(json_get(item, name));

                if (!unwanted(item)) {
                        json_append(kept, json_copy(item));
                        continue;
                }
                if (n++ == 0) {
                        cleanup_free char *shown =
                                str_printable(path ? path : "", strlen(path ? path : ""), SHOWN_MAX);

                        strv_printf(notes, "%s: %s", place, shown);
                }
        }
        if (n > 0) {
                char **last = &(*notes)[strv_length(*notes) - 1];
                char *whole = n > 1 ? xasprintf("%s and %zu more: %s", *last, n - 1, why)
                                    : xasprintf("%s: %s", *last, why);

                free(*last);
                *last = whole;
        }
        json_set(owner, key, kept);
        return n > 0;
}

/* ---- devices ---- */

bool gpu_node_is_of_gpu(const char *path) {
        return str_after(path, "/dev/nvidia") || is_in(path, "/dev/dri") || is_in(path, "/dev/vfio") ||
               streq(path, "/dev/kfd") || streq(path, "/dev/iommu");
}

static bool is_gpu_device(const Json *device) {
        const char *path = json_string(json_get(device, "path"));

        return path && gpu_node_is_of_gpu(path);
}

static bool drop_devices(Json *tree, char ***notes) {
        const Json *of_tree = json_get(tree, "linux");
        Json *linux_;
        bool changed;

        if (json_type(of_tree) != JSON_OBJECT)
                return false;
        linux_ = json_copy(of_tree);
        changed = drop_items(linux_, "devices", "linux.devices", "path", is_gpu_device, WHY_NODES, notes);
        json_set(tree, "linux", linux_);
        return changed;
}

bool gpu_leftovers_drop(Json *tree, bool passed, char ***notes) {
        bool changed = drop_hooks(tree, notes);

        if (!passed)
                return changed;
        changed = drop_items(tree, "mounts", "mounts", "destination", is_of_driver, WHY_FILES, notes) ||
                  changed;
        return drop_devices(tree, notes) || changed;
}

void gpu_leftovers_describe(StrBuf *out, const char *verdict) {
        strbuf_puts(out, "| hooks called");
        for (size_t i = 0; i < ELEMENTS_OF(hook_names); i++)
                strbuf_printf(out, "%s `%s`", i > 0 ? "," : "", hook_names[i]);
        strbuf_printf(out, ", `containerd oci-hook ... nvidia-container-cli` | %s | " WHY_HOOK " |\n",
                      verdict);
        strbuf_printf(out,
                      "| with a GPU: mounts of files of NVIDIA's driver (`libcuda.so*`, `nvidia-smi`, "
                      "`/proc/driver/nvidia`, ...) | %s | " WHY_FILES " |\n",
                      verdict);
        strbuf_printf(
                out,
                "| with a GPU: `linux.devices` `/dev/nvidia*`, `/dev/dri/*`, `/dev/kfd`, `/dev/vfio/*`, "
                "`/dev/iommu` | %s | " WHY_NODES " |\n",
                verdict);
}
