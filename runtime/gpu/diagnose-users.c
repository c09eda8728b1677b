/* SPDX-License-Identifier: Apache-2.0 */

/* Who has a device, or what goes along with it: containers of ours, processes, file systems. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/diagnose.h"

#define NAMED_MAX 4U /* users that one line names */

/* What ends a user, by the name of its program (the 15 bytes that the kernel keeps). */
static const struct {
        const char *name, *fix;
} enders[] = {
        { "nvidia-persiste", "systemctl stop nvidia-persistenced" },
        { "nvidia-fabricma", "systemctl stop nvidia-fabricmanager" },
        { "nv-hostengine", "systemctl stop nvidia-dcgm" },
        { "dcgm-exporter", "stop dcgm-exporter" },
        { "Xorg", "stop the desktop (systemctl isolate multi-user.target)" },
        { "Xwayland", "stop the desktop (systemctl isolate multi-user.target)" },
        { "systemd-logind", "stop the desktop (systemctl isolate multi-user.target)" },
        { "gnome-shell", "stop the desktop (systemctl isolate multi-user.target)" },
        { "kwin_wayland", "stop the desktop (systemctl isolate multi-user.target)" },
        { "plymouthd", "wait for the boot to end (plymouth quit)" },
        { "pipewire", "stop the sound server (systemctl --user stop pipewire.socket pipewire wireplumber)" },
        { "wireplumber",
          "stop the sound server (systemctl --user stop pipewire.socket pipewire wireplumber)" },
        { "pulseaudio", "stop the sound server (systemctl --user stop pulseaudio.socket pulseaudio)" },
        { "qemu-system-x86", "shut down that virtual machine" },
        { "qemu-kvm", "shut down that virtual machine" },
};

/* NULL: a process that nothing more is known of. */
static char *ender_of(const PciUser *u) {
        if (streq(u->name, "mount") && streq(u->what, "/"))
                return xstrdup("choose another device: the host runs from this one");
        if (streq(u->name, "mount"))
                return xasprintf("umount %s", u->what);
        if (streq(u->name, "swap"))
                return xasprintf("swapoff %s", u->what);
        if (streq(u->name, "interface"))
                return xasprintf("ip link set %s down, if the host can do without", u->what);
        if (u->pid == 0)
                return xstrdup("take apart what is built on it (lsblk shows it)");
        if (u->container)
                return xasprintf("end container %.12s", u->container);
        for (size_t i = 0; i < ELEMENTS_OF(enders); i++)
                if (streq(u->name, enders[i].name))
                        return xstrdup(enders[i].fix);
        return NULL;
}

static void name_user(StrBuf *list, const PciUser *u) {
        if (streq(u->name, "mount"))
                strbuf_printf(list, "a file system of it is mounted on %s", u->what);
        else if (streq(u->name, "swap"))
                strbuf_printf(list, "the host swaps to %s", u->what);
        else if (streq(u->name, "interface"))
                strbuf_printf(list, "network interface %s is up", u->what);
        else if (u->pid == 0)
                strbuf_printf(list, "%s is built on it", u->what);
        else
                strbuf_printf(list, "process %" PRId32 " (%s) has %s open", u->pid, u->name, u->what);
        if (u->container)
                strbuf_printf(list, " in container %.12s", u->container);
}

/* What ends the first of them, each way once. */
static char *fix_of(const PciUser *users, size_t n) {
        cleanup_strv char **ways = NULL;
        cleanup_strbuf StrBuf pids = { 0 };
        size_t others = 0;

        for (size_t i = 0; i < n && i < NAMED_MAX; i++) {
                cleanup_free char *way = ender_of(&users[i]);

                if (way && !strv_contains(ways, way))
                        strv_append(&ways, way);
                if (!way)
                        strbuf_printf(&pids, "%s%" PRId32, others++ > 0 ? ", " : "", users[i].pid);
        }
        if (others > 0)
                strv_take(&ways, xasprintf("end process%s %s, and what starts %s again",
                                           others > 1 ? "es" : "", pids.data, others > 1 ? "them" : "it"));
        return strv_join(ways, "; ");
}

char *gpu_users_to_text(const PciDevice *device) {
        StrBuf list = { 0 };

        if (device->n_users == 0)
                return NULL;
        for (size_t i = 0; i < device->n_users && i < NAMED_MAX; i++) {
                strbuf_puts(&list, i > 0 ? ", " : "");
                name_user(&list, &device->users[i]);
        }
        if (device->n_users > NAMED_MAX)
                strbuf_printf(&list, " and %zu more", device->n_users - NAMED_MAX);
        return strbuf_take(&list);
}

