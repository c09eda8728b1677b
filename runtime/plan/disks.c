/* SPDX-License-Identifier: Apache-2.0 */

/* Block devices of the host that the container is given (docker run --device /dev/sdb): the machine gets each as a disk,
 * which the agent finds by its serial number and gives the container under the path that was asked for. */

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/plan/devices.h"
#include "runtime/plan/planner.h"

/* linux/kdev_t.h: 12 and 20 bits */
#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

static bool matches(const OptInt64 *number, int64_t value) {
        return !number->set || number->value == -1 || number->value == value;
}

/* The last rule decides, letter by letter; what no rule allows is denied. */
static bool may_write(const OciResources *resources, const OciDevice *device) {
        bool write = false;

        for (size_t i = 0; resources && i < resources->n_devices; i++) {
                const OciDeviceRule *rule = &resources->devices[i];
                bool kind = !rule->type || !*rule->type || streq(rule->type, "a") || streq(rule->type, "b");

                if (kind && matches(&rule->major, device->major) && matches(&rule->minor, device->minor) &&
                    (!rule->access || strchr(rule->access, 'w')))
                        write = rule->allow;
        }
        return write;
}

static bool is_known(const LaunchPlan *launch, const OciDevice *device) {
        for (size_t i = 0; i < launch->n_disks; i++)
                if (launch->disks[i].major == device->major && launch->disks[i].minor == device->minor)
                        return true;
        return false;
}

static int add_disk(Planner *p, const OciDevice *device, Error *err) {
        LaunchPlan *launch = &p->plan->launch;

        if (device->major < 0 || device->major > MAJOR_MAX || device->minor < 0 || device->minor > MINOR_MAX)
                return error_set(err, EINVAL, "major, minor: not the number of a device");
        if (p->request->pod)
                return error_set(err, ENOTSUP,
                                 "a block device cannot be added to the running virtual machine of a pod; "
                                 "give it to the pod's first container");
        if (is_known(launch, device))
                return 0;
        if (launch->n_disks == DISKS_MAX)
                return error_set(err, ENOTSUP,
                                 "a virtual machine takes at most %u block devices; leave some out",
                                 DISKS_MAX);
        launch->disks = xreallocarray(launch->disks, launch->n_disks + 1, sizeof(LaunchDisk));
        launch->disks[launch->n_disks++] = (LaunchDisk){
                .major = (uint32_t)device->major,
                .minor = (uint32_t)device->minor,
                .read_only = !may_write(p->spec->linux_->resources, device),
        };
        return 0;
}

int planner_disks(Planner *p, Error *err) {
        const OciLinux *linux_ = p->spec->linux_;

        /* a privileged container lists all that the host has, and means its own machine's */
        if (!linux_ || oci_allows_all_devices(linux_->resources))
                return 0;
        for (size_t i = 0; i < linux_->n_devices; i++) {
                const OciDevice *device = &linux_->devices[i];

                if (device_is_disk(device) && add_disk(p, device, err) < 0) {
                        cleanup_free char *path = str_printable(device->path, strlen(device->path), 200);

                        return error_prefix(err, "config.json: linux.devices[%zu] (%s)", i, path);
                }
        }
        return 0;
}
