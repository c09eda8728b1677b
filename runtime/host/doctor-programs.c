/* SPDX-License-Identifier: Apache-2.0 */

/* The doctor's look at what is installed and set up: QEMU, firmware, virtiofsd, users, folders. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/descriptors.h"
#include "runtime/host/doctor-checks.h"
#include "runtime/host/host-root.h"
#include "runtime/host/program-version.h"
#include "runtime/host/qemu-user.h"
#include "runtime/qemu/firmware.h"

/* Arguments as JSON for -device and -netdev, and virtio-mem as it is used here. */
#define LEAST_QEMU_MAJOR 7
#define LEAST_QEMU       "7.0"

/* ---- QEMU ---- */

void doctor_check_qemu(Doctor *d) {
        static const char fix[] =
                "install QEMU " LEAST_QEMU " or later (Debian, Ubuntu: qemu-system-x86; Fedora: "
                "qemu-system-x86-core)";
        cleanup_error Error e = { 0 };
        cleanup_free char *text = NULL;
        const char *path = d->facts->qemu, *version;
        unsigned major, minor;

        if (!path && d->config->qemu)
                doctor_add(d->report, DOCTOR_FAIL, "qemu", "QEMU",
                           "set \"qemu\" to the program, or take it out",
                           "configuration: qemu: %s: no such program", d->config->qemu);
        else if (!path)
                doctor_add(d->report, DOCTOR_FAIL, "qemu", "QEMU", fix,
                           "neither qemu-system-x86_64 nor qemu-kvm is installed");
        if (!path)
                return;
        text = program_version(d->root, path, &e);
        version = text ? strstr(text, "version ") : NULL;
        if (!version || sscanf(version, "version %u.%u", &major, &minor) != 2) {
                const char *said = text ? text : e.message;
                cleanup_free char *line = str_printable(said, strcspn(said, "\n"), 200);

                doctor_add(d->report, DOCTOR_FAIL, "qemu", "QEMU", fix, "%s does not tell its version%s%s",
                           path, *line ? ": " : "", line);
        } else if (major < LEAST_QEMU_MAJOR) {
                doctor_add(d->report, DOCTOR_FAIL, "qemu", "QEMU", fix,
                           "%s is version %u.%u; carrel needs " LEAST_QEMU, path, major, minor);
        } else {
                doctor_add(d->report, DOCTOR_OK, "qemu", "QEMU", NULL, "%s, version %.*s", path,
                           (int)strcspn(version + 8, " (\n"), version + 8);
        }
}

void doctor_check_user(Doctor *d) {
        cleanup_error Error e = { 0 };
        cleanup_free char *obstacle = NULL;
        const char *name = d->config->qemu_user;
        QemuUser user;
        uint32_t gid = 0;

        if (qemu_user_find(d->root, name, &user, &e) < 0) {
                doctor_add(d->report, DOCTOR_FAIL, "qemu-user", "QEMU's user",
                           "make that user, or set \"qemuUser\"", "configuration: qemuUser: %s", e.message);
                return;
        }
        if (d->kvm->state == KVM_STATE_USABLE)
                obstacle = qemu_user_kvm_obstacle(d->root, &user, &gid);
        if (user.uid == 0)
                doctor_add(d->report, DOCTOR_WARN, "qemu-user", "QEMU's user",
                           "set \"qemuUser\" to an account of its own",
                           "root: a guest that breaks out of QEMU owns the host");
        else if (obstacle)
                doctor_add(d->report, streq(d->config->accelerator, "kvm") ? DOCTOR_FAIL : DOCTOR_WARN,
                           "qemu-user", "QEMU's user", "chgrp kvm /dev/kvm; chmod 0660 /dev/kvm", "%s",
                           obstacle);
        else
                doctor_add(d->report, DOCTOR_OK, "qemu-user", "QEMU's user", NULL, "%s (uid %u, gid %u)",
                           name, user.uid, user.gid);
}

/* ---- firmware ---- */

