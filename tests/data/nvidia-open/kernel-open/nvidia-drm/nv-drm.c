/* SPDX-License-Identifier: MIT OR GPL-2.0 */

/* Plays nvidia-drm.ko: needs DRM, which is a module of the kernel's own. */
#include <drm/drm_drv.h>
#include <drm/drm_print.h>
#include <linux/module.h>

int nvkms_word(void);

static bool modeset;
module_param(modeset, bool, 0444);

static int __init drm_start(void) {
        drm_printf(&(struct drm_printer){ .printfn = __drm_printfn_info }, "nvidia-drm %d\n",
                   modeset ? nvkms_word() : 0);
        return 0;
}

static void __exit drm_end(void) {
}

module_init(drm_start);
module_exit(drm_end);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION("999.01");
