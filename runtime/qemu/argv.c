/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/qemu/argv.h"

#include <inttypes.h>

#include "common/base/mem.h"
#include "common/protocol/message.h"
#include "runtime/qemu/gpu.h"

/* Ports, disks and clocks of a PC that neither firmware nor guest has a use for: each would be probed at boot. */
#define MACHINE "q35,sata=off,smbus=off,i8042=off,usb=off,vmport=off,hpet=off"

#define VIRTIOFS_QUEUE_SIZE 1024U /* the most vhost-user-fs takes */

char *qemu_escape(const char *text) {
        StrBuf b = { 0 };

        for (; *text; text++) {
                strbuf_putc(&b, *text);
                if (*text == ',')
                        strbuf_putc(&b, ',');
        }
        return strbuf_take(&b);
}

static void option(char ***argv, const char *name, const char *value) {
        strv_append(argv, name);
        if (value)
                strv_append(argv, value);
}

/* ---- options whose value is JSON ---- */

static void json_option(char ***argv, const char *name, Json *value) {
        cleanup_json Json *owned = value;

        strv_append(argv, name);
        strv_take(argv, json_tree_to_text(owned, false));
}

static Json *object(const char *kind, const char *type) {
        Json *o = json_new_object();

        json_set(o, kind, json_new_string(type));
        return o;
}

static void set_string(Json *o, const char *key, const char *value) {
        json_set(o, key, json_new_string(value));
}

/* A device on the root bus, without the I/O ports of the time before virtio 1.0. */
static Json *modern_device(const char *driver) {
        Json *o = object("driver", driver);

        set_string(o, "disable-legacy", "on");
        return o;
}

/* ---- parts of the machine ---- */

