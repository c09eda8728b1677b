/* SPDX-License-Identifier: Apache-2.0 */

/* A NetworkConfig as a guest gets it: what the reader lets through must be what the kernel may be asked for. */

#include <stdlib.h>

#include "agent/network-wish.h"
#include "tests/fuzz/fuzz.h"

static void check(const Wish *wish) {
        for (size_t i = 0; i < wish->items.n; i++) {
                const NetworkItem *item = &wish->items.items[i];

                free(network_item_text(item));
                if (item->prefix > 8U * ip_size(item->address.family))
                        abort();
                if (item->link != WISH_LOOPBACK && item->link > wish->n_interfaces)
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup(wish_freep) Wish *wish = NULL;
        cleanup_error Error error = { 0 };
        NetworkConfig config = { 0 };

        if (json_read_text((const char *)data, size, NULL, network_config_fields, &config, &error) < 0)
                return 0;
        if (wish_new(&config, &wish, &error) >= 0)
                check(wish);
        json_clear(network_config_fields, &config);
        return 0;
}
