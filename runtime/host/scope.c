/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/scope.h"

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define SCOPE_SLICE  "system.slice"
#define SCOPE_PREFIX "carrel"

/* "a-b.slice" is /a.slice/a-b.slice; "-.slice" is the root. NULL: not the name of a slice. */
static char *expand_slice(const char *slice) {
        size_t length = strlen(slice), suffix = strlen(".slice");
        cleanup_free char *name = NULL;
        StrBuf path = { 0 };

        if (streq(slice, "-.slice"))
                return xstrdup("");
        if (!str_ends_with(slice, ".slice") || length == suffix || strchr(slice, '/'))
                return NULL;
        name = xstrndup(slice, length - suffix);
        if (name[0] == '-' || str_ends_with(name, "-") || strstr(name, "--"))
                return NULL;
        for (size_t i = 0; i < length - suffix; i++)
                if (name[i] == '-')
                        strbuf_printf(&path, "/%.*s.slice", (int)i, name);
        strbuf_printf(&path, "/%s.slice", name);
        return strbuf_take(&path);
}

/* At the colons; parts may be empty. */
static bool split(const char *text, char *parts[3]) {
        const char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;

        if (!second || strchr(second + 1, ':'))
                return false;
        parts[0] = xstrndup(text, (size_t)(first - text));
        parts[1] = xstrndup(first + 1, (size_t)(second - first - 1));
        parts[2] = xstrdup(second + 1);
        return true;
}

static int fill(Scope *scope, char *const parts[3], const char *path, Error *err) {
        cleanup_free char *folder = NULL;

        scope->slice = xstrdup(*parts[0] ? parts[0] : SCOPE_SLICE);
        folder = expand_slice(scope->slice);
        if (!folder)
                return error_set(err, EINVAL,
                                 "linux.cgroupsPath: expected the name of a slice such as \"system.slice\", "
                                 "found \"%s\"",
                                 scope->slice);
        if (!*parts[2] || strchr(parts[2], '/') || strchr(parts[1], '/') || str_ends_with(parts[2], ".slice"))
                return error_set(err, EINVAL, "linux.cgroupsPath: \"%s\" does not name a scope", path);
        scope->unit = xasprintf("%s%s%s.scope", parts[1], *parts[1] ? "-" : "", parts[2]);
        scope->path = xasprintf("%s/%s", folder, scope->unit);
        return 0;
}

int scope_parse(const char *cgroups_path, const char *id, Scope **ret, Error *err) {
        cleanup_free char *standard = xasprintf("%s:%s:%s", SCOPE_SLICE, SCOPE_PREFIX, id);
        const char *path = cgroups_path && *cgroups_path ? cgroups_path : standard;
        cleanup(scope_freep) Scope *scope = xnew(Scope, 1);
        char *parts[3] = { 0 };
        int r;

        if (!split(path, parts))
                return error_set(
                        err, EINVAL,
                        "linux.cgroupsPath: with --systemd-cgroup expected slice:prefix:name, found \"%s\"",
                        path);
        r = fill(scope, parts, path, err);
        for (size_t i = 0; i < ELEMENTS_OF(parts); i++)
                free(parts[i]);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(scope);
        return 0;
}

Scope *scope_free(Scope *scope) {
        if (!scope)
                return NULL;
        free(scope->unit);
        free(scope->slice);
        free(scope->path);
        free(scope);
        return NULL;
}
