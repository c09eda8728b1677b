/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/kernel-check.h"

#include <fcntl.h>

#include "common/base/cleanup.h"
#include "runtime/host/kernel-config-check.h"
#include "runtime/host/kernel-image.h"
#include "runtime/plan/driver.h"

/* Modules of another kernel are refused before there is a machine that would. */
static int check_driver(const Plan *plan, Error *err) {
        cleanup_free char *vermagic = NULL;

        if (!plan->vm.driver->manifest->kernel)
                return 0;
        if (kernel_image_vermagic(AT_FDCWD, plan->vm.kernel, &vermagic, err) < 0)
                return error_prefix(err, "guest kernel");
        return driver_check_kernel(plan->vm.driver->manifest, vermagic, err);
}

int kernel_check(const Plan *plan, const RuntimeConfig *config, Error *err) {
        bool uefi = plan->vm.firmware == FIRMWARE_OVMF, gpu = plan->vm.n_devices > 0;
        unsigned uses = (uefi ? KERNEL_USE_UEFI : 0) | (gpu ? KERNEL_USE_GPU : 0);
        int r;

        if (!config->check_kernel)
                return 0;
        r = kernel_image_check(AT_FDCWD, plan->vm.kernel, uefi ? KERNEL_NEEDS_UEFI : KERNEL_NEEDS_DIRECT,
                               err);
        if (r >= 0 && uses)
                r = kernel_image_check_options(AT_FDCWD, plan->vm.kernel, uses, err);
        if (r < 0)
                return error_prefix(err, "guest kernel");
        return plan->vm.driver ? check_driver(plan, err) : 0;
}