static void find_users(const PciDevice *device, const char *whose, GpuFindings *f) {
        cleanup_free char *list = gpu_users_to_text(device);
        cleanup_free char *fix = fix_of(device->users, device->n_users);

        if (list)
                gpu_findings_add(f, GPU_BLOCKED, "in-use", fix, "%sit is in use: %s", whose, list);
}

/* A lease says more than that its QEMU has the device open. */
static void find_owner(const PciDevice *device, const char *whose, const GpuNeeds *needs, GpuFindings *f) {
        if (device->quarantine) {
                cleanup_free char *fix =
                        xasprintf("look at it, then: carrel gpu release --force %s", device->address);

                gpu_findings_add(f, GPU_BLOCKED, "quarantine", fix, "%sit is in quarantine: %s", whose,
                                 device->quarantine);
        }
        if (device->holder && !streq(device->holder, needs->self))
                gpu_findings_add(f, GPU_BLOCKED, "held",
                                 "wait for that container to end, or ask for another device",
                                 "%scontainer %s has it", whose, device->holder);
        else if (!device->holder)
                find_users(device, whose, f);
}

static void find_left(const PciDevice *device, const char *whose, GpuFindings *f) {
        cleanup_free char *fix = NULL;

        if (!device->left_by)
                return;
        fix = xasprintf("nothing: the next container that asks for a device has it given back first; at "
                        "once: carrel gpu "
                        "release %s",
                        device->address);
        gpu_findings_add(f, GPU_WARN, "left-behind", fix,
                         "%scontainer %s had it and has gone without giving it back", whose, device->left_by);
}

static void find_driver(const PciDevice *device, GpuFindings *f) {
        if (!device->driver)
                gpu_findings_add(f, GPU_OK, "driver", NULL, "no driver is bound");
        else if (streq(device->driver, "vfio-pci"))
                gpu_findings_add(f, GPU_OK, "driver", NULL, "bound to vfio-pci, and stays so");
        else
                gpu_findings_add(f, GPU_OK, "driver", NULL,
                                 "bound to %s, which gets it back when the container has ended",
                                 device->driver);
}

static void find_node(const PciDevice *device, GpuFindings *f) {
        cleanup_free char *fix = NULL;

        if (device->node_problem) {
                cleanup_free char *node = xasprintf("/dev/vfio/%" PRId32, device->group);

                fix = gpu_fix_of_access(node, device->node_problem);
                gpu_findings_add(f, GPU_BLOCKED, "vfio-node-access", fix, "%s cannot be opened: %s", node,
                                 device->node_problem);
        }
        if (!device->node_missing)
                return;
        fix = xasprintf(
                "let udev or devtmpfs make it; if carrel runs in a container: --device /dev/vfio/%" PRId32,
                device->group);
        gpu_findings_add(f, GPU_BLOCKED, "vfio-node", fix,
                         "it is bound to vfio-pci, but there is no /dev/vfio/%" PRId32, device->group);
}

bool gpu_is_behind(const PciDevice *device, const PciDevice *other) {
        return streq(device->driver, "vmd") && pci_is_behind_vmd(other) && !pci_is_bridge(other) &&
               device->group >= 0 && device->group == other->group;
}

void gpu_diagnose_users(const GpuFacts *facts, const PciDevice *device, const GpuNeeds *needs,
                        GpuFindings *f) {
        if (!device->holder && !device->left_by && !device->quarantine)
                find_driver(device, f);
        find_owner(device, "", needs, f);
        find_left(device, "", f);
        find_node(device, f);
        for (size_t i = 0; i < facts->n_devices; i++) {
                const PciDevice *d = &facts->devices[i];
                cleanup_free char *whose = NULL;

                if (!gpu_is_companion(device, d) && !gpu_is_behind(device, d))
                        continue;
                whose = xasprintf("%s %s goes along, and ", pci_class_words(d->class_code), d->address);
                if (d->dead)
                        gpu_findings_add(
                                f, GPU_BLOCKED, "dead",
                                "restart the host; if it stays so, look at the card, its power and its slot",
                                "%sit does not answer: its configuration space reads as all ones", whose);
                if (!d->holder || !streq(d->holder, device->holder))
                        find_owner(d, whose, needs, f);
                if (!streq(d->left_by, device->left_by))
                        find_left(d, whose, f);
                if (d->group != device->group)
                        find_node(d, f);
        }
}
