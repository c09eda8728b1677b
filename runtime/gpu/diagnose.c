/* SPDX-License-Identifier: Apache-2.0 */

/* What stands in the way of passing one device. diagnose-host.c has what concerns the host as a whole. */

#include "runtime/gpu/diagnose.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "runtime/gpu/kernel-release.h"
#include "runtime/gpu/window.h"

#define GIB       (UINT64_C(1) << 30)
#define NAMED_MAX 4U /* devices, processes that one line names */
#define BIG_BAR   (16 * GIB)
/* Pages of 2 MiB and 1 GiB for mapped BARs came to vfio-pci with Linux 6.12 (huge_fault of vfio_pci_core). Before that a
 * BAR of 128 GiB is mapped in about half a minute, 4 KiB at a time. */
#define BIG_BAR_KERNEL_MAJOR        6U
#define BIG_BAR_KERNEL_MINOR        12U
#define BIG_BAR_SECONDS_PER_128_GIB 30U

/* ---- findings ---- */

static const char *const severity_names[_GPU_SEVERITY_MAX] = {
        [GPU_OK] = "ok",
        [GPU_WARN] = "warn",
        [GPU_BLOCKED] = "blocked",
};

const char *gpu_severity_name(GpuSeverity severity) {
        return severity_names[severity];
}

void gpu_findings_done(GpuFindings *findings) {
        for (size_t i = 0; i < findings->count; i++) {
                free(findings->items[i].text);
                free(findings->items[i].fix);
        }
        free(findings->items);
        *findings = (GpuFindings){ 0 };
}

void gpu_findings_add(GpuFindings *findings, GpuSeverity severity, const char *code, const char *fix,
                      const char *format, ...) {
        GpuFinding *added;
        va_list ap;

        findings->items = xreallocarray(findings->items, findings->count + 1, sizeof(*findings->items));
        added = &findings->items[findings->count++];
        va_start(ap, format);
        *added = (GpuFinding){
                .code = code,
                .severity = severity,
                .text = xvasprintf(format, ap),
                .fix = fix ? xstrdup(fix) : NULL,
        };
        va_end(ap);
}

GpuSeverity gpu_findings_severity(const GpuFindings *findings) {
        GpuSeverity worst = GPU_OK;

        for (size_t i = 0; i < findings->count; i++)
                if (findings->items[i].severity > worst)
                        worst = findings->items[i].severity;
        return worst;
}

const GpuFinding *gpu_findings_blocker(const GpuFindings *findings) {
        for (size_t i = 0; i < findings->count; i++)
                if (findings->items[i].severity == GPU_BLOCKED)
                        return &findings->items[i];
        return NULL;
}

/* ---- slot and group ---- */

/* Virtual functions share slots by arithmetic only. */
bool gpu_is_companion(const PciDevice *device, const PciDevice *other) {
        return device != other && !device->physical && !other->physical && !pci_is_bridge(other) &&
               pci_address_same_slot(&device->at, &other->at);
}

static bool goes_along(const GpuNeeds *needs, const PciDevice *device) {
        for (size_t i = 0; i < needs->n_also; i++)
                if (needs->also[i] == device)
                        return true;
        return false;
}

/* "0000:66:00.0 (network controller, e1000e)", after what LIST holds. */
static void name_device(StrBuf *list, size_t n, const PciDevice *d) {
        if (n < NAMED_MAX)
                strbuf_printf(list, "%s%s (%s, %s)", n > 0 ? ", " : "", d->address,
                              pci_class_words(d->class_code), d->driver ? d->driver : "no driver");
}

