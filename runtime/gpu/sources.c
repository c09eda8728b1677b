/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gpu/sources.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/leftovers.h"
#include "runtime/gpu/vfio-node.h"

#define VISIBLE_DEVICES "NVIDIA_VISIBLE_DEVICES"
#define ENVIRONMENT     "process.env: " VISIBLE_DEVICES
#define INDEX_MAX       4095U
#define SHOWN_MAX       64U /* bytes of a value that a message shows */

/* ---- NVIDIA_VISIBLE_DEVICES ---- */

static int parse_visible_item(const char *item, const char *source, GpuRequest *request, Error *err) {
        cleanup_free char *shown = str_printable(item, strlen(item), SHOWN_MAX);
        GpuWish wish = { .kind = GPU_WISH_INDEX };
        uint64_t index;

        if (str_after(item, "MIG-"))
                return error_set(
                        err, EINVAL,
                        "%s: %s is a part of a GPU, made by the host's driver (MIG); ask for the whole GPU "
                        "by its index or PCI address",
                        source, shown);
        if (str_after(item, "GPU-"))
                return error_set(
                        err, EINVAL,
                        "%s: %s is a UUID, which only the host's driver knows; ask by index or PCI address "
                        "(carrel gpu list)",
                        source, shown);
        if (pci_address_parse(item, &wish.address))
                wish.kind = GPU_WISH_ADDRESS;
        else if (str_to_u64(item, 10, INDEX_MAX, &index))
                wish.number = (uint32_t)index;
        else
                return error_set(err, EINVAL,
                                 "%s: expected \"all\", \"none\", indices of GPUs (0,2) or PCI addresses "
                                 "(0000:65:00.0), found \"%s\"",
                                 source, shown);
        return gpu_request_add(request, &wish, source, err);
}

