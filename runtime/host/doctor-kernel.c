/* SPDX-License-Identifier: Apache-2.0 */

/* The doctor's look at the guest's kernel and initrd: briefly as part of the host, thoroughly for --kernel. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <config.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/doctor-checks.h"
#include "runtime/host/host-root.h"
#include "runtime/host/kernel-config-check.h"
#include "runtime/host/kernel-image.h"

#define HOST_USES (KERNEL_USE_MACHINE | KERNEL_USE_CONTAINER | KERNEL_USE_DIRECT)
/* So many missing options are named in the one line of the host's report. */
#define NAMED_LACKS 4U

/* Folder of a path below the root, and the rest of it. */
typedef struct Place {
        int dir;
        const char *name; /* within the path that was split */
} Place;

static void close_place(Place *p) {
        close_descriptor(&p->dir);
}

static Place open_place(int root, const char *path) {
        const char *slash = strrchr(path, '/');
        cleanup_free char *folder = xstrndup(path, (size_t)(slash - path));

        return (Place){ .dir = host_root_open_file(root, folder, O_PATH | O_DIRECTORY), .name = slash + 1 };
}

/* ---- one line about the configuration ---- */

static bool is_hard(const KernelLack *lack, unsigned uses) {
        return lack->option->required && (lack->option->uses & uses) != 0;
}

static char *name_lacks(const KernelLack *lacks, size_t n) {
        StrBuf b = { 0 };

        for (size_t i = 0; i < n && i < NAMED_LACKS; i++)
                strbuf_printf(&b, "%sCONFIG_%s (%s)", i > 0 ? ", " : "", lacks[i].option->name,
                              kernel_use_words(lacks[i].option->uses));
        if (n > NAMED_LACKS)
                strbuf_printf(&b, " and %zu more", n - NAMED_LACKS);
        return strbuf_take(&b);
}

static void report_config(Doctor *d, const char *path, const KernelImage *image, PackFormat initrd) {
        cleanup_free KernelLack *lacks = NULL;
        cleanup_free char *names = NULL, *fix = xasprintf("carrel doctor --kernel %s explains each", path);
        DoctorStatus status = DOCTOR_WARN;
        size_t n, required = 0;

        if (!image->config) {
                doctor_add(d->report, DOCTOR_WARN, "kernel-config", "Kernel options",
                           "put the kernel's configuration beside it, as kernel.config", "cannot be told: %s",
                           image->config_problem);
                return;
        }
        n = kernel_config_check(image->config, KERNEL_USE_ALL, initrd, &lacks);
        for (size_t i = 0; i < n; i++) {
                required += lacks[i].option->required;
                if (is_hard(&lacks[i], HOST_USES))
                        status = DOCTOR_FAIL;
        }
        if (required == 0) {
                doctor_add(d->report, DOCTOR_OK, "kernel-config", "Kernel options", NULL,
                           "all that are needed, for containers, OVMF and GPUs%s",
                           n > 0 ? "; some others are off" : "");
                return;
        }
        names = name_lacks(lacks, required);
        doctor_add(d->report, status, "kernel-config", "Kernel options", fix, "lacks %s", names);
}

/* ---- the host's images ---- */

static void report_initrd(Doctor *d, PackFormat *ret) {
        const char *path = d->facts->initrd;
        struct stat st = { 0 };

        *ret = PACK_UNKNOWN;
        if (path) {
                cleanup(close_place) Place place = open_place(d->root, path);

                *ret = pack_format_of_file(place.dir, place.name);
                if (fstatat(place.dir, place.name, &st, 0) == 0 && st.st_size > 0)
                        doctor_add(d->report, DOCTOR_OK, "initrd", "Initrd", NULL, "%s, %lld KiB%s%s", path,
                                   (long long)((st.st_size + 1023) / 1024), *ret == PACK_UNKNOWN ? "" : ", ",
                                   *ret == PACK_UNKNOWN ? "" : pack_format_name(*ret));
                else
                        doctor_add(d->report, DOCTOR_FAIL, "initrd", "Initrd", "build it again: initrd/build",
                                   "%s is empty", path);
                return;
        }
        doctor_add(d->report, DOCTOR_FAIL, "initrd", "Initrd",
                   "install carrel's guest images, or build it (initrd/build) and set \"initrd\"",
                   "%s: no such file", d->config->initrd ? d->config->initrd : CARREL_DATA_DIR "/initrd");
}

