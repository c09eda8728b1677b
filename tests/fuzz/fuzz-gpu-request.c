/* SPDX-License-Identifier: Apache-2.0 */

/* The value of the annotation io.carrel.gpu: what is understood means something, and says the same when it is written
 * again; what is not is refused in one line. */

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/request.h"
#include "tests/fuzz/fuzz.h"

static char *wish_text(const GpuWish *wish) {
        char address[PCI_ADDRESS_SIZE];

        switch (wish->kind) {
        case GPU_WISH_ADDRESS:
                pci_address_format(&wish->address, address);
                return xstrdup(address);
        case GPU_WISH_MODEL:
                if (wish->vendor > 0xffff || wish->device > 0xffff)
                        abort();
                return xasprintf("%04x:%04x", wish->vendor, wish->device);
        case GPU_WISH_COUNT:
                if (wish->number == 0 || wish->number > GPU_WISHES_MAX)
                        abort();
                return xasprintf("%u", wish->number);
        case GPU_WISH_ALL:
                return xstrdup("all");
        case GPU_WISH_INDEX:
        case GPU_WISH_GROUP:
        case _GPU_WISH_KIND_MAX:
                break;
        }
        abort();
}

static bool same(const GpuWish *a, const GpuWish *b) {
        return a->kind == b->kind && pci_address_compare(&a->address, &b->address) == 0 &&
               a->vendor == b->vendor && a->device == b->device && a->number == b->number &&
               streq(a->source, b->source);
}

/* Written again and read again: the same. */
static void check_round_trip(const GpuRequest *request) {
        cleanup_gpu_request GpuRequest again = { 0 };
        cleanup_strv char **items = NULL;
        cleanup_free char *text = NULL;
        cleanup_error Error e = { 0 };

        for (size_t i = 0; i < request->n_wishes; i++)
                strv_take(&items, wish_text(&request->wishes[i]));
        text = strv_join(items, ",");
        if (gpu_request_parse(text, "source", &again, &e) < 0 || again.n_wishes != request->n_wishes)
                abort();
        for (size_t i = 0; i < again.n_wishes; i++)
                if (!same(&again.wishes[i], &request->wishes[i]))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_free char *text = xstrndup((const char *)data, size);
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_error Error e = { 0 };
        int r = gpu_request_parse(text, "source", &request, &e);

        if (request.n_wishes > GPU_WISHES_MAX)
                abort();
        if (r < 0 && (e.code <= 0 || strchr(e.message, '\n') || !str_after(e.message, "source: ")))
                abort();
        if (r >= 0 && request.n_wishes > 0)
                check_round_trip(&request);
        return 0;
}