static void find_group(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                       GpuFindings *f) {
        cleanup_strbuf StrBuf others = { 0 };
        cleanup_free char *fix = NULL;
        size_t n = 0;

        if (!facts->iommu)
                return; /* said of the host */
        if (device->group < 0) {
                gpu_findings_add(f, GPU_BLOCKED, "no-group",
                                 "update the firmware; look for it in dmesg | grep -i -e DMAR -e AMD-Vi",
                                 "the IOMMU does not cover it: it is in no group");
                return;
        }
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];

                if (d == device || d->group != device->group || pci_is_bridge(d) ||
                    gpu_is_companion(device, d) || goes_along(needs, d))
                        continue;
                name_device(&others, n++, d);
        }
        if (n == 0) {
                gpu_findings_add(f, GPU_OK, "group", NULL, "IOMMU group %" PRId32 " is its own",
                                 device->group);
                return;
        }
        if (n > NAMED_MAX)
                strbuf_printf(&others, " and %zu more", n - NAMED_MAX);
        fix = xasprintf("ask for all of them together (" GPU_ANNOTATION
                        ": %s,...), or put the card into a slot of a root "
                        "port that isolates (ACS)",
                        device->address);
        gpu_findings_add(f, GPU_BLOCKED, "group-shared", fix,
                         "IOMMU group %" PRId32 " also holds %s; a group goes to one VM as a whole",
                         device->group, others.data);
}

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

/* ---- who may have it ---- */

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
static void find_permission(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                            GpuFindings *f) {
        cleanup_free char *fix = NULL;
        bool allowed = pci_is_gpu(device) || pci_class(device) == PCI_CLASS_NVSWITCH ||
                       streq(device->driver, "vfio-pci") || device->holder ||
                       is_named(needs->allowed, device);

        for (size_t i = 0; i < facts->n_devices && !allowed; i++)
                allowed = gpu_is_companion(device, &facts->devices[i]) && pci_is_gpu(&facts->devices[i]);
        if (allowed)
                return;
        fix = xasprintf("the administrator allows it with gpuDevices: [\"%s\"] in carrel's configuration",
                        device->address);
        gpu_findings_add(f, GPU_BLOCKED, "not-allowed", fix, "it is a %s, no GPU, and not among gpuDevices",
                         pci_class_words(device->class_code));
}

/* ---- who has it ---- */

static void name_user(StrBuf *list, size_t n, const PciUser *u) {
        if (n >= NAMED_MAX)
                return;
        strbuf_puts(list, n > 0 ? ", " : "");
        if (u->pid > 0)
                strbuf_printf(list, "process %" PRId32 " (%s) has %s open", u->pid, u->name, u->what);
        else
                strbuf_printf(list, "%s %s", u->name, u->what);
        if (u->container)
                strbuf_printf(list, " in container %.12s", u->container);
}

static void find_users_of(const PciDevice *device, const char *whose, GpuFindings *f) {
        cleanup_strbuf StrBuf list = { 0 };
        const char *fix = "end it first, and what starts it again (systemctl stop nvidia-persistenced; the "
                          "display manager)";

        if (device->n_users == 0)
                return;
        for (size_t i = 0; i < device->n_users; i++)
                name_user(&list, i, &device->users[i]);
        if (device->n_users > NAMED_MAX)
                strbuf_printf(&list, " and %zu more", device->n_users - NAMED_MAX);
        if (device->users[0].pid == 0)
                fix = streq(device->users[0].name, "mount") ? "unmount it first" : "take it out of use first";
        gpu_findings_add(f, GPU_BLOCKED, "in-use", fix, "%sit is in use: %s", whose, list.data);
}

static void find_users(const GpuFacts *facts, const PciDevice *device, GpuFindings *f) {
        find_users_of(device, "", f);
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];
                cleanup_free char *whose = NULL;

                if (!gpu_is_companion(device, d))
                        continue;
                whose = xasprintf("its %s %s goes along, and ", pci_class_words(d->class_code), d->address);
                find_users_of(d, whose, f);
        }
}