static void report_image(Doctor *d, const char *path, KernelNeeds needs, DoctorStatus bad) {
        const bool uefi = needs == KERNEL_NEEDS_UEFI;
        cleanup(close_place) Place place = open_place(d->root, path);
        cleanup_error Error e = { 0 };

        if (kernel_image_check(place.dir, place.name, needs, &e) >= 0) {
                doctor_add(d->report, DOCTOR_OK, uefi ? "vmlinuz" : "vmlinux",
                           uefi ? "Kernel (firmware)" : "Kernel (direct)", NULL, "%s", path);
                return;
        }
        /* the message begins with the file's name, and the folder is missing there */
        doctor_add(d->report, bad, uefi ? "vmlinuz" : "vmlinux",
                   uefi ? "Kernel (firmware)" : "Kernel (direct)",
                   "install carrel's guest images, or build the kernel: kernel-config/build", "%.*s%s",
                   (int)(place.name - path), path, e.message);
}

/* Without a kernel for direct boot this is what SeaBIOS starts, and that needs no EFI stub. */
static void report_vmlinuz(Doctor *d, bool direct) {
        const char *path = d->facts->vmlinuz;
        cleanup(close_place) Place place = open_place(d->root, path);
        cleanup_error Error e = { 0 };
        bool startable = kernel_image_check(place.dir, place.name, KERNEL_NEEDS_DIRECT, &e) >= 0;

        report_image(d, path, KERNEL_NEEDS_UEFI,
                     streq(d->config->firmware, "ovmf") || (!direct && !startable) ? DOCTOR_FAIL
                                                                                   : DOCTOR_WARN);
}

static void report_missing(Doctor *d, const char *code, const char *title, const char *configured,
                           const char *usual, DoctorStatus status, const char *consequence) {
        doctor_add(d->report, status, code, title,
                   "install carrel's guest images, or build the kernel: kernel-config/build",
                   "%s: no such file: %s", configured ? configured : usual, consequence);
}

void doctor_check_kernel(Doctor *d) {
        const HostFacts *f = d->facts;
        bool direct_wanted =
                !streq(d->config->firmware, "ovmf") && !streq(d->config->firmware, "seabios") && f->qboot;
        bool direct = f->vmlinux && direct_wanted;
        const char *started = direct ? f->vmlinux : f->vmlinuz;
        cleanup_kernel_image KernelImage image = { 0 };
        cleanup_error Error e = { 0 };
        PackFormat initrd;

        if (f->vmlinux)
                report_image(d, f->vmlinux, KERNEL_NEEDS_DIRECT, direct ? DOCTOR_FAIL : DOCTOR_WARN);
        else
                report_missing(d, "vmlinux", "Kernel (direct)", d->config->vmlinux,
                               CARREL_DATA_DIR "/vmlinux",
                               f->vmlinuz && !streq(d->config->firmware, "none") ? DOCTOR_WARN : DOCTOR_FAIL,
                               f->vmlinuz ? "VMs start through SeaBIOS, slower" : "no VM can be started");
        if (f->vmlinuz)
                report_vmlinuz(d, direct);
        else
                report_missing(d, "vmlinuz", "Kernel (firmware)", d->config->vmlinuz,
                               CARREL_DATA_DIR "/vmlinuz", direct ? DOCTOR_WARN : DOCTOR_FAIL,
                               direct ? "VMs with a GPU cannot be started" : "no VM can be started");
        report_initrd(d, &initrd);
        if (started) {
                cleanup(close_place) Place place = open_place(d->root, started);

                if (kernel_image_read(place.dir, place.name, &image, &e) >= 0)
                        report_config(d, started, &image, initrd);
        }
}

/* ---- --kernel IMAGE ---- */

