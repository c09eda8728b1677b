/* SPDX-License-Identifier: Apache-2.0 */

/* Driver bundles: making them, and what there is to know about them. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "runtime/commands/command.h"
#include "runtime/commands/driver-recipe.h"
#include "runtime/commands/table.h"
#include "runtime/config.h"
#include "runtime/host/driver-build.h"
#include "runtime/host/driver-bundle.h"
#include "runtime/host/facts.h"
#include "runtime/host/host-root.h"
#include "runtime/host/kernel-image.h"
#include "runtime/plan/driver.h"

typedef struct DriverOptions {
        bool json, compress;
        const char *output, *kernel, *nvidia_open, *tree;
} DriverOptions;

static const Option options[] = {
        { OPTION_FIELD(DriverOptions, json, "json", 0, OPTION_FLAG), NULL, "list: print JSON" },
        { OPTION_FIELD(DriverOptions, output, "output", 'o', OPTION_STRING), "FILE",
          "build: the bundle (default: NAME.erofs in the current folder)" },
        { OPTION_FIELD(DriverOptions, compress, "compress", 0, OPTION_FLAG), NULL,
          "build: pack files with LZ4; smaller, slower to read" },
        { OPTION_FIELD(DriverOptions, nvidia_open, "nvidia-open", 0, OPTION_STRING), "SOURCE",
          "build: NVIDIA's open kernel modules, from their sources or NVIDIA's .run file" },
        { OPTION_FIELD(DriverOptions, tree, "tree", 0, OPTION_STRING), "DIR",
          "build --nvidia-open: what kernel-config/build printed, or its kernel-devel.tar.zst (default: "
          "beside the "
          "guest's kernel)" },
        { OPTION_FIELD(DriverOptions, kernel, "kernel", 0, OPTION_STRING), "IMAGE",
          "verify: the kernel the modules must be made for (default: the guest's)" },
        {},
};

/* ---- the guest's kernel ---- */

/* The one that is configured or installed; NULL: there is none. Owned by the caller. */
static char *guest_kernel(const RuntimeConfig *config) {
        cleanup_error Error ignored = { 0 };
        cleanup_close int root = host_root_open("/", &ignored);
        cleanup(host_facts_freep) HostFacts *facts =
                root >= 0 ? host_facts_collect(root, config, NULL) : NULL;

        if (!facts || (!facts->vmlinux && !facts->vmlinuz))
                return NULL;
        return xstrdup(facts->vmlinux ? facts->vmlinux : facts->vmlinuz);
}

/* ---- list ---- */

static const char *suits(const DriverManifest *m, const char *vermagic) {
        cleanup_error Error ignored = { 0 };

        if (!m->kernel)
                return "yes";
        if (!vermagic)
                return "?";
        return driver_check_kernel(m, vermagic, &ignored) >= 0 ? "yes" : "no";
}

static void list_table(const DriverFact *drivers, size_t n, const char *vermagic) {
        cleanup_table Table table = { 0 };

        table_add(&table, strv_split("NAME VERSION KERNEL USABLE FILE", " "));
        for (size_t i = 0; i < n; i++) {
                const DriverManifest *m = drivers[i].manifest;
                char **row = NULL;

                strv_append(&row, m->name);
                strv_append(&row, m->version ? m->version : "-");
                strv_append(&row, m->kernel ? m->kernel->release : "any");
                strv_append(&row, suits(m, vermagic));
                strv_append(&row, drivers[i].path);
                table_add(&table, row);
        }
        table_print(&table);
}

static void list_json(const DriverFact *drivers, size_t n, const char *vermagic) {
        cleanup_json Json *array = json_new_array();
        cleanup_free char *text = NULL;

        for (size_t i = 0; i < n; i++) {
                Json *o = json_new_object();

                json_set(o, "path", json_new_string(drivers[i].path));
                if (vermagic || !drivers[i].manifest->kernel)
                        json_set(o, "usable",
                                 json_new_bool(streq(suits(drivers[i].manifest, vermagic), "yes")));
                json_set(o, "manifest", json_to_tree(driver_manifest_fields, drivers[i].manifest));
                json_append(array, o);
        }
        text = json_tree_to_text(array, true);
        printf("%s\n", text);
}

