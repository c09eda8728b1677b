/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of findings, and the table of their codes. */

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/diagnose.h"

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

/* ---- codes ---- */

/* Those of the host first. */
const GpuCode gpu_codes[] = {
        { "iommu", "IOMMU", GPU_OK, "The IOMMU is on: there are IOMMU groups.", NULL },
        { "iommu-firmware", "IOMMU", GPU_BLOCKED, "The firmware describes no IOMMU.",
          "Turn on VT-d (Intel), or IOMMU, AMD-Vi (AMD), in the firmware's setup; in a virtual machine, give "
          "that one an IOMMU." },
        { "iommu-kernel", "IOMMU", GPU_BLOCKED,
          "The firmware has an IOMMU, but the host's kernel does not use it.",
          "Intel: `intel_iommu=on` on the kernel's command line; everywhere: no `iommu=off`, "
          "`intel_iommu=off`, `amd_iommu=off`." },
        { "no-iommu-mode", "vfio", GPU_WARN,
          "vfio was told to do without an IOMMU (`enable_unsafe_noiommu_mode`). carrel does not: such a "
          "guest could write anywhere in the host's memory.",
          "Unset `vfio.enable_unsafe_noiommu_mode`." },
        { "interrupt-remapping", "Interrupts", GPU_BLOCKED,
          "Interrupts of devices are not remapped, and vfio refuses to do without. Only a warning where vfio "
          "was told to put up with it.",
          "Turn on interrupt remapping (x2APIC) in the firmware's setup; no `intremap=off`, `nointremap`. On "
          "a host that trusts its guests: `vfio_iommu_type1.allow_unsafe_interrupts=1`." },
        { "vfio", "vfio", GPU_BLOCKED, "The driver vfio-pci is there, loaded or as a module; or it is not.",
          "Install the modules of the running kernel (Debian: `linux-image-amd64`, not the cloud kernel; "
          "Ubuntu: `linux-modules-extra-$(uname -r)`)." },
        { "vfio-access", "vfio", GPU_BLOCKED,
          "`/dev/vfio/vfio` cannot be opened: permissions, a device cgroup, or a /dev without it.",
          "Run carrel as root; in a container, give it `--device /dev/vfio/vfio`." },
        { "memory", "Memory", GPU_BLOCKED,
          "All memory of a VM with a passed device is pinned; the host has, or has not, that much available.",
          "Free some, or give the container less (its memory limit, or `memoryMiB`)." },
        { "memory-cgroup", "Memory", GPU_BLOCKED, "A cgroup above carrel allows less than the VM pins.",
          "Raise its limit, or give the container less." },
        { "memlock", "Locked memory", GPU_BLOCKED,
          "RLIMIT_MEMLOCK is below the guest's memory, and carrel may not raise it.",
          "`LimitMEMLOCK=infinity` in the engine's service, `ulimit -l`, or CAP_SYS_RESOURCE." },
        { "huge-pages", "Huge pages", GPU_BLOCKED,
          "The configuration wants huge pages, and enough are, or are not, free.",
          "Raise `vm.nr_hugepages`, best at boot; or set `hugePages` to `auto` or `never`." },
        { "small-pages", "Huge pages", GPU_WARN,
          "8 GiB or more would come in pages of 4 KiB, since too few huge pages are free and transparent "
          "ones are "
          "off for shared memory: each start takes longer.",
          "`echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled`; or raise `vm.nr_hugepages`." },
        { "bridge", "Kind", GPU_BLOCKED, "A bridge or port: only what is behind it can be passed.", NULL },
        { "vmd", "Kind", GPU_BLOCKED,
          "The function is behind Intel's volume management device (VMD), in a domain of the kernel's own "
          "making.",
          "Turn VMD off in the firmware's setup, or ask for the VMD device, with everything behind it." },
        { "dead", "State", GPU_BLOCKED,
          "Its configuration space reads as all ones: it fell off the bus, or has no power.",
          "Restart the host; if it stays so, look at the card, its power and its slot." },
        { "bmc-display", "Kind", GPU_BLOCKED,
          "The screen of the board's management controller. It is never counted as a GPU.", NULL },
        { "not-allowed", "Kind", GPU_BLOCKED,
          "No GPU, not part of one, not bound to vfio-pci, and not among the administrator's `gpuDevices`.",
          "The administrator names it in `gpuDevices`." },
        { "virtual-functions", "Kind", GPU_BLOCKED,
          "Virtual functions of it are on: it cannot be passed as a whole.",
          "Ask for one of those, or turn them off: `echo 0 >/sys/bus/pci/devices/ADDRESS/sriov_numvfs`." },
        { "nvswitch", "Fabric", GPU_WARN,
          "The board joins its GPUs by NVSwitches, and not all of them go along: CUDA starts only once a "
          "fabric manager has set them up.",
          "Ask for `all`, or run NVIDIA's Fabric Manager on the host in shared NVSwitch mode." },
        { "quarantine", "State", GPU_BLOCKED,
          "It, or what goes along with it, did not come back from a container as it was.",
          "Look at it, then `carrel gpu release --force ADDRESS`." },
        { "held", "State", GPU_BLOCKED, "A container has it, or what goes along with it.",
          "Wait for that container to end, or ask for another device." },
        { "left-behind", "State", GPU_WARN,
          "A container had it and has gone, and whoever was to give it back was killed, too.",
          "Nothing: the next container that asks for a device has it given back first. At once: `carrel gpu "
          "release ADDRESS`, `carrel doctor --repair`." },
        { "driver", "Driver", GPU_OK, "Which driver is bound; it gets the device back.", NULL },
        { "asleep", "State", GPU_OK, "The device sleeps (D3); it is woken up for a container.", NULL },
        { "in-use", "State", GPU_BLOCKED,
          "A process has one of its nodes open, a file system or swap is on it, or its network interface is "
          "up.",
          "End what is named." },
        { "vfio-node", "vfio", GPU_BLOCKED, "It is bound to vfio-pci, but there is no `/dev/vfio/GROUP`.",
          "In a container: give it `--device /dev/vfio/GROUP`; elsewhere: let udev or devtmpfs make the "
          "node." },
        { "vfio-node-access", "vfio", GPU_BLOCKED,
          "It is bound to vfio-pci, and `/dev/vfio/GROUP` cannot be opened: permissions, or a device cgroup.",
          "In a container: give it `--device /dev/vfio/GROUP`; in a service: `DeviceAllow=`; a user: a udev "
          "rule." },
        { "boot-display", "Display", GPU_BLOCKED, "It is the display that the host booted with.",
          "Choose another one in the firmware's setup, or set `gpuBootDisplay` on a host that needs no "
          "screen." },
        { "display-active", "Display", GPU_WARN,
          "It shows the host's text console, which goes away with it. (A desktop on it is `in-use`.)", NULL },
        { "no-group", "Group", GPU_BLOCKED, "The IOMMU is on, but does not cover this function.",
          "Graphics of an Intel processor: `intel_iommu=on`; else update the firmware." },
        { "group", "Group", GPU_OK, "Its IOMMU group holds nothing else that stays on the host.", NULL },
        { "group-shared", "Group", GPU_BLOCKED,
          "Its IOMMU group holds other functions, and a group goes to one VM as a whole.",
          "Ask for all of them together, or put the card into a slot of a root port that isolates (ACS)." },
        { "companion-missing", "Slot", GPU_WARN,
          "Its header says that its slot has more functions, but the host shows none.",
          "`echo 1 >/sys/bus/pci/rescan`" },
        { "reset", "Reset", GPU_WARN,
          "How the host gets it back into a known state when the container has ended, or that it may not.",
          "AMD: the kernel module vendor-reset. Else put the card into a slot of its own." },
        { "bar-unassigned", "BARs", GPU_BLOCKED, "The host's firmware found no room for one of its BARs.",
          "Turn on Above 4G Decoding in the firmware's setup, or boot the host with `pci=realloc`." },
        { "bar-missing", "BARs", GPU_BLOCKED, "A GPU without any memory BAR on the host.",
          "As for `bar-unassigned`." },
        { "bar-slow", "BARs", GPU_WARN,
          "The host's kernel maps large BARs 4 KiB at a time: half a minute of each start for 128 GiB.",
          "Linux 6.12 or newer on the host (with QEMU 10.0 or newer)." },
        { "bar-low", "Window", GPU_BLOCKED, "BARs that must be below 4 GiB need more than a guest has there.",
          NULL },
        { "window", "Window", GPU_BLOCKED,
          "How large a window for 64-bit BARs the guest's firmware has to open, or that it cannot.",
          "Pass fewer devices to one container." },
        { "address-bits", "Window", GPU_BLOCKED,
          "The guest's memory and BARs need more address bits than the host's processor has.",
          "Give the guest less memory, pass fewer devices, or use a processor with more address bits." },
        {},
};

const GpuCode *gpu_code_find(const char *code) {
        for (const GpuCode *c = gpu_codes; c->code; c++)
                if (streq(c->code, code))
                        return c;
        return NULL;
}

void gpu_codes_describe(StrBuf *out) {
        strbuf_puts(out, "| code | at worst | what it means | what to do |\n|---|---|---|---|\n");
        for (const GpuCode *c = gpu_codes; c->code; c++)
                strbuf_printf(out, "| `%s` | %s | %s | %s |\n", c->code, gpu_severity_name(c->worst),
                              c->meaning, c->fix ? c->fix : "-");
}
