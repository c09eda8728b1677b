/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Describing the host's GPUs for engines.
 *
 * /dev/vfio/14 is there only while the group's devices are bound to vfio-pci, which carrel sees to when a container is
 * made: after the engine has looked. So the description has numbers for the node, those of /dev/vfio/vfio
 * (VFIO_MINOR of linux/miscdevice.h), and no engine looks. In the bundle the path counts; the node itself goes
 * nowhere. Numbers of groups can change when the host starts, which the environment lets carrel notice.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/cdi.h"

#define CDI_VERSION "0.5.0" /* the first in which names may begin with a digit */
#define VFIO_MAJOR  10
#define VFIO_MINOR  196

static bool is_described(const PciDevice *d, bool boot_display, char ***warnings) {
        if (!pci_is_gpu(d) || d->virtuals > 0)
                return false;
        if (d->boot_vga && !boot_display) {
                strv_printf(warnings, "%s: left out: the host booted with this display (gpuBootDisplay)",
                            d->address);
                return false;
        }
        if (d->group < 0) {
                strv_printf(warnings, "%s: left out: it is in no IOMMU group (carrel gpu why %s)", d->address,
                            d->address);
                return false;
        }
        return true;
}

static Json *make_node(int32_t group) {
        cleanup_free char *path = xasprintf("/dev/vfio/%" PRId32, group);
        Json *node = json_new_object();

        json_set(node, "path", json_new_string(path));
        json_set(node, "type", json_new_string("c"));
        json_set(node, "major", json_new_int64(VFIO_MAJOR));
        json_set(node, "minor", json_new_int64(VFIO_MINOR));
        json_set(node, "permissions", json_new_string("rw"));
        return node;
}

/* Those of the DEVICES that are in GROUP. */
static Json *make_variable(const PciDevice *const *devices, size_t n, int32_t group) {
        cleanup_strbuf StrBuf text = { 0 };
        const char *separator = "";

        strbuf_printf(&text, CDI_ENVIRONMENT "%" PRId32 "=", group);
        for (size_t i = 0; i < n; i++) {
                if (devices[i]->group != group)
                        continue;
                strbuf_printf(&text, "%s%s", separator, devices[i]->address);
                separator = ",";
        }
        return json_new_string(text.data);
}

static Json *make_device(const char *name, const PciDevice *const *devices, size_t n) {
        Json *device = json_new_object(), *edits = json_new_object();
        Json *nodes = json_new_array(), *environment = json_new_array();

        for (size_t i = 0; i < n; i++) {
                bool seen = false;

                for (size_t j = 0; j < i; j++)
                        seen = seen || devices[j]->group == devices[i]->group;
                if (seen)
                        continue;
                json_append(nodes, make_node(devices[i]->group));
                json_append(environment, make_variable(devices, n, devices[i]->group));
        }
        json_set(edits, "env", environment);
        json_set(edits, "deviceNodes", nodes);
        json_set(device, "name", json_new_string(name));
        json_set(device, "containerEdits", edits);
        return device;
}

int cdi_generate(const GpuFacts *facts, const char *kind, bool boot_display, Json **ret, char ***warnings,
                 Error *err) {
        cleanup_free const PciDevice **found = xnew(const PciDevice *, facts->n_devices + 1);
        Json *spec, *devices;
        size_t n = 0, whole;

        if (!cdi_kind_is_valid(kind)) {
                cleanup_free char *shown = str_printable(kind, strlen(kind), CDI_KIND_MAX);

                return error_set(
                        err, EINVAL,
                        "%s: expected a vendor and a class of letters, digits, \"-\", \"_\" and \".\", "
                        "such as carrel.dev and gpu",
                        shown);
        }
        for (size_t i = 0; i < facts->n_devices; i++)
                if (is_described(&facts->devices[i], boot_display, warnings))
                        found[n++] = &facts->devices[i];
        whole = n;
        /* as in select.c: all GPUs of a board go with what joins them */
        for (size_t i = 0; i < facts->n_devices; i++)
                if (pci_is_nvswitch(&facts->devices[i]) && facts->devices[i].group >= 0)
                        found[whole++] = &facts->devices[i];
        if (n == 0)
                return error_set(err, ENODEV, "this host has no GPU that could be passed (carrel gpu list)");
        spec = json_new_object();
        devices = json_new_array();
        for (size_t i = 0; i < n; i++)
                json_append(devices, make_device(found[i]->address, &found[i], 1));
        json_append(devices, make_device("all", found, whole));
        json_set(spec, "cdiVersion", json_new_string(CDI_VERSION));
        json_set(spec, "kind", json_new_string(kind));
        json_set(spec, "devices", devices);
        *ret = spec;
        return 0;
}

/* ---- what comes back of it ---- */

/* Without any group the host has no IOMMU in use, which is said elsewhere. */
static bool has_groups(const GpuFacts *facts) {
        for (size_t i = 0; i < facts->n_devices; i++)
                if (facts->devices[i].group >= 0)
                        return true;
        return false;
}

static int check_address(const char *text, uint32_t group, const GpuFacts *facts, Error *err) {
        cleanup_free char *shown = str_printable(text, strlen(text), 64);
        const PciDevice *device;
        PciAddress address;

        if (!pci_address_parse(text, &address))
                return error_set(err, EINVAL,
                                 "process.env: " CDI_ENVIRONMENT "%" PRIu32 ": expected PCI addresses, found "
                                 "\"%s\"",
                                 group, shown);
        device = gpu_facts_find(facts, &address);
        if (device && (device->group < 0 || (uint32_t)device->group == group))
                return 0;
        return error_set(err, ESTALE,
                         "linux.devices: /dev/vfio/%" PRIu32
                         " is not what it was: a CDI file says that it is %s, "
                         "which is %s now; write the file anew (carrel cdi generate)",
                         group, shown, device ? "in another IOMMU group" : "not there");
}

int cdi_check_environment(char *const *environment, uint32_t group, const GpuFacts *facts, Error *err) {
        cleanup_free char *name = xasprintf(CDI_ENVIRONMENT "%" PRIu32 "=", group);

        STRV_FOR_EACH (variable, has_groups(facts) ? environment : NULL) {
                const char *value = str_after(*variable, name);
                cleanup_strv char **addresses = value ? strv_split(value, ",") : NULL;

                STRV_FOR_EACH (address, addresses)
                        if (check_address(*address, group, facts, err) < 0)
                                return -err->code;
        }
        return 0;
}