static int list(const CommandCall *call, const RuntimeConfig *config, Error *err) {
        const DriverOptions *o = call->options;
        cleanup_free char *kernel = guest_kernel(config), *vermagic = NULL;
        cleanup_error Error ignored = { 0 };
        cleanup_strv char **problems = NULL;
        DriverFact *drivers = NULL;
        size_t n = 0;

        if (call->n_args > 1)
                return error_set(err, EINVAL, "list takes no file");
        if (kernel && kernel_image_vermagic(AT_FDCWD, kernel, &vermagic, &ignored) < 0)
                log_warning("guest kernel: %s", ignored.message);
        driver_bundles_list(config, &drivers, &n, &problems);
        if (o->json)
                list_json(drivers, n, vermagic);
        else
                list_table(drivers, n, vermagic);
        STRV_FOR_EACH (problem, problems)
                log_warning("%s", *problem);
        driver_facts_free(drivers, n);
        return 0;
}

/* ---- one file ---- */

/* A name stands for the bundle that is installed under it. Owned by the caller. */
static char *find_file(const RuntimeConfig *config, const char *name, Error *err) {
        cleanup_strv char **problems = NULL;
        const DriverFact *found = NULL;
        DriverFact *drivers = NULL;
        char *path = NULL;
        size_t n = 0;

        if (strchr(name, '/') || access(name, F_OK) == 0)
                return xstrdup(name);
        driver_bundles_list(config, &drivers, &n, &problems);
        if (driver_find(drivers, n, name, problems, &found, err) >= 0)
                path = xstrdup(found->path);
        driver_facts_free(drivers, n);
        return path;
}

static int inspect(const CommandCall *call, const RuntimeConfig *config, Error *err) {
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_free char *file = find_file(config, call->args[1], err), *text = NULL;

        if (!file || driver_bundle_read(AT_FDCWD, file, &m, NULL, err) < 0)
                return -err->code;
        text = json_to_text(driver_manifest_fields, m, true);
        printf("%s\n", text);
        return 0;
}

static int verify(const CommandCall *call, const RuntimeConfig *config, Error *err) {
        const DriverOptions *o = call->options;
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_free char *file = find_file(config, call->args[1], err);
        cleanup_free char *kernel = o->kernel ? xstrdup(o->kernel) : guest_kernel(config);

        if (!file || driver_verify(file, kernel, &m, err) < 0)
                return -err->code;
        printf("%s: %s is well: %zu module%s for %s%s%s\n", file, m->name, m->n_modules,
               m->n_modules == 1 ? "" : "s", m->kernel ? m->kernel->release : "any kernel",
               kernel ? ", which is that of " : "", kernel ? kernel : "");
        return 0;
}

static int build(const CommandCall *call, const RuntimeConfig *config, Error *err) {
        const DriverOptions *o = call->options;
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_free char *output = NULL, *kernel = NULL;
        DriverBuild how = { .folder = call->args[1], .output = o->output, .compress = o->compress };

        if (!o->nvidia_open != (call->n_args == 2))
                return error_set(err, EINVAL, "build: expected either a folder or --nvidia-open");
        if (o->nvidia_open) {
                kernel = guest_kernel(config);
                return driver_recipe_build("nvidia-open", o->nvidia_open, o->tree, kernel, &how, err);
        }
        if (driver_build(&how, &m, &output, err) < 0)
                return -err->code;
        printf("%s\n", output);
        return 0;
}

static int run(const CommandCall *call, Error *err) {
        static const struct {
                const char *name;
                bool needs_file;
                int (*run)(const CommandCall *call, const RuntimeConfig *config, Error *err);
        } verbs[] = {
                { "build", false, build },
                { "list", false, list },
                { "inspect", true, inspect },
                { "verify", true, verify },
        };
        cleanup(runtime_config_freep) RuntimeConfig *config = NULL;

        for (size_t i = 0; i < ELEMENTS_OF(verbs); i++) {
                if (!streq(call->args[0], verbs[i].name))
                        continue;
                if (verbs[i].needs_file && call->n_args != 2)
                        return error_set(err, EINVAL, "%s: expected a bundle, a file or a name",
                                         verbs[i].name);
                if (runtime_config_load(call->globals->config, &config, err) < 0)
                        return -err->code;
                return verbs[i].run(call, config, err);
        }
        return error_set(err, EINVAL, "expected build, list, inspect or verify, found \"%s\"", call->args[0]);
}

const Command command_driver = {
        .name = "driver",
        .only_looks = true,
        .args = "build|list|inspect|verify [FOLDER|BUNDLE]",
        .summary = "Make and examine driver bundles for the guest",
        .options = options,
        .options_size = sizeof(DriverOptions),
        .min_args = 1,
        .max_args = 2,
        .run = run,
};
