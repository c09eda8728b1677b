/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/devices.h"

#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"

/* Numbers are the kernel's Documentation/admin-guide/devices.txt: the same on every host and in the guest. */
static const struct {
        const char *path;
        int64_t major, minor;
        bool bindable; /* the guest's /dev has it under this path from the start */
} standard_devices[] = {
        { "/dev/null", 1, 3, true },
        { "/dev/zero", 1, 5, true },
        { "/dev/full", 1, 7, true },
        { "/dev/random", 1, 8, true },
        { "/dev/urandom", 1, 9, true },
        { "/dev/kmsg", 1, 11, true },
        { "/dev/tty", 5, 0, true },
        { "/dev/console", 5, 1, false },
        { "/dev/ptmx", 5, 2, false },
        { "/dev/net/tun", 10, 200, true },
        { "/dev/loop-control", 10, 237, true },
        { "/dev/fuse", 10, 229, true },
};

bool device_is_standard(const OciDevice *device) {
        if (streq(device->type, "p"))
                return true;
        if (!streq(device->type, "c") && !streq(device->type, "u"))
                return false;
        for (size_t i = 0; i < ELEMENTS_OF(standard_devices); i++)
                if (device->major == standard_devices[i].major && device->minor == standard_devices[i].minor)
                        return true;
        return false;
}

bool device_is_disk(const OciDevice *device) {
        return streq(device->type, "b");
}

bool device_path_is_standard(const char *path) {
        for (size_t i = 0; i < ELEMENTS_OF(standard_devices); i++)
                if (standard_devices[i].bindable && streq(path, standard_devices[i].path))
                        return true;
        return false;
}
