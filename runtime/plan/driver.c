/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/driver.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/plan/planner.h"

/* "a, b and c" would need more care than it is worth. */
static char *names_of(const DriverFact *drivers, size_t n) {
        StrBuf b = { 0 };

        for (size_t i = 0; i < n; i++)
                strbuf_printf(&b, "%s%s", i > 0 ? ", " : "", drivers[i].manifest->name);
        return strbuf_take(&b);
}

int driver_find(const DriverFact *drivers, size_t n, const char *name, char *const *problems,
                const DriverFact **ret, Error *err) {
        cleanup_free char *shown = str_printable(name, strlen(name), DRIVER_NAME_MAX), *names = NULL;

        for (size_t i = 0; i < n; i++)
                if (streq(drivers[i].manifest->name, name)) {
                        *ret = &drivers[i];
                        return 0;
                }
        names = names_of(drivers, n);
        return error_set(err, ENOENT, "driver bundle \"%s\" is not installed; %s%s%s%s (carrel driver list)",
                         shown, n > 0 ? "installed: " : "there is none", n > 0 ? names : "",
                         problems ? "; " : "", problems ? problems[0] : "");
}

/* 0: none of the devices. */
static int suits(const DriverManifest *manifest, const DriverDevice *devices, size_t n) {
        int best = 0;

        for (size_t i = 0; i < n; i++)
                STRV_FOR_EACH (pattern, manifest->devices) {
                        int score = driver_pattern_match(*pattern, devices[i].vendor, devices[i].device,
                                                         devices[i].class);

                        if (score > best)
                                best = score;
                }
        return best;
}

int driver_choose(const DriverFact *drivers, size_t n, const DriverDevice *devices, size_t n_devices,
                  const DriverFact **ret, Error *err) {
        const DriverFact *chosen = NULL, *rival = NULL;
        int best = 0;

        for (size_t i = 0; i < n; i++) {
                int score = suits(drivers[i].manifest, devices, n_devices);

                if (score == 0 || score < best)
                        continue;
                rival = score == best ? chosen : NULL;
                chosen = &drivers[i];
                best = score;
        }
        if (rival)
                return error_set(
                        err, ENOTUNIQ,
                        "driver: bundles \"%s\" and \"%s\" suit the device equally well; choose with "
                        "annotation " ANNOTATION_PREFIX "driver",
                        rival->manifest->name, chosen->manifest->name);
        *ret = chosen;
        return 0;
}

int driver_check_kernel(const DriverManifest *manifest, const char *vermagic, Error *err) {
        const DriverKernel *kernel = manifest->kernel;
        size_t n = strcspn(vermagic, " ");

        if (!kernel || streq(kernel->vermagic, vermagic))
                return 0;
        if (strlen(kernel->release) == n && strncmp(kernel->release, vermagic, n) == 0)
                return error_set(
                        err, EINVAL,
                        "driver bundle \"%s\" was built for kernel \"%s\", the guest kernel is \"%s\": "
                        "build it again with carrel driver build, against this kernel's tree",
                        manifest->name, kernel->vermagic, vermagic);
        return error_set(
                err, EINVAL,
                "driver bundle \"%s\" was built for kernel %s, the guest kernel is %.*s: build it again "
                "with carrel driver build, against this kernel's tree",
                manifest->name, kernel->release, (int)n, vermagic);
}

/* For the devices that are passed. That there is none is no reason to refuse them: the container may have its own. */
static int choose_for_devices(Planner *p, Error *err) {
        const GpuChoice *gpu = &p->plan->gpu;
        cleanup_free DriverDevice *devices = NULL;
        size_t n = 0;

        for (size_t i = 0; i < gpu->n_slots; i++)
                for (size_t j = 0; j < gpu->slots[i].n_functions; j++) {
                        const PciDevice *d = gpu->slots[i].functions[j];

                        devices = xreallocarray(devices, n + 1, sizeof(DriverDevice));
                        devices[n++] = (DriverDevice){ d->vendor, d->device, d->class_code };
                }
        if (n == 0)
                return 0;
        if (driver_choose(p->facts->drivers, p->facts->n_drivers, devices, n, &p->plan->vm.driver, err) < 0)
                return -err->code;
        if (!p->plan->vm.driver)
                planner_warn(
                        p,
                        "driver: no installed driver bundle is for device %04x:%04x: the guest has no driver "
                        "for it (carrel driver list)",
                        devices[0].vendor, devices[0].device);
        return 0;
}

int planner_driver(Planner *p, Error *err) {
        const HostFacts *facts = p->facts;
        const char *wanted = p->config->driver;

        if (streq(wanted, "none"))
                return 0;
        if (streq(wanted, "auto"))
                return choose_for_devices(p, err);
        return driver_find(facts->drivers, facts->n_drivers, wanted, facts->driver_problems,
                           &p->plan->vm.driver, err);
}
