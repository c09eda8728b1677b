/* SPDX-License-Identifier: Apache-2.0 */

/* carrel cdi: the host's GPUs as a specification of the Container Device Interface, for engines. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/commands/command.h"
#include "runtime/config.h"
#include "runtime/gpu/cdi.h"
#include "runtime/host/gpu-facts.h"
#include "runtime/host/host-root.h"

#define DEFAULT_VENDOR "carrel.dev"
#define DEFAULT_CLASS  "gpu"

typedef struct CdiOptions {
        const char *output, *vendor, *class;
} CdiOptions;

static const Option options[] = {
        { OPTION_FIELD(CdiOptions, output, "output", 0, OPTION_STRING), "FILE",
          "Write it to FILE, such as /etc/cdi/carrel.json (default: standard output)" },
        { OPTION_FIELD(CdiOptions, vendor, "vendor", 0, OPTION_STRING), "NAME",
          "First part of the devices' names (default: " DEFAULT_VENDOR ")" },
        { OPTION_FIELD(CdiOptions, class, "class", 0, OPTION_STRING), "NAME",
          "Second part of the devices' names (default: " DEFAULT_CLASS ")" },
        {},
};

static int write_spec(const char *path, const char *text, Error *err) {
        cleanup_free char *folder = xstrdup(path);
        char *slash = strrchr(folder, '/');
        int r = 0;

        if (slash && slash != folder) {
                *slash = '\0';
                r = path_make_directories(AT_FDCWD, folder, 0755, err);
        }
        return r < 0 ? r : file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, err);
}

static int generate(const CdiOptions *o, const RuntimeConfig *config, const GpuFacts *facts, Error *err) {
        cleanup_free char *kind = xasprintf("%s/%s", o->vendor ? o->vendor : DEFAULT_VENDOR,
                                            o->class ? o->class : DEFAULT_CLASS);
        cleanup_strv char **warnings = NULL;
        cleanup_json Json *spec = NULL;
        cleanup_free char *text = NULL, *line = NULL;
        int r = cdi_generate(facts, kind, config->gpu_boot_display, &spec, &warnings, err);

        STRV_FOR_EACH (warning, warnings)
                log_warning("%s", *warning);
        if (r < 0)
                return error_prefix(err, "cdi generate");
        text = json_tree_to_text(spec, true);
        line = xasprintf("%s\n", text);
        if (o->output)
                return write_spec(o->output, line, err);
        fputs(line, stdout);
        return 0;
}

static int run(const CommandCall *call, Error *err) {
        const CdiOptions *o = call->options;
        cleanup(runtime_config_freep) RuntimeConfig *config = NULL;
        cleanup(gpu_facts_freep) GpuFacts *facts = NULL;
        cleanup_free char *shown = str_printable(call->args[0], strlen(call->args[0]), 32);
        cleanup_close int root = -1;

        if (!streq(call->args[0], "generate"))
                return error_set(err, EINVAL, "cdi: expected \"generate\", found \"%s\"", shown);
        if (o->output && !str_ends_with(o->output, ".json"))
                return error_set(err, EINVAL, "--output: %s: engines read JSON from files called *.json only",
                                 o->output);
        if (runtime_config_load(call->globals->config, &config, err) < 0)
                return -err->code;
        root = host_root_open("/", err);
        if (root < 0)
                return root;
        facts = gpu_facts_collect(root);
        return generate(o, config, facts, err);
}

const Command command_cdi = {
        .name = "cdi",
        .only_looks = true,
        .args = "generate",
        .summary = "Describe the host's GPUs to engines (Container Device Interface)",
        .options = options,
        .options_size = sizeof(CdiOptions),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