int gpu_request_parse_visible(const char *text, const char *source, GpuRequest *request, Error *err) {
        const GpuWish all = { .kind = GPU_WISH_ALL, .vendor = PCI_VENDOR_NVIDIA };
        cleanup_strv char **items = NULL;

        if (strlen(text) > GPU_REQUEST_MAX)
                return error_set(err, E2BIG, "%s: longer than %u bytes", source, GPU_REQUEST_MAX);
        if (streq(text, "none") || streq(text, "void"))
                return 0;
        if (streq(text, "all"))
                return gpu_request_add(request, &all, source, err);
        items = strv_split(text, ", ");
        STRV_FOR_EACH (item, items) {
                int r = parse_visible_item(*item, source, request, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static const char *visible_devices(const OciSpec *spec, bool from_environment) {
        if (!from_environment && !gpu_has_visible_devices_hook(spec->hooks))
                return NULL;
        return oci_process_variable(spec->process, VISIBLE_DEVICES "=");
}

/* ---- the other places ---- */

/* A privileged container lists what the host happens to have. */
static bool lists_devices(const OciSpec *spec) {
        return spec->linux_ && !oci_allows_all_devices(spec->linux_->resources);
}

static int from_annotation(const GpuSources *from, GpuRequest *request, Error *err) {
        const char *text = str_map_get(&from->spec->annotations, GPU_ANNOTATION);

        return text ? gpu_request_parse(text, GPU_BY_ANNOTATION, request, err) : 0;
}

static int from_devices(const GpuSources *from, GpuRequest *request, Error *err) {
        const OciSpec *spec = from->spec;

        for (size_t i = 0; lists_devices(spec) && i < spec->linux_->n_devices; i++) {
                const OciDevice *d = &spec->linux_->devices[i];
                uint32_t group;
                int r = vfio_node_request(d->path, "linux.devices", from->facts, request, err);

                if (r >= 0 && vfio_node_parse(d->path, &group) == VFIO_NODE_GROUP && spec->process)
                        r = cdi_check_environment(spec->process->env, group, from->facts, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int from_cdi_annotation(const GpuSources *from, size_t i, GpuRequest *request, Error *err) {
        const StrMap *annotations = &from->spec->annotations;
        cleanup_free char *key = str_printable(annotations->keys[i], strlen(annotations->keys[i]), SHOWN_MAX);
        cleanup_free char *source = xasprintf("annotation %s", key);
        cleanup_strv char **names = strv_split(annotations->values[i], ", ");

        if (strlen(annotations->values[i]) > GPU_REQUEST_MAX)
                return error_set(err, E2BIG, "%s: longer than %u bytes", source, GPU_REQUEST_MAX);
        STRV_FOR_EACH (name, names) {
                int r = cdi_request(from->cdi, *name, source, from->facts, request, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int from_cdi(const GpuSources *from, GpuRequest *request, Error *err) {
        int r = 0;

        for (size_t i = 0; i < from->spec->annotations.count && r >= 0; i++)
                if (str_after(from->spec->annotations.keys[i], CDI_ANNOTATION_PREFIX))
                        r = from_cdi_annotation(from, i, request, err);
        return r;
}

static int from_visible_devices(const GpuSources *from, GpuRequest *request, Error *err) {
        const char *text = visible_devices(from->spec, from->from_environment);

        return text ? gpu_request_parse_visible(text, ENVIRONMENT, request, err) : 0;
}

/* The hook of containerd that names devices, in the list where its version puts it; NULL: none. */
static const char *devices_of_hooks(const OciHooks *hooks) {
        const char *found = NULL;

        for (size_t i = 0; hooks && i < hooks->n_prestart && !found; i++)
                found = gpu_hook_devices(&hooks->prestart[i]);
        for (size_t i = 0; hooks && i < hooks->n_create_runtime && !found; i++)
                found = gpu_hook_devices(&hooks->create_runtime[i]);
        return found;
}

static int from_hook(const GpuSources *from, GpuRequest *request, Error *err) {
        const char *text = devices_of_hooks(from->spec->hooks);

        return text ? gpu_request_parse_visible(text, "hooks: nvidia-container-cli --device", request, err)
                    : 0;
}

/* ---- all of them ---- */

unsigned gpu_sources_look(const OciSpec *spec, bool from_environment) {
        unsigned found = 0;

        if (str_map_get(&spec->annotations, GPU_ANNOTATION))
                found |= GPU_SOURCE_ANNOTATION;
        for (size_t i = 0; lists_devices(spec) && i < spec->linux_->n_devices; i++) {
                uint32_t group;
                VfioNode kind = vfio_node_parse(spec->linux_->devices[i].path, &group);

                if (kind != VFIO_NODE_OTHER && kind != VFIO_NODE_CONTROL)
                        found |= GPU_SOURCE_DEVICES;
        }
        for (size_t i = 0; i < spec->annotations.count; i++)
                if (str_after(spec->annotations.keys[i], CDI_ANNOTATION_PREFIX))
                        found |= GPU_SOURCE_CDI;
        if (visible_devices(spec, from_environment))
                found |= GPU_SOURCE_ENVIRONMENT;
        if (devices_of_hooks(spec->hooks))
                found |= GPU_SOURCE_HOOK;
        return found;
}

/* OWN wishes are the annotation's. It says how many, or none, and another place says which: what is meant? */
static int check_agreement(const GpuSources *from, const GpuRequest *request, size_t own, Error *err) {
        const char *annotation = str_map_get(&from->spec->annotations, GPU_ANNOTATION);

        if (!annotation || own == request->n_wishes)
                return 0;
        if (own == 0)
                return error_set(err, EINVAL,
                                 GPU_BY_ANNOTATION " asks for no device, and %s for some; leave one of "
                                                   "them out",
                                 request->wishes[own].source);
        for (size_t i = 0; i < own; i++)
                if (request->wishes[i].kind == GPU_WISH_COUNT || request->wishes[i].kind == GPU_WISH_MODEL)
                        return error_set(
                                err, EINVAL,
                                GPU_BY_ANNOTATION
                                " leaves the choice open, and %s names "
                                "devices: it cannot be told whether the same are meant; leave one of them "
                                "out",
                                request->wishes[own].source);
        return 0;
}

int gpu_request_from_bundle(const GpuSources *from, GpuRequest *ret, Error *err) {
        cleanup_gpu_request GpuRequest request = { 0 };
        int r = from_annotation(from, &request, err);
        size_t own = request.n_wishes;

        if (r >= 0)
                r = from_devices(from, &request, err);
        if (r >= 0)
                r = from_cdi(from, &request, err);
        if (r >= 0)
                r = from_visible_devices(from, &request, err);
        if (r >= 0)
                r = from_hook(from, &request, err);
        if (r >= 0)
                r = check_agreement(from, &request, own, err);
        if (r < 0)
                return r;
        *ret = request;
        request = (GpuRequest){ 0 };
        return 0;
}

static int read_again(const Json *tree, OciSpec **spec, Error *err) {
        OciSpec *changed;
        int r = oci_spec_from_tree(tree, &changed, err);

        if (r < 0)
                return r;
        oci_spec_free(*spec);
        *spec = changed;
        return 1;
}

int gpu_sources_apply(GpuSources *from, Json *tree, OciSpec **spec, GpuRequest *ret, Error *err) {
        cleanup_gpu_request GpuRequest request = { 0 };
        int r;

        from->spec = *spec;
        r = gpu_request_from_bundle(from, &request, err);
        for (size_t i = 0; from->cdi && i < strv_length(from->cdi->problems); i++)
                strv_printf(&request.warnings, "CDI: %s; the other files count", from->cdi->problems[i]);
        if (r >= 0 && gpu_leftovers_drop(tree, request.n_wishes > 0, &request.notes))
                r = read_again(tree, spec, err);
        from->spec = *spec;
        if (r < 0)
                return r;
        *ret = request;
        request = (GpuRequest){ 0 };
        return r;
}
