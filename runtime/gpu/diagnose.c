/* SPDX-License-Identifier: Apache-2.0 */

/* What stands in the way of passing one device: what it is, its slot, its group. diagnose-host.c has what concerns the
 * host as a whole, diagnose-users.c who has the device, diagnose-memory.c its BARs. */

#include "runtime/gpu/diagnose.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "runtime/gpu/request.h"

#define NAMED_MAX 4U /* devices that one line names */

/* Virtual functions share slots by arithmetic only. */
bool gpu_is_companion(const PciDevice *device, const PciDevice *other) {
        return device != other && !device->physical && !other->physical && !pci_is_bridge(other) &&
               pci_address_same_slot(&device->at, &other->at);
}

bool gpu_goes_along(const GpuNeeds *needs, const PciDevice *device, const PciDevice *other) {
        for (size_t i = 0; i < needs->n_also; i++)
                if (needs->also[i] == other)
                        return true;
        return gpu_is_companion(device, other);
}

/* ---- what it is ---- */

/* "8086:0a54" or an address, as the configuration has them. */
static bool is_named(char *const *allowed, const PciDevice *d) {
        cleanup_free char *model = xasprintf("%04" PRIx32 ":%04" PRIx32, d->vendor, d->device);
        PciAddress address;

        STRV_FOR_EACH (item, allowed)
                if (streq(*item, "*") || strcasecmp(*item, model) == 0 ||
                    (pci_address_parse(*item, &address) && pci_address_compare(&address, &d->at) == 0))
                        return true;
        return false;
}

/* Whoever starts containers is not to take the host's disks and networks: only what is a GPU, what goes with one, what
 * the administrator set aside for VMs, and what the configuration names. */
static bool is_allowed(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs) {
        bool allowed = pci_is_accelerator(device) || pci_is_nvswitch(device) ||
                       streq(device->driver, "vfio-pci") || device->holder || device->left_by ||
                       is_named(needs->allowed, device);

        for (size_t i = 0; i < facts->n_devices && !allowed; i++)
                allowed = gpu_is_companion(device, &facts->devices[i]) && pci_is_gpu(&facts->devices[i]);
        return allowed;
}

static void find_permission(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                            GpuFindings *f) {
        cleanup_free char *fix = NULL;

        if (is_allowed(facts, device, needs))
                return;
        fix = xasprintf("the administrator allows it with gpuDevices: [\"%s\"] in carrel's configuration",
                        device->address);
        gpu_findings_add(f, GPU_BLOCKED, "not-allowed", fix, "it is no GPU (%s), and not among gpuDevices",
                         pci_class_words(device->class_code));
}

/* GPUs of a board with NVSwitches that do not all go along. */
static void find_fabric(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                        GpuFindings *f) {
        size_t left = 0;

        if (device->vendor != PCI_VENDOR_NVIDIA || !pci_is_gpu(device))
                return;
        for (size_t i = 0; i < facts->n_devices; i++)
                left += pci_is_nvswitch(&facts->devices[i]) &&
                        !gpu_goes_along(needs, device, &facts->devices[i]);
        if (left > 0)
                gpu_findings_add(
                        f, GPU_WARN, "nvswitch",
                        "pass the whole board to one container (" GPU_ANNOTATION
                        ": all), or run NVIDIA's Fabric Manager on the host in shared NVSwitch mode",
                        "the board joins its GPUs by NVSwitches: alone it starts, but CUDA may refuse until "
                        "a fabric manager has set them up");
}

