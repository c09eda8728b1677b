/* SPDX-License-Identifier: MIT OR GPL-2.0 */

/* Plays nvidia-modeset.ko. */
#include <linux/module.h>

int nvidia_register_module(const char *name);
int nvkms_word(void);

int nvkms_word(void) {
        return 1;
}
EXPORT_SYMBOL(nvkms_word);

static int __init modeset_init(void) {
        return nvidia_register_module("nvidia-modeset");
}

static void __exit modeset_exit(void) {
}

module_init(modeset_init);
module_exit(modeset_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION("999.01");
