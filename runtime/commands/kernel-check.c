/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/kernel-check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
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

/* KernelUse bits of what asks more of the kernel than any machine does. */
static unsigned uses_of(const Plan *plan) {
        return (plan->vm.firmware == FIRMWARE_OVMF ? KERNEL_USE_UEFI : 0) |
               (plan->vm.n_devices > 0 ? KERNEL_USE_GPU : 0);
}

int kernel_check(const Plan *plan, const RuntimeConfig *config, Error *err) {
        unsigned uses = uses_of(plan);
        int r;

        if (!config->check_kernel)
                return 0;
        r = kernel_image_check(AT_FDCWD, plan->vm.kernel,
                               uses & KERNEL_USE_UEFI ? KERNEL_NEEDS_UEFI : KERNEL_NEEDS_DIRECT, err);
        if (r >= 0 && uses)
                r = kernel_image_check_options(AT_FDCWD, plan->vm.kernel, uses, err);
        if (r < 0)
                return error_prefix(err, "guest kernel");
        return plan->vm.driver ? check_driver(plan, err) : 0;
}

char *kernel_explain_processors(const Plan *plan, uint32_t online) {
        cleanup_error Error lacking = { 0 };
        int r = kernel_image_check_options(AT_FDCWD, plan->vm.kernel, uses_of(plan) | KERNEL_USE_MACHINE,
                                           &lacking);
        const char *cause = r == -EINVAL ? lacking.message : NULL;

        return xasprintf("the guest's kernel runs %" PRIu32 " of the machine's %" PRIu32 " processors; %s%s",
                         online, plan->vm.vcpus, cause ? "likely cause: " : "",
                         cause ? cause : "carrel --debug run keeps what it says of that, for carrel console");
}