static void add_process(char ***argv, const VmPlan *vm) {
        cleanup_free char *name = qemu_escape(vm->name);

        strv_append(argv, vm->qemu);
        strv_append(argv, "-name");
        strv_printf(argv, "guest=%s,debug-threads=on", name);
        option(argv, "-nodefaults", NULL);
        option(argv, "-no-user-config", NULL);
        option(argv, "-display", "none");
        option(argv, "-no-reboot", NULL);
        option(argv, "-msg", "timestamp=off");
        option(argv, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void add_machine(char ***argv, const VmPlan *vm) {
        bool kvm = vm->accelerator == ACCELERATOR_KVM;
        const char *flash =
                vm->firmware == FIRMWARE_OVMF && streq(vm->ovmf->device, "flash") ? ",pflash0=firmware" : "";

        strv_append(argv, "-accel");
        if (kvm)
                strv_append(argv, "kvm");
        else
                /* Not thread=multi: QEMU before 8.1 can run a translation of code that another processor has just changed.
                 * The guest's kernel changes its own code while it boots (jump labels), and dies of a breakpoint
                 * instruction that is long gone: one boot in a hundred on a busy host. */
                strv_printf(argv, "tcg,thread=single,tb-size=%u", TCG_CODE_MIB);
        strv_append(argv, "-machine");
        strv_printf(argv, MACHINE ",memory-backend=ram%s", flash);
        /* Nothing is ever migrated: the guest may rely on what this very processor has, such as a constant clock. */
        strv_append(argv, "-cpu");
        strv_printf(argv, "%s%s%s", kvm ? "host,migratable=off" : "max",
                    kvm && vm->n_devices > 0 ? ",host-phys-bits=on" : "",
                    kvm && vm->hide_hypervisor ? ",kvm=off" : "");
        strv_append(argv, "-smp");
        strv_printf(argv, "cpus=%" PRIu32 ",sockets=1,cores=%" PRIu32 ",threads=1", vm->vcpus, vm->vcpus);
        strv_append(argv, "-m");
        strv_printf(argv, "size=%" PRIu64 "M", vm->memory_mib);
}

static void add_memory(char ***argv, const VmPlan *vm) {
        Json *o = object("qom-type", "memory-backend-memfd");

        set_string(o, "id", "ram");
        json_set(o, "size", json_new_uint64(vm->memory_mib << 20));
        /* virtiofsd writes into the guest's memory; nobody else has to see it. */
        json_set(o, "share", json_new_bool(vm->share == SHARE_VIRTIOFS));
        /* What the guest has in memory is not for core dumps of QEMU, nor to be compared with other guests' pages. */
        json_set(o, "dump", json_new_bool(false));
        json_set(o, "merge", json_new_bool(false));
        if (vm->pinned)
                qemu_gpu_memory(o, vm);
        json_option(argv, "-object", o);
}

static void add_flash(char ***argv, const FirmwareFact *ovmf) {
        Json *file = object("driver", "file");
        Json *node = object("driver", "raw");

        set_string(file, "filename", ovmf->executable);
        json_set(file, "read-only", json_new_bool(true));
        set_string(node, "node-name", "firmware");
        json_set(node, "read-only", json_new_bool(true));
        json_set(node, "file", file);
        json_option(argv, "-blockdev", node);
}

static void add_boot(char ***argv, const VmPlan *vm) {
        if (vm->firmware == FIRMWARE_NONE)
                option(argv, "-bios", vm->qboot);
        if (vm->firmware == FIRMWARE_OVMF && streq(vm->ovmf->device, "flash"))
                add_flash(argv, vm->ovmf);
        else if (vm->firmware == FIRMWARE_OVMF)
                option(argv, "-bios", vm->ovmf->executable);
        option(argv, "-kernel", vm->kernel);
        option(argv, "-initrd", vm->initrd);
        option(argv, "-append", vm->append);
}

static void add_socket(char ***argv, const char *id, int fd) {
        strv_append(argv, "-chardev");
        strv_printf(argv, "socket,id=%s,fd=%d", id, fd);
}

static void add_channels(char ***argv) {
        Json *console = object("driver", "isa-serial");
        Json *serial = modern_device("virtio-serial-pci");
        Json *port = object("driver", "virtserialport");

        add_socket(argv, "qmp", QEMU_FD_QMP);
        option(argv, "-mon", "chardev=qmp,mode=control");

        add_socket(argv, "console", QEMU_FD_CONSOLE);
        set_string(console, "chardev", "console");
        json_option(argv, "-device", console);

        add_socket(argv, "agent", QEMU_FD_AGENT);
        set_string(serial, "id", "serial");
        /* The fewer ports, the fewer queues to set up; port 0 is for a console. */
        json_set(serial, "max_ports", json_new_uint64(2));
        json_option(argv, "-device", serial);
        set_string(port, "bus", "serial.0");
        json_set(port, "nr", json_new_uint64(1));
        set_string(port, "chardev", "agent");
        set_string(port, "name", AGENT_PORT_NAME);
        json_option(argv, "-device", port);
}

static void add_virtiofs(char ***argv, const VmPlan *vm) {
        Json *o = object("driver", "vhost-user-fs-pci");

        add_socket(argv, "virtiofs", QEMU_FD_VIRTIOFS);
        set_string(o, "chardev", "virtiofs");
        set_string(o, "tag", vm->virtiofs_tag);
        json_set(o, "queue-size", json_new_uint64(VIRTIOFS_QUEUE_SIZE));
        json_option(argv, "-device", o);
}

static void add_network(char ***argv, const VmPlan *vm) {
        for (uint32_t i = 0; i < vm->network_cards; i++) {
                cleanup_free char *netdev = xasprintf("net%" PRIu32, i),
                                  *mac = xasprintf(NETWORK_CARD_MAC, i);
                Json *o = modern_device("virtio-net-pci");

                strv_append(argv, "-netdev");
                strv_printf(argv, "tap,id=%s,fd=%" PRIu32, netdev, QEMU_FD_TAP + i);
                set_string(o, "netdev", netdev);
                set_string(o, "mac", mac);
                set_string(o, "romfile", ""); /* nobody boots from the network */
                json_option(argv, "-device", o);
        }
}

/* The shim opens the bundle, wherever it is: QEMU's user need not be able to. */
static void add_driver(char ***argv) {
        Json *file = object("driver", "file");
        Json *node = object("driver", "raw");
        Json *o = modern_device("virtio-blk-pci");

        strv_append(argv, "-add-fd");
        strv_printf(argv, "fd=%d,set=1", QEMU_FD_DRIVER);
        set_string(file, "filename", "/dev/fdset/1");
        json_set(file, "read-only", json_new_bool(true));
        set_string(node, "node-name", "driver");
        json_set(node, "read-only", json_new_bool(true));
        json_set(node, "file", file);
        json_option(argv, "-blockdev", node);
        set_string(o, "drive", "driver");
        set_string(o, "serial", DRIVER_SERIAL);
        json_set(o, "num-queues", json_new_uint64(1));
        json_option(argv, "-device", o);
}

/* The shim has opened it (set 1 is the driver bundle's); the agent finds it by its serial number. Nobody else's use of it is locked out, as with runc. */
static void add_disk(char ***argv, const LaunchDisk *disk, uint32_t i) {
        cleanup_free char *node = xasprintf("disk%" PRIu32, i),
                          *set = xasprintf("/dev/fdset/%" PRIu32, i + 2),
                          *serial = xasprintf(DISK_SERIAL, disk->major, disk->minor);
        Json *block = object("driver", "host_device");
        Json *device = modern_device("virtio-blk-pci");

        strv_append(argv, "-add-fd");
        strv_printf(argv, "fd=%" PRIu32 ",set=%" PRIu32, QEMU_FD_DISK + i, i + 2);
        set_string(block, "node-name", node);
        set_string(block, "filename", set);
        json_set(block, "read-only", json_new_bool(disk->read_only));
        set_string(block, "locking", "off");
        set_string(block, "discard", "unmap");
        json_option(argv, "-blockdev", block);
        set_string(device, "drive", node);
        set_string(device, "serial", serial);
        json_option(argv, "-device", device);
}

static void add_9p(char ***argv, const VmPlan *vm) {
        Json *o = modern_device("virtio-9p-pci");
        cleanup_free char *path = qemu_escape(vm->share_path);

        strv_append(argv, "-fsdev");
        strv_printf(argv, "local,id=share,path=%s,security_model=passthrough,multidevs=remap", path);
        set_string(o, "fsdev", "share");
        set_string(o, "mount_tag", vm->virtiofs_tag);
        json_option(argv, "-device", o);
}

char **qemu_argv(const VmPlan *vm) {
        char **argv = NULL;

        add_process(&argv, vm);
        add_machine(&argv, vm);
        add_memory(&argv, vm);
        add_boot(&argv, vm);
        add_channels(&argv);
        if (vm->share == SHARE_VIRTIOFS)
                add_virtiofs(&argv, vm);
        else
                add_9p(&argv, vm);
        add_network(&argv, vm);
        if (vm->n_devices > 0)
                qemu_gpu_argv(&argv, vm);
        if (vm->driver)
                add_driver(&argv);
        for (uint32_t i = 0; i < vm->n_disks; i++)
                add_disk(&argv, &vm->disks[i], i);
        return argv;
}
