/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gpu/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void gpu_request_done(GpuRequest *request) {
        for (size_t i = 0; i < request->n_wishes; i++)
                free(request->wishes[i].source);
        free(request->wishes);
        strv_free(request->warnings);
        strv_free(request->notes);
        *request = (GpuRequest){ 0 };
}

/* The same device by the same name: from two places, or twice from one. Of models and counts each is one more. */
static bool is_there(const GpuRequest *request, const GpuWish *wish) {
        for (size_t i = 0; i < request->n_wishes; i++) {
                const GpuWish *w = &request->wishes[i];

                if (w->kind == wish->kind && w->kind != GPU_WISH_MODEL && w->kind != GPU_WISH_COUNT &&
                    pci_address_compare(&w->address, &wish->address) == 0 && w->number == wish->number)
                        return true;
        }
        return false;
}

void gpu_request_drop(GpuRequest *request, const char *source) {
        size_t kept = 0;

        for (size_t i = 0; i < request->n_wishes; i++) {
                if (streq(request->wishes[i].source, source))
                        free(request->wishes[i].source);
                else
                        request->wishes[kept++] = request->wishes[i];
        }
        request->n_wishes = kept;
}

int gpu_request_add(GpuRequest *request, const GpuWish *wish, const char *source, Error *err) {
        GpuWish *added;

        if (is_there(request, wish))
                return 0;
        if (request->n_wishes >= GPU_WISHES_MAX)
                return error_set(err, E2BIG, "%s: more than %u devices are asked for: ask for fewer", source,
                                 GPU_WISHES_MAX);
        request->wishes = xreallocarray(request->wishes, request->n_wishes + 1, sizeof(*request->wishes));
        added = &request->wishes[request->n_wishes++];
        *added = *wish;
        added->source = xstrdup(source);
        return 0;
}

/* "10de:2330" */
static bool parse_model(const char *text, GpuWish *ret) {
        char *end;

        if (strlen(text) != 9 || text[4] != ':' || strspn(text, "0123456789abcdefABCDEF") != 4 ||
            strspn(text + 5, "0123456789abcdefABCDEF") != 4)
                return false;
        ret->kind = GPU_WISH_MODEL;
        ret->vendor = (uint32_t)strtoul(text, &end, 16);
        ret->device = (uint32_t)strtoul(end + 1, NULL, 16);
        return true;
}

static bool parse_item(const char *text, GpuWish *ret) {
        uint64_t number;

        if (streq(text, "all")) {
                ret->kind = GPU_WISH_ALL;
                return true;
        }
        if (pci_address_parse(text, &ret->address)) {
                ret->kind = GPU_WISH_ADDRESS;
                return true;
        }
        if (parse_model(text, ret))
                return true;
        if (!str_to_u64(text, 10, GPU_WISHES_MAX, &number))
                return false;
        ret->kind = GPU_WISH_COUNT;
        ret->number = (uint32_t)number;
        return true;
}

static int refuse(const char *text, const char *source, Error *err) {
        cleanup_free char *shown = str_printable(text, strlen(text), 64);

        return error_set(err, EINVAL,
                         "%s: expected a PCI address (0000:65:00.0), a vendor and device id (10de:2330), a "
                         "count up to %u, or \"all\", found \"%s\"",
                         source, GPU_WISHES_MAX, shown);
}

int gpu_request_parse(const char *text, const char *source, GpuRequest *request, Error *err) {
        cleanup_free char *copy = NULL;
        char *rest, *item;

        if (strlen(text) > GPU_REQUEST_MAX)
                return error_set(err, E2BIG, "%s: longer than %u bytes", source, GPU_REQUEST_MAX);
        if (streq(text, "none") || streq(text, "0"))
                return 0;
        copy = xstrdup(text);
        rest = copy;
        while ((item = strsep(&rest, ","))) {
                GpuWish wish = { 0 };
                int r;

                item += strspn(item, " ");
                item[strcspn(item, " ")] = '\0';
                if (!parse_item(item, &wish) || (wish.kind == GPU_WISH_COUNT && wish.number == 0))
                        return refuse(item, source, err);
                r = gpu_request_add(request, &wish, source, err);
                if (r < 0)
                        return r;
        }
        return 0;
}