static void find_kind(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs, GpuFindings *f) {
        if (pci_is_bridge(device))
                gpu_findings_add(f, GPU_BLOCKED, "bridge", NULL,
                                 "it is a %s; only what is behind it can be passed",
                                 pci_class_words(device->class_code));
        else if (pci_is_behind_vmd(device))
                gpu_findings_add(
                        f, GPU_BLOCKED, "vmd",
                        "turn VMD off in the firmware's setup, or ask for the VMD device, with everything "
                        "behind it",
                        "it is behind Intel's volume management device (VMD), of which it is a part");
        if (device->dead)
                gpu_findings_add(f, GPU_BLOCKED, "dead",
                                 "restart the host; if it stays so, look at the card, its power and its slot",
                                 "it does not answer: its configuration space reads as all ones");
        if (device->virtuals > 0) {
                cleanup_free char *fix = xasprintf("ask for one of those, or turn them off: echo 0 "
                                                   ">/sys/bus/pci/devices/%s/sriov_numvfs",
                                                   device->address);

                gpu_findings_add(f, GPU_BLOCKED, "virtual-functions", fix,
                                 "%" PRIu32 " virtual functions of it are on", device->virtuals);
        }
        if (device->power_state && str_after(device->power_state, "D3"))
                gpu_findings_add(f, GPU_OK, "asleep", NULL, "it sleeps (%s), and is woken up for a container",
                                 device->power_state);
        find_fabric(facts, device, needs, f);
}

static void find_display(const PciDevice *device, const GpuNeeds *needs, GpuFindings *f) {
        if (device->boot_vga && !needs->allow_boot_display)
                gpu_findings_add(
                        f, GPU_BLOCKED, "boot-display",
                        "choose another display in the firmware's setup, or, on a host that needs no "
                        "screen, set gpuBootDisplay in carrel's configuration",
                        "it is the display that the host booted with");
        else if (device->display_active && device->n_users == 0)
                /* by a process that shows something: find_users() has it; else it is the kernel's own text console */
                gpu_findings_add(f, GPU_WARN, "display-active", NULL,
                                 "it shows the host's text console, which goes away with it");
}

/* ---- group ---- */

/* "0000:66:00.0 (network controller, e1000e)", after what LIST holds. */
static void name_device(StrBuf *list, size_t n, const PciDevice *d) {
        if (n < NAMED_MAX)
                strbuf_printf(list, "%s%s (%s, %s)", n > 0 ? ", " : "", d->address,
                              pci_class_words(d->class_code), d->driver ? d->driver : "no driver");
}

static void refuse_no_group(const PciDevice *device, GpuFindings *f) {
        bool graphics = device->vendor == PCI_VENDOR_INTEL && pci_is_gpu(device) && !device->parent;

        gpu_findings_add(
                f, GPU_BLOCKED, "no-group",
                graphics
                        ? "write intel_iommu=on on the command line of the host's kernel: many kernels leave "
                          "the processor's graphics out by default"
                        : "update the firmware; look for it in: dmesg | grep -i -e DMAR -e AMD-Vi",
                "the IOMMU does not cover it: it is in no group");
}

/* Members of its group that stay on the host otherwise. */
static bool is_stranger(const PciDevice *device, const PciDevice *d, const GpuNeeds *needs) {
        return d != device && d->group == device->group && !pci_is_bridge(d) && !gpu_is_behind(device, d) &&
               !gpu_goes_along(needs, device, d);
}

static char *fix_of_group(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs) {
        cleanup_strbuf StrBuf all = { 0 };
        const PciDevice *used = NULL;
        const char *more = "";
        size_t n = 0;

        strbuf_puts(&all, device->address);
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];

                if (!is_stranger(device, d, needs))
                        continue;
                used = d->n_users > 0 ? d : used;
                if (n++ < NAMED_MAX)
                        strbuf_printf(&all, ",%s", d->address);
                if (!is_allowed(facts, d, needs))
                        more = ", which the administrator has to allow with gpuDevices";
        }
        if (used)
                return xasprintf(
                        "put one of them into a slot of a root port that isolates (ACS): the host uses %s",
                        used->address);
        return xasprintf(
                "put one of them into a slot of a root port that isolates (ACS), or ask for all of them "
                "together (" GPU_ANNOTATION ": %s%s)%s",
                all.data, n > NAMED_MAX ? ",..." : "", more);
}