static void find_owner(const PciDevice *device, const GpuNeeds *needs, GpuFindings *f) {
        if (device->quarantine) {
                cleanup_free char *fix =
                        xasprintf("look at it, then: carrel gpu release --force %s", device->address);

                gpu_findings_add(f, GPU_BLOCKED, "quarantine", fix, "it is in quarantine: %s",
                                 device->quarantine);
        }
        if (device->holder && !streq(device->holder, needs->self))
                gpu_findings_add(f, GPU_BLOCKED, "held",
                                 "wait for that container to end, or ask for another device",
                                 "container %s has it", device->holder);
        if (device->holder || device->quarantine)
                return;
        if (!device->driver)
                gpu_findings_add(f, GPU_OK, "driver", NULL, "no driver is bound");
        else if (streq(device->driver, "vfio-pci"))
                gpu_findings_add(f, GPU_OK, "driver", NULL, "bound to vfio-pci, and stays so");
        else
                gpu_findings_add(f, GPU_OK, "driver", NULL,
                                 "bound to %s, which gets it back when the container has ended",
                                 device->driver);
}

static void find_display(const PciDevice *device, const GpuNeeds *needs, GpuFindings *f) {
        if (device->boot_vga && !needs->allow_boot_display)
                gpu_findings_add(
                        f, GPU_BLOCKED, "boot-display",
                        "choose another display in the firmware's setup, or, on a host that needs no "
                        "screen, set gpuBootDisplay in carrel's configuration",
                        "it is the display that the host booted with");
        else if (device->display_active)
                /* by a process that shows something: find_users() has it; else it is the kernel's own text console */
                gpu_findings_add(f, GPU_WARN, "display-active", NULL,
                                 "it shows the host's text console, which goes away with it");
}

/* ---- its memory ---- */

static void find_bars(const PciDevice *device, GpuFindings *f) {
        size_t n = 0;

        for (size_t i = 0; i < device->n_bars; i++) {
                const PciBar *bar = &device->bars[i];

                n += !bar->io && bar->index < 6 && bar->size > 0;
                if (bar->io || bar->index >= 6 || bar->size == 0 || bar->address != 0)
                        continue;
                gpu_findings_add(f, GPU_BLOCKED, "bar-unassigned",
                                 "turn on Above 4G Decoding in the firmware's setup, or boot the host with "
                                 "pci=realloc",
                                 "BAR %" PRIu32 " (%" PRIu64
                                 " MiB) has no address on the host: its firmware found no "
                                 "room",
                                 bar->index, bar->size >> 20);
                return;
        }
        if (n == 0 && pci_is_gpu(device) && !device->physical)
                gpu_findings_add(f, GPU_BLOCKED, "bar-missing",
                                 "turn on Above 4G Decoding in the firmware's setup, or boot the host with "
                                 "pci=realloc",
                                 "it has no memory BAR on the host");
}

static void find_slow_bar(const GpuFacts *facts, const PciDevice *device, GpuFindings *f) {
        uint64_t largest = pci_largest_bar(device);
        cleanup_free char *fix = NULL;

        if (largest < BIG_BAR || !facts->kernel_release ||
            kernel_release_at_least(facts->kernel_release, BIG_BAR_KERNEL_MAJOR, BIG_BAR_KERNEL_MINOR))
                return;
        gpu_findings_add(f, GPU_WARN, "bar-slow", "boot the host with Linux 6.12 or newer",
                         "the host's kernel %s maps its BAR of %" PRIu64 " GiB in small pages: about %" PRIu64
                         " seconds of each start",
                         facts->kernel_release, largest / GIB,
                         (largest * BIG_BAR_SECONDS_PER_128_GIB + 128 * GIB - 1) / (128 * GIB));
}

