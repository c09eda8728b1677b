// SPDX-License-Identifier: GPL-2.0
/*
 * A driver without a device. Two ways to a node: a misc device, for which the kernel makes /dev/carrel-example, and a
 * character device that only has a number, as NVIDIA's has. Both read the words, the parameter, and the firmware.
 */
#include <linux/firmware.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>

const char *carrel_example_words(void);

static char *greeting = "";
module_param(greeting, charp, 0444);
MODULE_PARM_DESC(greeting, "Said in front of the words");

static bool fail;
module_param(fail, bool, 0444);
MODULE_PARM_DESC(fail, "Refuse to be loaded");

static char text[256];
static int major;
static struct platform_device *platform;

static ssize_t example_read(struct file *file, char __user *to, size_t n, loff_t *offset) {
        return simple_read_from_buffer(to, n, offset, text, strlen(text));
}

static const struct file_operations example_operations = {
        .owner = THIS_MODULE,
        .read = example_read,
};

static struct miscdevice example_device = {
        .minor = MISC_DYNAMIC_MINOR,
        .name = "carrel-example",
        .fops = &example_operations,
};

static void compose(void) {
        const struct firmware *firmware = NULL;

        if (firmware_request_nowarn(&firmware, "carrel-example.txt", &platform->dev) < 0)
                firmware = NULL;
        scnprintf(text, sizeof(text), "%s%s%s; firmware: %.*s\n", greeting, *greeting ? " " : "",
                  carrel_example_words(), firmware ? (int)firmware->size : 4,
                  firmware ? (const char *)firmware->data : "none");
        release_firmware(firmware);
}

static int __init example_init(void) {
        int r;

        if (fail) {
                pr_err("carrel-example: no such device, since it was told so\n");
                return -ENODEV;
        }
        platform = platform_device_register_simple("carrel-example", PLATFORM_DEVID_NONE, NULL, 0);
        if (IS_ERR(platform))
                return PTR_ERR(platform);
        compose();
        major = register_chrdev(0, "carrel-example-raw", &example_operations);
        r = major < 0 ? major : misc_register(&example_device);
        if (r == 0)
                return 0;
        if (major >= 0)
                unregister_chrdev(major, "carrel-example-raw");
        platform_device_unregister(platform);
        return r;
}

static void __exit example_exit(void) {
        misc_deregister(&example_device);
        unregister_chrdev(major, "carrel-example-raw");
        platform_device_unregister(platform);
}

module_init(example_init);
module_exit(example_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Example driver of a driver bundle");
