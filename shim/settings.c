/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/settings.h"

#include <fcntl.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

/* Owned by the caller; NULL: there is none (the kernel speaks no IPv6, the interface has gone). */
static char *read_setting(size_t setting, const char *interface) {
        cleanup_free char *path = network_setting_path(setting, interface);
        cleanup_error Error ignored = { 0 };
        char *text = NULL;

        return file_read_line(AT_FDCWD, path, &text, &ignored) < 0 ? NULL : text;
}

/* What an interface has that nobody has set. The defaults for neighbours are to be seen in the first namespace only; here
 * lo has them. */
static char *read_usual(size_t setting) {
        char *text = read_setting(setting, "default");

        return text ? text : read_setting(setting, "lo");
}

void settings_read(NetworkConfig *config) {
        for (size_t i = 0; i < NETWORK_SETTINGS && config->n_interfaces > 0; i++) {
                cleanup_free char *usual = read_usual(i);

                for (size_t j = 0; usual && j < config->n_interfaces; j++) {
                        NetworkInterface *interface = &config->interfaces[j];
                        cleanup_free char *text = read_setting(i, interface->name);

                        /* a negative one (accept_ra of newer kernels) means nothing to others */
                        if (text && *text != '-' && !streq(text, usual))
                                str_map_set(&interface->settings, network_settings[i], text);
                }
        }
}
