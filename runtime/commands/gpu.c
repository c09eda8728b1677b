/* SPDX-License-Identifier: Apache-2.0 */

/* carrel gpu: which devices of this host can be given to a container, what stands in the way of the others, and the way
 * back for those that nobody has given back. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "runtime/commands/command.h"
#include "runtime/commands/gpu-lease.h"
#include "runtime/commands/gpu-report.h"
#include "runtime/config.h"
#include "runtime/host/facts.h"
#include "runtime/host/gpu-facts.h"

#define RELEASED_MAX 256 /* functions in one go */

typedef struct GpuOptions {
        bool json;
        bool force;
} GpuOptions;

static const Option options[] = {
        { OPTION_FIELD(GpuOptions, json, "json", 0, OPTION_FLAG), NULL, "Print JSON (list, why)" },
        { OPTION_FIELD(GpuOptions, force, "force", 'f', OPTION_FLAG), NULL,
          "release: also from quarantine, trying everything once more" },
        {},
};

typedef struct View {
        GpuFacts *facts;
        GpuNeeds needs;
        bool json;
} View;

static int list(const View *view, char **args, size_t n_args, Error *err) {
        cleanup_free char *text = NULL;

        (void)args;
        if (n_args > 0)
                return error_set(err, EINVAL, "gpu list: takes no arguments");
        text = view->json ? gpu_list_to_json(view->facts, &view->needs)
                          : gpu_list_to_text(view->facts, &view->needs);
        fputs(text, stdout);
        return 0;
}

static int find_device(const View *view, const char *name, const PciDevice **ret, Error *err) {
        cleanup_free char *shown = str_printable(name, strlen(name), 64);
        PciAddress address;

        if (!pci_address_parse(name, &address))
                return error_set(err, EINVAL, "gpu: expected a PCI address (0000:65:00.0), found \"%s\"",
                                 shown);
        *ret = gpu_facts_find(view->facts, &address);
        return *ret ? 0
                    : error_set(err, ENODEV, "gpu %s: the host has no such device (lspci -D shows all)",
                                shown);
}

static int why(const View *view, char **args, size_t n_args, Error *err) {
        cleanup_gpu_findings GpuFindings findings = { 0 };
        cleanup_free char *text = NULL;
        const PciDevice *device;
        int r;

        if (n_args != 1)
                return error_set(err, EINVAL,
                                 "gpu why: expected one PCI address (carrel gpu list shows them)");
        r = find_device(view, args[0], &device, err);
        if (r < 0)
                return r;
        gpu_diagnose_host(view->facts, &view->needs, &findings);
        gpu_diagnose_device(view->facts, device, &view->needs, &findings);
        text = view->json ? gpu_why_to_json(device, &findings) : gpu_why_to_text(device, &findings);
        fputs(text, stdout);
        return gpu_findings_blocker(&findings) ? 1 : 0;
}

static const struct {
        const char *name;
        int (*run)(const View *view, char **args, size_t n_args, Error *err);
} verbs[] = {
        { "list", list },
        { "why", why },
};

static int look(const CommandCall *call, size_t verb, Error *err) {
        const GpuOptions *o = call->options;
        cleanup(runtime_config_freep) RuntimeConfig *config = NULL;
        cleanup(gpu_facts_freep) GpuFacts *facts = NULL;
        cleanup_gpu_host VfioHost host = GPU_HOST_NONE;
        View view = { .json = o->json };
        int r;

        if (o->force)
                return error_set(err, EINVAL, "gpu %s: --force is for \"release\"", verbs[verb].name);
        if (runtime_config_load(call->globals->config, &config, err) < 0)
                return -err->code;
        r = gpu_host_open(&host, err);
        if (r < 0)
                return r;
        facts = gpu_facts_collect(host.root);
        gpu_mark_left(&host, gpu_holder_lives, NULL, facts);
        view.facts = facts;
        gpu_needs_from_config(config, host_address_bits(), &view.needs);
        return verbs[verb].run(&view, call->args + 1, call->n_args - 1, err);
}

static int run(const CommandCall *call, Error *err) {
        const GpuOptions *o = call->options;
        cleanup_free char *shown = NULL;

        for (size_t i = 0; i < ELEMENTS_OF(verbs); i++)
                if (streq(call->args[0], verbs[i].name))
                        return look(call, i, err);
        if (streq(call->args[0], "release") && o->json)
                return error_set(err, EINVAL, "gpu release: --json is for \"list\" and \"why\"");
        if (streq(call->args[0], "release"))
                return gpu_release_command(call->args + 1, o->force, err);
        shown = str_printable(call->args[0], strlen(call->args[0]), 32);
        return error_set(err, EINVAL, "gpu: expected \"list\", \"why\" or \"release\", found \"%s\"", shown);
}

const Command command_gpu = {
        .name = "gpu",
        .only_looks = true,
        .args = "list | why ADDRESS | release ADDRESS...",
        .summary = "Show the host's GPUs and what stands in the way of giving one to a container; free one",
        .options = options,
        .options_size = sizeof(GpuOptions),
        .min_args = 1,
        .max_args = 1 + RELEASED_MAX,
        .run = run,
};
