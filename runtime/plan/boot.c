/* SPDX-License-Identifier: Apache-2.0 */

/* What the machine is run with and started from: accelerator, share, firmware, kernel and its command line. */

#include <errno.h>
#include <inttypes.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/protocol/message.h"
#include "runtime/plan/planner.h"
#include "runtime/qemu/firmware.h"

/*
 * The words every guest's kernel gets.
 *
 * panic=-1           A guest whose kernel fails restarts at once; since QEMU runs with -no-reboot, that is its end.
 * reboot=t           By a triple fault, which needs no keyboard controller; the machine has none.
 * no_timer_check     Emulated timers work: under emulation 20 ms less. (On KVM the kernel skips the check itself.)
 * pci=lastbus=0      No search for buses that ACPI does not name: 16,000 of 18,000 device accesses of a boot less, each an
 *                    exit to QEMU under KVM. No gain under emulation.
 * dummy.numdummies=0 The driver is built in for programs that ask for such a link; none is there unasked.
 *
 * Measured without gain on 6.12: cryptomgr.notests, rcupdate.rcu_expedited=1, random.trust_cpu=on,
 * 8250.nr_uarts=1, lpj=N.
 */
#define APPEND_ALWAYS "console=ttyS0 panic=-1 pci=lastbus=0 reboot=t no_timer_check"
/* Above 3 GiB the kernel keeps 64 MiB for devices that cannot reach all memory. Those of a plain machine can: 65 MiB
 * less of guest and host memory, and 50 ms less. What is passed may have functions that cannot. */
#define APPEND_PLAIN "swiotlb=noforce"
#define APPEND_LAST  "dummy.numdummies=0"
#define APPEND_QUIET "quiet"
/* Under emulation the guest reads the host's time stamp counter, but has to find out its rate by timers that a busy
 * host serves late: one guest in four ran its clock at a multiple of real time, or gave the counter up. (KVM tells.) */
#define APPEND_TSC "tsc_early_khz=%" PRIu32 " tsc=reliable"

void planner_accelerator(Planner *p) {
        const char *wanted = p->config->accelerator;
        const char *problem = p->facts->kvm_problem ? p->facts->kvm_problem : "/dev/kvm is not usable";
        VmPlan *vm = &p->plan->vm;

        vm->accelerator = streq(wanted, "tcg") || (!streq(wanted, "kvm") && !p->facts->kvm) ? ACCELERATOR_TCG
                                                                                            : ACCELERATOR_KVM;
        if (streq(wanted, "kvm") && !p->facts->kvm)
                planner_warn(p, "accelerator: \"kvm\" is configured, although %s", problem);
        if (streq(wanted, "auto") && !p->facts->kvm)
                planner_warn(
                        p,
                        "accelerator: the virtual machine is emulated (tcg), which is many times slower: %s",
                        problem);
}

static int plan_share(Planner *p, Error *err) {
        const char *wanted = p->config->share;
        const char *program = p->config->virtiofsd ? p->config->virtiofsd : p->facts->virtiofsd;
        VmPlan *vm = &p->plan->vm;
        cleanup_free char *private = path_join(p->request->state_dir, STATE_PRIVATE);

        vm->share_path = path_join(private, PRIVATE_SHARE);
        vm->virtiofs_tag = xstrdup(SHARE_TAG);
        if (streq(wanted, "9p") || (streq(wanted, "auto") && !program)) {
                if (streq(wanted, "auto"))
                        planner_warn(
                                p,
                                "share: virtiofsd was not found; the guest reads its files through 9p, which "
                                "is slower and makes QEMU run as root; install virtiofsd (Debian: "
                                "qemu-system-common)");
                vm->share = SHARE_9P;
                return 0;
        }
        if (!program)
                return error_set(err, ENOENT,
                                 "share: virtiofsd was not found; install it (Debian: "
                                 "qemu-system-common), or set \"virtiofsd\" in carrel's configuration");
        vm->share = SHARE_VIRTIOFS;
        vm->virtiofsd = xstrdup(program);
        vm->virtiofsd_rust = p->facts->virtiofsd_rust;
        vm->virtiofs_cache = xstrdup(p->config->virtiofs_cache);
        return 0;
}

