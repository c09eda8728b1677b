/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/qemu/virtiofsd.h"

static char **argv_c(const VmPlan *vm) {
        char **argv = NULL;

        strv_append(&argv, vm->virtiofsd);
        strv_printf(&argv, "--fd=%d", VIRTIOFSD_FD_SOCKET);
        strv_append(&argv, "-o");
        strv_printf(&argv, "source=%s", vm->share_path);
        return argv;
}

static char **argv_rust(const VmPlan *vm) {
        char **argv = NULL;

        strv_append(&argv, vm->virtiofsd);
        strv_printf(&argv, "--fd=%d", VIRTIOFSD_FD_SOCKET);
        strv_printf(&argv, "--shared-dir=%s", vm->share_path);
        return argv;
}

char **virtiofsd_argv(const VmPlan *vm) {
        return vm->virtiofsd_rust ? argv_rust(vm) : argv_c(vm);
}
