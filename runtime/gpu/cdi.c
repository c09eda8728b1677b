/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gpu/cdi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/vfio-node.h"

#define DEVICES_MAX 4096U /* of all files */
#define NODES_MAX   256U  /* of one device, with those of its file */
#define NAME_MAX_   512U  /* bytes of a qualified name */
#define SHOWN_MAX   128U  /* bytes of a name that a message shows */
#define NODES_SHOWN 3U

/* ---- names ---- */

static bool is_letter(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_alphanumeric(char c) {
        return is_letter(c) || (c >= '0' && c <= '9');
}

/* LENGTH bytes that begin and end with a letter or digit, with those and MORE between. */
static bool is_word(const char *text, size_t length, const char *more) {
        if (length == 0 || !is_alphanumeric(text[0]) || !is_alphanumeric(text[length - 1]))
                return false;
        for (size_t i = 0; i < length; i++)
                if (!is_alphanumeric(text[i]) && !strchr(more, text[i]))
                        return false;
        return true;
}

static bool kind_is_valid(const char *kind, size_t length) {
        const char *slash = memchr(kind, '/', length);
        size_t vendor = slash ? (size_t)(slash - kind) : 0;

        return slash && length <= CDI_KIND_MAX && is_letter(kind[0]) && is_letter(slash[1]) &&
               is_word(kind, vendor, "_-.") && is_word(slash + 1, length - vendor - 1, "_-.");
}

bool cdi_kind_is_valid(const char *kind) {
        return kind_is_valid(kind, strlen(kind));
}

static bool device_name_is_valid(const char *name) {
        return is_word(name, strlen(name), "_-.:");
}

bool cdi_name_is_valid(const char *name) {
        const char *equals = strchr(name, '=');

        return equals && strlen(name) <= NAME_MAX_ && kind_is_valid(name, (size_t)(equals - name)) &&
               device_name_is_valid(equals + 1);
}

/* ---- reading ---- */

/* Scalars of YAML that look like numbers are that here: a name may be 0. Owned by the caller; NULL: it is neither. */
static char *text_of(const Json *v) {
        int64_t number;

        if (json_string(v))
                return xstrdup(json_string(v));
        return json_int64(v, &number) ? xasprintf("%" PRId64, number) : NULL;
}

static int take_nodes(const Json *edits, char ***nodes, Error *err) {
        const Json *list = json_get(edits, "deviceNodes");

        for (size_t i = 0; i < json_count(list); i++) {
                const Json *node = json_item(list, i);
                const char *path = json_string(json_get(node, "hostPath"));

                if (!path || !*path)
                        path = json_string(json_get(node, "path"));
                if (!path || !*path)
                        return error_set(err, EINVAL, "a device node without a path");
                if (strv_length(*nodes) >= NODES_MAX)
                        return error_set(err, E2BIG, "more than %u device nodes for one device", NODES_MAX);
                strv_append(nodes, path);
        }
        return 0;
}

/* Kata's device plugins say "bdf"; ours names the device so. */
static char *address_of(const Json *device, const char *name) {
        const char *said = json_string(json_get(json_get(device, "annotations"), "bdf"));
        char text[PCI_ADDRESS_SIZE];
        PciAddress address;

        if (!(said && pci_address_parse(said, &address)) && !pci_address_parse(name, &address))
                return NULL;
        pci_address_format(&address, text);
        return xstrdup(text);
}

static void device_done(CdiDevice *device) {
        free(device->name);
        free(device->file);
        free(device->rival);
        strv_free(device->nodes);
        free(device->address);
        *device = (CdiDevice){ 0 };
}

static int read_device(const Json *spec, const Json *device, const char *kind, CdiDevice *ret, Error *err) {
        cleanup(device_done) CdiDevice d = { 0 };
        cleanup_free char *name = text_of(json_get(device, "name"));
        int r;

        if (!name || !device_name_is_valid(name) || strlen(name) > NAME_MAX_ - CDI_KIND_MAX) {
                cleanup_free char *shown =
                        str_printable(name ? name : "", strlen(name ? name : ""), SHOWN_MAX);

                return error_set(err, EINVAL, "\"%s\" cannot be the name of a device", shown);
        }
        r = take_nodes(json_get(device, "containerEdits"), &d.nodes, err);
        if (r >= 0)
                r = take_nodes(json_get(spec, "containerEdits"), &d.nodes, err);
        if (r < 0)
                return error_prefix(err, "device %s", name);
        d.name = xasprintf("%s=%s", kind, name);
        d.address = address_of(device, name);
        *ret = d;
        d = (CdiDevice){ 0 };
        return 0;
}

/* Device nodes have been written in one way since 0.2.0, so nothing that is newer is turned away before 2. */
static int check_version(const Json *spec, Error *err) {
        const char *version = json_string(json_get(spec, "cdiVersion"));
        cleanup_free char *shown = version ? str_printable(version, strlen(version), SHOWN_MAX) : NULL;

        if (!version)
                return error_set(err, EINVAL, "cdiVersion: missing");
        version += *version == 'v';
        if (!(version[0] == '0' || version[0] == '1') || version[1] != '.')
                return error_set(err, EINVAL, "cdiVersion: \"%s\": not one that is known here", shown);
        return 0;
}

static int check_kind(const Json *spec, const char **ret, Error *err) {
        const char *kind = json_string(json_get(spec, "kind"));
        cleanup_free char *shown = kind ? str_printable(kind, strlen(kind), SHOWN_MAX) : NULL;

        if (!kind || !cdi_kind_is_valid(kind))
                return error_set(err, EINVAL, "kind: expected \"vendor.com/class\", found \"%s\"",
                                 shown ? shown : "");
        *ret = kind;
        return 0;
}

static int read_devices(const Json *spec, const char *kind, CdiDevice *devices, size_t n, Error *err) {
        for (size_t i = 0; i < n; i++) {
                int r = read_device(spec, json_item(json_get(spec, "devices"), i), kind, &devices[i], err);

                if (r < 0)
                        return r;
                for (size_t j = 0; j < i; j++)
                        if (streq(devices[i].name, devices[j].name))
                                return error_set(err, EINVAL, "%s is described twice", devices[i].name);
        }
        return 0;
}

/* ---- the catalogue ---- */

static CdiDevice *find(const CdiCatalog *catalog, const char *name) {
        for (size_t i = 0; i < catalog->n_devices; i++)
                if (streq(catalog->devices[i].name, name))
                        return &catalog->devices[i];
        return NULL;
}

/* The folder of greater priority wins; of two files in one folder neither does. */
static void enter(CdiCatalog *catalog, CdiDevice *device) {
        CdiDevice *other = find(catalog, device->name);

        if (!other) {
                catalog->devices[catalog->n_devices++] = *device;
                *device = (CdiDevice){ 0 };
        } else if (device->priority > other->priority) {
                CdiDevice loser = *other;

                *other = *device;
                *device = loser;
        } else if (device->priority == other->priority && !other->rival) {
                other->rival = xstrdup(device->file);
        }
}

int cdi_catalog_add(CdiCatalog *catalog, const Json *spec, const char *file, unsigned priority, Error *err) {
        size_t n = json_count(json_get(spec, "devices"));
        CdiDevice *devices;
        const char *kind = NULL;
        int r = check_version(spec, err);

        if (r >= 0)
                r = check_kind(spec, &kind, err);
        if (r >= 0 && (json_type(json_get(spec, "devices")) != JSON_ARRAY || n == 0))
                r = error_set(err, EINVAL, "devices: there are none");
        if (r >= 0 && n > DEVICES_MAX - catalog->n_devices)
                r = error_set(err, E2BIG, "more than %u devices", DEVICES_MAX);
        if (r < 0)
                return r;
        devices = xnew(CdiDevice, n);
        r = read_devices(spec, kind, devices, n, err);
        if (r >= 0)
                catalog->devices =
                        xreallocarray(catalog->devices, catalog->n_devices + n, sizeof(*catalog->devices));
        for (size_t i = 0; i < n; i++) {
                if (r >= 0) {
                        devices[i].file = xstrdup(file);
                        devices[i].priority = priority;
                        enter(catalog, &devices[i]);
                }
                device_done(&devices[i]);
        }
        free(devices);
        return r;
}

CdiCatalog *cdi_catalog_free(CdiCatalog *catalog) {
        if (!catalog)
                return NULL;
        for (size_t i = 0; i < catalog->n_devices; i++)
                device_done(&catalog->devices[i]);
        free(catalog->devices);
        strv_free(catalog->folders);
        strv_free(catalog->problems);
        free(catalog);
        return NULL;
}

/* ---- requests ---- */

static int refuse_unknown(const CdiCatalog *catalog, const char *at, Error *err) {
        cleanup_free char *folders = catalog ? strv_join(catalog->folders, ", ") : NULL;
        const char *problem = catalog && catalog->problems ? catalog->problems[0] : NULL;

        return error_set(
                err, ENODEV,
                "%s: no file in %s describes this CDI device%s%s%s (carrel cdi generate describes the "
                "GPUs of this host)",
                at, folders && *folders ? folders : "the folders of CDI", problem ? "; not used: " : "",
                problem ? problem : "", problem ? ";" : "");
}

static int refuse_nodes(const CdiDevice *device, const char *at, Error *err) {
        cleanup_strbuf StrBuf nodes = { 0 };
        size_t n = strv_length(device->nodes);

        for (size_t i = 0; i < n && i < NODES_SHOWN; i++) {
                cleanup_free char *shown =
                        str_printable(device->nodes[i], strlen(device->nodes[i]), SHOWN_MAX);

                strbuf_printf(&nodes, "%s%s", i > 0 ? ", " : "", shown);
        }
        return error_set(err, ENOTSUP,
                         "%s: %s describes it by %s%s: nodes of the host's driver, which a virtual machine "
                         "cannot use; carrel cdi generate describes GPUs in the way that it can",
                         at, device->file, nodes.data, n > NODES_SHOWN ? ", ..." : "");
}

/* Groups get their numbers anew at each start of the host. */
static int check_group(const CdiDevice *device, const char *at, const GpuFacts *facts, Error *err) {
        const PciDevice *pci;
        PciAddress address;
        bool grouped = false;

        if (!device->address || !pci_address_parse(device->address, &address))
                return 0;
        pci = gpu_facts_find(facts, &address);
        if (!pci || pci->group < 0)
                return 0;
        STRV_FOR_EACH (node, device->nodes) {
                uint32_t number;

                if (vfio_node_parse(*node, &number) != VFIO_NODE_GROUP)
                        continue;
                if (number == (uint32_t)pci->group)
                        return 0;
                grouped = true;
        }
        if (!grouped)
                return 0;
        return error_set(err, ESTALE,
                         "%s: %s is out of date: %s is in IOMMU group %" PRId32
                         " now; write it anew (carrel cdi "
                         "generate)",
                         at, device->file, device->address, pci->group);
}

static int request_device(const CdiDevice *device, const char *at, const GpuFacts *facts, GpuRequest *request,
                          Error *err) {
        GpuWish wish = { .kind = GPU_WISH_ADDRESS };
        int r = check_group(device, at, facts, err), n = 0;

        STRV_FOR_EACH (node, device->nodes) {
                if (r >= 0)
                        r = vfio_node_request(*node, at, facts, request, err);
                n += r > 0;
        }
        if (r < 0 || n > 0 || !device->nodes)
                return r < 0 ? r : 0;
        if (!device->address || !pci_address_parse(device->address, &wish.address))
                return refuse_nodes(device, at, err);
        return gpu_request_add(request, &wish, at, err);
}

int cdi_request(const CdiCatalog *catalog, const char *name, const char *source, const GpuFacts *facts,
                GpuRequest *request, Error *err) {
        cleanup_free char *shown = str_printable(name, strlen(name), SHOWN_MAX);
        cleanup_free char *at = xasprintf("%s: %s", source, shown);
        const CdiDevice *device;

        if (!cdi_name_is_valid(name))
                return error_set(err, EINVAL, "%s: expected the name of a CDI device (vendor.com/class=name)",
                                 at);
        device = catalog ? find(catalog, name) : NULL;
        if (!device)
                return refuse_unknown(catalog, at, err);
        if (device->rival)
                return error_set(err, EINVAL, "%s: both %s and %s describe it; remove one of them", at,
                                 device->file, device->rival);
        return request_device(device, at, facts, request, err);
}