void gpu_diagnose_window(const GpuWindow *window, const GpuNeeds *needs, GpuFindings *f) {
        if (window->low > WINDOW_LOW_MAX)
                gpu_findings_add(f, GPU_BLOCKED, "bar-low", NULL,
                                 "%" PRIu64
                                 " MiB of its BARs must be below 4 GiB, where a guest has room for %" PRIu64
                                 " MiB",
                                 window->low >> 20, WINDOW_LOW_MAX >> 20);
        else if (window->window > WINDOW_MAX)
                gpu_findings_add(f, GPU_BLOCKED, "window", "pass fewer devices to one container",
                                 "its BARs need a window of %" PRIu64
                                 " GiB; the firmware opens at most %" PRIu64 " GiB",
                                 window->window / GIB, WINDOW_MAX / GIB);
        else if (needs->address_bits > 0 && window->address_bits > needs->address_bits)
                gpu_findings_add(f, GPU_BLOCKED, "address-bits",
                                 "give the guest less memory, or pass fewer devices",
                                 "memory and BARs need %" PRIu32
                                 " address bits in the guest; the host's processor "
                                 "has %" PRIu32,
                                 window->address_bits, needs->address_bits);
        else
                gpu_findings_add(f, GPU_OK, "window", NULL,
                                 "BARs of %" PRIu64 " MiB fit into a window of %" PRIu64 " GiB (%" PRIu32
                                 " address bits)",
                                 (window->high + window->low) >> 20, window->window / GIB,
                                 window->address_bits);
}

static void find_window(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                        GpuFindings *f) {
        const PciDevice *functions[8] = { device };
        GpuSlot slot = { .functions = functions, .n_functions = 1 };
        const GpuChoice choice = { .slots = &slot, .n_slots = 1 };
        GpuWindow window;

        for (size_t i = 0; i < facts->n_devices && slot.n_functions < ELEMENTS_OF(functions); i++)
                if (gpu_is_companion(device, &facts->devices[i]))
                        functions[slot.n_functions++] = &facts->devices[i];
        gpu_window(&choice, needs->memory, &window);
        gpu_diagnose_window(&window, needs, f);
}

/* ---- the rest ---- */

static void find_kind(const GpuFacts *facts, const PciDevice *device, GpuFindings *f) {
        bool switches = false;

        if (pci_is_bridge(device))
                gpu_findings_add(f, GPU_BLOCKED, "bridge", NULL,
                                 "it is a %s; only what is behind it can be passed",
                                 pci_class_words(device->class_code));
        if (device->dead)
                gpu_findings_add(f, GPU_BLOCKED, "dead",
                                 "restart the host; if it stays so, look at the card, its power and its slot",
                                 "it does not answer: its configuration space reads as all ones");
        if (device->virtuals > 0)
                gpu_findings_add(f, GPU_BLOCKED, "virtual-functions",
                                 "pass one of those, or turn them off: echo 0 >.../sriov_numvfs",
                                 "%" PRIu32 " virtual functions of it are on", device->virtuals);
        for (size_t i = 0; i < facts->n_devices; i++)
                switches = switches || (facts->devices[i].vendor == PCI_VENDOR_NVIDIA &&
                                        pci_class(&facts->devices[i]) == PCI_CLASS_NVSWITCH);
        if (switches && device->vendor == PCI_VENDOR_NVIDIA && pci_is_gpu(device))
                gpu_findings_add(
                        f, GPU_WARN, "nvswitch",
                        "pass all GPUs and NVSwitches of the board to one container, or run Fabric Manager "
                        "on the host in shared NVSwitch mode",
                        "GPUs of this board are joined by NVSwitches: alone it starts, but CUDA may refuse "
                        "until a fabric manager has set them up");
        if (device->reset_methods && !device->reset_methods[0])
                gpu_findings_add(
                        f, GPU_WARN, "reset", NULL,
                        "the host's kernel knows no way to reset it: it may not come back after a container");
}

void gpu_diagnose_device(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                         GpuFindings *findings) {
        find_kind(facts, device, findings);
        if (pci_is_bridge(device) || device->dead)
                return;
        find_permission(facts, device, needs, findings);
        find_owner(device, needs, findings);
        find_users(facts, device, findings);
        find_display(device, needs, findings);
        find_group(facts, device, needs, findings);
        find_slot(facts, device, findings);
        find_bars(device, findings);
        find_slow_bar(facts, device, findings);
        find_window(facts, device, needs, findings);
}