static int plan_firmware(Planner *p, Error *err) {
        bool automatic = streq(p->config->firmware, "auto");
        /* SeaBIOS copes badly with large BARs and option ROMs, and a direct boot places no BARs at all */
        const char *wanted = automatic && p->plan->vm.n_devices > 0 ? "ovmf" : p->config->firmware;
        bool vmlinux = p->config->vmlinux || p->facts->vmlinux;
        bool vmlinuz = p->config->vmlinuz || p->facts->vmlinuz;
        bool direct = p->facts->qboot && (vmlinux || !vmlinuz);
        VmPlan *vm = &p->plan->vm;

        if (vm->n_devices > 0 && !streq(wanted, "ovmf"))
                planner_warn(
                        p,
                        "firmware: \"%s\" is configured, but GPUs need OVMF, as a rule: else the guest does "
                        "not start, or finds no device that works; \"auto\" takes it",
                        streq(wanted, "seabios") ? wanted : "none");
        if (streq(wanted, "ovmf")) {
                vm->firmware = FIRMWARE_OVMF;
                vm->ovmf = firmware_choose(p->facts->firmware, p->facts->n_firmware);
                if (!vm->ovmf)
                        return error_set(err, ENOENT,
                                         "firmware: no OVMF for x86_64 q35 without secure boot was found "
                                         "among QEMU's firmware descriptors; install ovmf");
        } else if (streq(wanted, "seabios") || (streq(wanted, "auto") && !direct)) {
                vm->firmware = FIRMWARE_SEABIOS;
        } else {
                vm->firmware = FIRMWARE_NONE;
                if (!p->facts->qboot)
                        return error_set(err, ENOENT,
                                         "firmware: direct boot (\"none\") needs QEMU's qboot.rom, which "
                                         "was not found; choose \"seabios\"");
                vm->qboot = xstrdup(p->facts->qboot);
        }
        return 0;
}

/* One file the machine cannot do without. */
static int take_file(char **ret, const char *configured, const char *found, const char *key, const char *what,
                     Error *err) {
        if (!configured && !found)
                return error_set(err, ENOENT,
                                 "%s: %s was not found; install it, or set \"%s\" in carrel's configuration",
                                 key, what, key);
        *ret = xstrdup(configured ? configured : found);
        return 0;
}

static int plan_files(Planner *p, Error *err) {
        const RuntimeConfig *config = p->config;
        const HostFacts *facts = p->facts;
        VmPlan *vm = &p->plan->vm;
        int r = take_file(&vm->qemu, config->qemu, facts->qemu, "qemu", "qemu-system-x86_64", err);

        if (r >= 0 && vm->firmware == FIRMWARE_NONE)
                r = take_file(&vm->kernel, config->vmlinux, facts->vmlinux, "vmlinux", "the guest's kernel",
                              err);
        if (r >= 0 && vm->firmware != FIRMWARE_NONE)
                r = take_file(&vm->kernel, config->vmlinuz, facts->vmlinuz, "vmlinuz", "the guest's kernel",
                              err);
        if (r >= 0)
                r = take_file(&vm->initrd, config->initrd, facts->initrd, "initrd", "the guest's initrd",
                              err);
        return r;
}

static char *command_line(const Planner *p) {
        StrBuf b = { 0 };

        strbuf_puts(&b, APPEND_ALWAYS);
        if (p->plan->vm.n_devices == 0)
                strbuf_puts(&b, " " APPEND_PLAIN);
        strbuf_puts(&b, " " APPEND_LAST);
        if (p->plan->vm.accelerator == ACCELERATOR_TCG && p->facts->tsc_khz > 0)
                strbuf_printf(&b, " " APPEND_TSC, p->facts->tsc_khz);
        if (!p->request->debug)
                strbuf_puts(&b, " " APPEND_QUIET);
        if (p->config->kernel_append && *p->config->kernel_append)
                strbuf_printf(&b, " %s", p->config->kernel_append);
        return strbuf_take(&b);
}

int planner_machine(Planner *p, Error *err) {
        VmPlan *vm = &p->plan->vm;
        int r;

        vm->name = xstrdup(p->request->id);
        r = plan_share(p, err);
        if (r >= 0)
                r = plan_firmware(p, err);
        if (r >= 0)
                r = plan_files(p, err);
        if (r >= 0)
                vm->append = command_line(p);
        return r;
}
