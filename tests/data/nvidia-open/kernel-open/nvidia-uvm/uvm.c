/* SPDX-License-Identifier: MIT OR GPL-2.0 */

/* Plays nvidia-uvm.ko: needs MMU notifiers and HMM, has a number of its own choice. */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>

int nvidia_register_module(const char *name);

static const struct file_operations uvm_operations = { .owner = THIS_MODULE };
static int major;

/* What unified memory is made of: that the kernel has it is what counts. */
static void *const needed[] = { mmu_interval_notifier_insert, hmm_range_fault, mmu_notifier_register };

static int __init uvm_init(void) {
        if (!needed[0] || nvidia_register_module("nvidia-uvm") < 0)
                return -ENODEV;
        major = register_chrdev(0, "nvidia-uvm", &uvm_operations);
        return major < 0 ? major : 0;
}

static void __exit uvm_exit(void) {
        unregister_chrdev(major, "nvidia-uvm");
}

module_init(uvm_init);
module_exit(uvm_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION("999.01");
