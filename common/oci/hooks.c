/* SPDX-License-Identifier: Apache-2.0 */

/* The `hooks` section: tables and checks. Running them is runtime/host's and the agent's. */

#include "common/oci/spec.h"

#include <errno.h>
#include <inttypes.h>

#include "common/oci/check.h"

const JsonField oci_hook_fields[] = {
        { JSON_FIELD(OciHook, path, "path", JSON_KIND_STRING), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(OciHook, args, "args", JSON_KIND_STRV) },
        { JSON_FIELD(OciHook, env, "env", JSON_KIND_STRV) },
        { JSON_FIELD(OciHook, timeout, "timeout", JSON_KIND_OPT_INT64) },
        { 0 },
};

const JsonField oci_hooks_fields[] = {
        { JSON_ARRAY_FIELD(OciHooks, prestart, "prestart", oci_hook_fields) },
        { JSON_ARRAY_FIELD(OciHooks, create_runtime, "createRuntime", oci_hook_fields) },
        { JSON_ARRAY_FIELD(OciHooks, create_container, "createContainer", oci_hook_fields) },
        { JSON_ARRAY_FIELD(OciHooks, start_container, "startContainer", oci_hook_fields) },
        { JSON_ARRAY_FIELD(OciHooks, poststart, "poststart", oci_hook_fields) },
        { JSON_ARRAY_FIELD(OciHooks, poststop, "poststop", oci_hook_fields) },
        { 0 },
};

static int check_list(const OciHook *hooks, size_t n, const char *name, Error *err) {
        for (size_t i = 0; i < n; i++) {
                int r = oci_check_absolute(err, hooks[i].path, "hooks.%s[%zu].path", name, i);

                if (r < 0)
                        return r;
                if (hooks[i].timeout.set && hooks[i].timeout.value <= 0)
                        return error_set(err, EINVAL,
                                         "hooks.%s[%zu].timeout: expected a positive number of seconds, "
                                         "found %" PRId64,
                                         name, i, hooks[i].timeout.value);
        }
        return 0;
}

int oci_check_hooks(const OciHooks *h, Error *err) {
        const struct {
                const char *name;
                const OciHook *hooks;
                size_t n;
        } lists[] = {
                { "prestart", h->prestart, h->n_prestart },
                { "createRuntime", h->create_runtime, h->n_create_runtime },
                { "createContainer", h->create_container, h->n_create_container },
                { "startContainer", h->start_container, h->n_start_container },
                { "poststart", h->poststart, h->n_poststart },
                { "poststop", h->poststop, h->n_poststop },
        };

        for (size_t i = 0; i < ELEMENTS_OF(lists); i++) {
                int r = check_list(lists[i].hooks, lists[i].n, lists[i].name, err);

                if (r < 0)
                        return r;
        }
        return 0;
}
