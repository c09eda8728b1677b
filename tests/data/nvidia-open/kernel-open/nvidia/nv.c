/* SPDX-License-Identifier: MIT OR GPL-2.0 */

/* Plays nvidia.ko for QEMU's "edu" device: a PCI driver whose node only user space can make, and a folder in /proc for each
 * device it has. */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/proc_fs.h>

#define MAJOR_NUMBER 195

int nvidia_register_module(const char *name);

static struct proc_dir_entry *folder;

int nvidia_register_module(const char *name) {
        pr_info("nvidia: %s is there\n", name);
        return 0;
}
EXPORT_SYMBOL(nvidia_register_module);

static int nv_probe(struct pci_dev *device, const struct pci_device_id *id) {
        int r = pci_enable_device(device);

        if (r < 0)
                return r;
        pci_set_drvdata(device, proc_mkdir(pci_name(device), folder));
        return 0;
}

static void nv_remove(struct pci_dev *device) {
        proc_remove(pci_get_drvdata(device));
        pci_disable_device(device);
}

static const struct pci_device_id nv_ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };
MODULE_DEVICE_TABLE(pci, nv_ids);

static struct pci_driver nv_driver = {
        .name = "nvidia",
        .id_table = nv_ids,
        .probe = nv_probe,
        .remove = nv_remove,
};

static const struct file_operations nv_operations = { .owner = THIS_MODULE };

static int __init nv_init(void) {
        struct proc_dir_entry *top = proc_mkdir("driver/nvidia", NULL);
        int r;

        folder = proc_mkdir("gpus", top);
        r = register_chrdev(MAJOR_NUMBER, "nvidia", &nv_operations);
        if (r >= 0)
                r = pci_register_driver(&nv_driver);
        if (r >= 0)
                return 0;
        unregister_chrdev(MAJOR_NUMBER, "nvidia");
        proc_remove(top);
        return r;
}

static void __exit nv_exit(void) {
        pci_unregister_driver(&nv_driver);
        unregister_chrdev(MAJOR_NUMBER, "nvidia");
        remove_proc_subtree("driver/nvidia", NULL);
}

module_init(nv_init);
module_exit(nv_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_VERSION("999.01");
MODULE_FIRMWARE("nvidia/999.01/gsp_ga10x.bin");
