/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/modules.h"

#include <errno.h>
#include <libkmod.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "runtime/host/host-root.h"

#define RELEASE_MAX 256U

typedef struct kmod_ctx Kmod;
typedef struct kmod_list KmodList;

static inline void kmod_release(Kmod **kmod) {
        if (*kmod)
                kmod_unref(*kmod);
}

static inline void kmod_release_list(KmodList **list) {
        if (*list)
                kmod_module_unref_list(*list);
}

/* What goes wrong is in the results. */
static void say_nothing(void *data, int priority, const char *file, int line, const char *function,
                        const char *format, va_list ap) {
        (void)data;
        (void)priority;
        (void)file;
        (void)line;
        (void)function;
        (void)format;
        (void)ap;
}

static int load_each(KmodList *list, const char *name, Error *err) {
        KmodList *item;

        kmod_list_foreach(item, list) {
                struct kmod_module *module = kmod_module_get_module(item);
                int r = kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY, NULL,
                                                        NULL, NULL, NULL);

                kmod_module_unref(module);
                if (r < 0)
                        return error_set(
                                err, -r,
                                "the kernel module %s cannot be loaded: %s; load it beforehand (modprobe "
                                "%s)",
                                name, strerror(-r), name);
        }
        return 0;
}

int module_load(int root, const char *name, Error *err) {
        cleanup_free char *release = host_root_read(root, "/proc/sys/kernel/osrelease", RELEASE_MAX, NULL);
        cleanup_free char *folder = NULL;
        cleanup(kmod_release) Kmod *kmod = NULL;
        cleanup(kmod_release_list) KmodList *list = NULL;

        if (release)
                release[strcspn(release, "\n")] = '\0';
        folder = xasprintf("/proc/self/fd/%d/lib/modules/%s", root, release ? release : "unknown");
        kmod = kmod_new(folder, NULL);
        if (!kmod)
                return error_set(err, ENOMEM, "libkmod");
        kmod_set_log_fn(kmod, say_nothing, NULL);
        kmod_load_resources(kmod);
        if (kmod_module_new_from_lookup(kmod, name, &list) < 0 || !list)
                return error_set(
                        err, ENOENT,
                        "this kernel (%s) has no module %s: /lib/modules does not have it (was the kernel "
                        "updated since the last start?)",
                        release ? release : "unknown", name);
        return load_each(list, name, err);
}