static void find_group(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                       GpuFindings *f) {
        cleanup_strbuf StrBuf others = { 0 };
        cleanup_free char *fix = NULL;
        size_t n = 0;

        if (!facts->iommu)
                return; /* said of the host */
        if (device->group < 0) {
                refuse_no_group(device, f);
                return;
        }
        for (size_t i = 0; i < facts->n_devices; i++)
                if (is_stranger(device, &facts->devices[i], needs))
                        name_device(&others, n++, &facts->devices[i]);
        if (n == 0) {
                gpu_findings_add(f, GPU_OK, "group", NULL,
                                 "IOMMU group %" PRId32 " holds nothing that stays on the host",
                                 device->group);
                return;
        }
        if (n > NAMED_MAX)
                strbuf_printf(&others, " and %zu more", n - NAMED_MAX);
        fix = fix_of_group(facts, device, needs);
        gpu_findings_add(f, GPU_BLOCKED, "group-shared", fix,
                         "IOMMU group %" PRId32 " also holds %s; a group goes to one VM as a whole",
                         device->group, others.data);
}

/* ---- slot and bus ---- */

static void find_slot(const GpuFacts *facts, const PciDevice *device, GpuFindings *f) {
        size_t companions = 0;

        for (size_t i = 0; i < facts->n_devices; i++)
                companions += gpu_is_companion(device, &facts->devices[i]);
        if (device->multifunction && device->at.function == 0 && !device->physical && companions == 0)
                gpu_findings_add(f, GPU_WARN, "companion-missing",
                                 "look for the others again: echo 1 >/sys/bus/pci/rescan",
                                 "its header says that the slot has more functions, but the host shows none: "
                                 "somebody may have removed them");
}

/* Of the function by itself: "bus" is one only where nothing else is on the bus, though function 0 always claims it (the
 * kernel asks before it has found the others). */
static bool resets_itself(const PciDevice *device, bool alone) {
        STRV_FOR_EACH (method, device->reset_methods)
                if (alone || (!streq(*method, "bus") && !streq(*method, "cxl_bus")))
                        return true;
        return false;
}

/* vfio resets a whole bus when all functions on it are the VM's. */
static void find_reset(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                       GpuFindings *f) {
        const PciDevice *stays = NULL;
        bool alone = true;

        if (!device->reset_methods && !device->no_reset)
                return; /* unknown */
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];

                if (d == device || d->at.domain != device->at.domain || d->at.bus != device->at.bus)
                        continue;
                alone = false;
                stays = stays || gpu_goes_along(needs, device, d) ? stays : d;
        }
        if (resets_itself(device, alone)) {
                cleanup_free char *methods = strv_join(device->reset_methods, ", ");

                gpu_findings_add(f, GPU_OK, "reset", NULL, "it can be reset (%s)", methods);
        } else if (!device->parent || stays) {
                gpu_findings_add(f, GPU_WARN, "reset",
                                 device->parent
                                         ? "put the card into a slot of its own, or ask for all of that bus"
                                         : NULL,
                                 "no reset reaches it alone%s%s%s: it may not come back after a container",
                                 stays && device->parent ? ", and " : "",
                                 stays && device->parent ? stays->address : "",
                                 stays && device->parent ? " on its bus stays on the host" : "");
        } else if (device->vendor == PCI_VENDOR_AMD && pci_class(device) == PCI_CLASS_VGA) {
                gpu_findings_add(f, GPU_WARN, "reset",
                                 "if it does not come back: the kernel module vendor-reset",
                                 "it has no reset of its own, only that of its bus, which AMD's cards before "
                                 "RDNA 2 do "
                                 "not always survive");
        } else {
                gpu_findings_add(f, GPU_OK, "reset", NULL,
                                 "it is reset together with all that is on its bus");
        }
}

void gpu_diagnose_device(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                         GpuFindings *findings) {
        find_kind(facts, device, needs, findings);
        if (pci_is_bridge(device) || pci_is_behind_vmd(device) || device->dead)
                return;
        if (pci_is_bmc_display(device) && !is_named(needs->allowed, device)) {
                gpu_findings_add(findings, GPU_BLOCKED, "bmc-display", NULL,
                                 "it is the screen of the board's management controller, no GPU");
                return;
        }
        find_permission(facts, device, needs, findings);
        gpu_diagnose_users(facts, device, needs, findings);
        find_display(device, needs, findings);
        find_group(facts, device, needs, findings);
        find_slot(facts, device, findings);
        find_reset(facts, device, needs, findings);
        gpu_diagnose_bars(facts, device, needs, findings);
}