void doctor_check_qboot(Doctor *d) {
        if (d->facts->qboot)
                doctor_add(d->report, DOCTOR_OK, "qboot", "qboot", NULL, "%s", d->facts->qboot);
        else
                doctor_add(d->report, streq(d->config->firmware, "none") ? DOCTOR_FAIL : DOCTOR_WARN, "qboot",
                           "qboot",
                           "install QEMU's data files (Debian, Ubuntu: qemu-system-data; Fedora: qboot)",
                           "qboot.rom is not there: VMs start through SeaBIOS, slower");
}

void doctor_check_ovmf(Doctor *d) {
        cleanup_strv char **problems = NULL;
        const FirmwareFact *chosen = firmware_choose(d->facts->firmware, d->facts->n_firmware);
        DoctorStatus bad = streq(d->config->firmware, "ovmf") ? DOCTOR_FAIL : DOCTOR_WARN;
        FirmwareFact *again = NULL;
        size_t n = 0;

        if (chosen) {
                doctor_add(d->report, DOCTOR_OK, "ovmf", "OVMF", NULL, "%s (by %s)", chosen->executable,
                           chosen->descriptor);
                return;
        }
        descriptors_collect_firmware(d->root, &again, &n, &problems);
        for (size_t i = 0; i < n; i++)
                firmware_fact_done(&again[i]);
        free(again);
        doctor_add(d->report, bad, "ovmf", "OVMF", "install it (Debian, Ubuntu: ovmf; Fedora: edk2-ovmf)",
                   "no UEFI firmware that starts a kernel without secure boot: VMs with a GPU cannot be "
                   "started%s%s",
                   problems ? "; " : "", problems ? problems[0] : "");
}

/* ---- the rest ---- */

void doctor_check_virtiofsd(Doctor *d) {
        const char *path = d->facts->virtiofsd;
        static const char install[] = "install it (Debian 12: qemu-system-common; else: virtiofsd)";

        if (path)
                doctor_add(d->report, DOCTOR_OK, "virtiofsd", "virtiofsd", NULL, "%s (%s)", path,
                           d->facts->virtiofsd_rust ? "the one in Rust" : "QEMU's own, in C");
        else if (d->config->virtiofsd)
                doctor_add(d->report, DOCTOR_FAIL, "virtiofsd", "virtiofsd",
                           "set \"virtiofsd\" to the program, or take it out",
                           "configuration: virtiofsd: %s: no such program", d->config->virtiofsd);
        else if (streq(d->config->share, "9p"))
                doctor_add(d->report, DOCTOR_OK, "virtiofsd", "virtiofsd", NULL,
                           "not installed; not needed: the configuration says share 9p");
        else if (streq(d->config->share, "virtiofs"))
                doctor_add(d->report, DOCTOR_FAIL, "virtiofsd", "virtiofsd", install,
                           "not installed, and the configuration says share virtiofs");
        else
                doctor_add(d->report, DOCTOR_WARN, "virtiofsd", "virtiofsd", install,
                           "not installed: files are shared through 9p, which is slower and makes QEMU run "
                           "as root");
}

/* The state folder itself is made when the first container is; what counts is what it is made in. */
void doctor_check_state(Doctor *d) {
        cleanup_free char *path = path_normalize(d->context->state_root);
        bool whole = true;

        for (;;) {
                cleanup_close int fd = host_root_open_file(d->root, path, O_PATH | O_DIRECTORY);
                char *slash = strrchr(path, '/');

                if (fd >= 0) {
                        if (faccessat(fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
                                doctor_add(d->report, DOCTOR_FAIL, "state", "State folder",
                                           "run carrel as root, or choose another folder with --root",
                                           "%s: %s", path, strerror(errno));
                        else
                                doctor_add(d->report, DOCTOR_OK, "state", "State folder", NULL, "%s%s",
                                           d->context->state_root, whole ? "" : " (made when needed)");
                        return;
                }
                if (errno == ENOTDIR || strcmp(path, "/") == 0) {
                        doctor_add(d->report, DOCTOR_FAIL, "state", "State folder",
                                   "choose another folder with --root", "%s: %s", path, strerror(errno));
                        return;
                }
                whole = false;
                slash[slash == path] = '\0';
        }
}