static void describe(const KernelImage *image, const char *path, DoctorReport *report) {
        const KernelFormat *f = &image->format;
        cleanup_strbuf StrBuf b = { 0 };

        strbuf_printf(&b, "%s: %s", path, kernel_kind_name(f->kind));
        if (image->version)
                strbuf_printf(&b, ", Linux %s", image->version);
        if (f->kind == KERNEL_BZIMAGE)
                strbuf_printf(&b, ", boot protocol %u.%02u, %s EFI stub, packed with %s", f->protocol >> 8,
                              f->protocol & 0xff, f->efi_stub ? "with" : "without",
                              pack_format_name(image->packed));
        else
                strbuf_puts(&b, f->pvh ? ", with PVH entry" : ", without PVH entry");
        doctor_add(report, DOCTOR_OK, "kernel", "Image", NULL, "%s", b.data);
}

/* What the image itself shows, whatever its configuration says. */
static void check_entry(const KernelFormat *f, DoctorReport *report) {
        if (f->kind == KERNEL_ELF && !f->pvh)
                doctor_add(report, DOCTOR_FAIL, "kernel-pvh", "PVH entry",
                           "set CONFIG_PVH=y, or use the bzImage", "none: nothing can start this ELF file");
        if (f->kind == KERNEL_BZIMAGE && !f->efi_stub)
                doctor_add(report, DOCTOR_WARN, "kernel-efi-stub", "EFI stub",
                           "set CONFIG_EFI=y and CONFIG_EFI_STUB=y",
                           "none: refused for VMs that boot through OVMF, as those with a GPU do, unless a "
                           "configuration "
                           "beside it has CONFIG_EFI");
}

static void report_lack(const KernelLack *lack, unsigned hard, DoctorReport *report) {
        const KernelOption *o = lack->option;
        cleanup_free char *code = xasprintf("kernel-config.%s", o->name),
                          *title = xasprintf("CONFIG_%s", o->name);
        cleanup_free char *fix = xasprintf("set CONFIG_%s=%c", o->name, o->unwanted ? 'n' : 'y');

        doctor_add(report, is_hard(lack, hard) ? DOCTOR_FAIL : DOCTOR_WARN, code, title, fix, "%s (%s): %s",
                   o->unwanted          ? "on, should be off"
                   : lack->found == 'm' ? "only a module"
                                        : "off",
                   kernel_use_words(o->uses), o->why);
}

static char *kernel_summary(const DoctorReport *report, bool known) {
        size_t failures = 0, warnings = 0;

        for (size_t i = 0; i < report->n_checks; i++) {
                failures += report->checks[i].status == DOCTOR_FAIL;
                warnings += report->checks[i].status == DOCTOR_WARN;
        }
        if (failures > 0)
                return xasprintf("This kernel does not fit: %zu thing%s that must be there %s missing.",
                                 failures, failures == 1 ? "" : "s", failures == 1 ? "is" : "are");
        if (!known)
                return xstrdup("This is a kernel; whether it has what is needed cannot be told.");
        if (warnings > 0)
                return xasprintf("This kernel fits; %zu thing%s would make it better.", warnings,
                                 warnings == 1 ? "" : "s");
        return xstrdup("This kernel has everything.");
}

int doctor_run_kernel(int dir, const char *path, DoctorReport *ret, Error *err) {
        cleanup_kernel_image KernelImage image = { 0 };
        cleanup_free KernelLack *lacks = NULL;
        cleanup_doctor_report DoctorReport report = { 0 };
        unsigned hard;
        size_t n = 0;

        if (kernel_image_read(dir, path, &image, err) < 0)
                return -err->code;
        /* An ELF kernel is only ever started directly; what GPUs need is then no more than a remark. */
        hard = image.format.kind == KERNEL_ELF ? HOST_USES : KERNEL_USE_ALL;
        describe(&image, path, &report);
        check_entry(&image.format, &report);
        if (image.config) {
                n = kernel_config_check(image.config, KERNEL_USE_ALL, PACK_UNKNOWN, &lacks);
                doctor_add(&report, DOCTOR_OK, "kernel-config", "Configuration", NULL, "from %s",
                           image.config_source);
        } else {
                doctor_add(&report, DOCTOR_WARN, "kernel-config", "Configuration",
                           "put the kernel's configuration beside it, as kernel.config", "%s",
                           image.config_problem);
        }
        for (size_t i = 0; i < n; i++)
                report_lack(&lacks[i], hard, &report);
        report.summary = kernel_summary(&report, image.config != NULL);
        *ret = report;
        report = (DoctorReport){ 0 };
        return 0;
}
