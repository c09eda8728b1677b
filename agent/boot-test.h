/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What stands in for boot.h when the agent runs under test, in namespaces instead of a virtual machine. */

#include "common/base/error.h"

typedef struct BootTestOptions {
        int channel;       /* --test-fd; -1: not a test */
        const char *share; /* --share: the folder that is bound to GUEST_SHARE */
} BootTestOptions;

int boot_test_parse(int argc, char **argv, BootTestOptions *ret, Error *err);
/* In mount and cgroup namespaces of its own. */
int boot_test_prepare(const BootTestOptions *options, Error *err);
