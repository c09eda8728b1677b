// SPDX-License-Identifier: GPL-2.0
/* What carrel-example says; a module of its own, so that the bundle has an order. */
#include <linux/module.h>

const char *carrel_example_words(void);

const char *carrel_example_words(void) {
        return "hello from the driver bundle";
}
EXPORT_SYMBOL_GPL(carrel_example_words);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Words of the example driver");
