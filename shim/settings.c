/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/settings.h"

#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* Owned by the caller; NULL: there is none (the kernel speaks no IPv6, the interface has gone). */
static char *read_setting(const char *setting, const char *interface) {
        const char *slash = strchr(setting, '/');
        cleanup_free char *path =
                xasprintf("/proc/sys/net/%.*s/conf/%s%s", (int)(slash - setting), setting, interface, slash);
        cleanup_error Error ignored = { 0 };
        char *text = NULL;

        return file_read_line(AT_FDCWD, path, &text, &ignored) < 0 ? NULL : text;
}

void settings_read(NetworkConfig *config) {
        for (size_t i = 0; i < NETWORK_SETTINGS && config->n_interfaces > 0; i++) {
                cleanup_free char *usual = read_setting(network_settings[i], "default");

                for (size_t j = 0; usual && j < config->n_interfaces; j++) {
                        NetworkInterface *interface = &config->interfaces[j];
                        cleanup_free char *text = read_setting(network_settings[i], interface->name);

                        /* a negative one (accept_ra of newer kernels) means nothing to others */
                        if (text && *text != '-' && !streq(text, usual))
                                str_map_set(&interface->settings, network_settings[i], text);
                }
        }
}
