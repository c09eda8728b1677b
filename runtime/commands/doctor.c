/* SPDX-License-Identifier: Apache-2.0 */

/* carrel doctor: what this host, or a kernel image, lacks for carrel. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/cleanup.h"
#include "runtime/commands/command.h"
#include "runtime/config.h"
#include "runtime/host/doctor.h"
#include "runtime/host/host-root.h"

typedef struct DoctorOptions {
        bool json;
        const char *kernel;
} DoctorOptions;

static const Option options[] = {
        { OPTION_FIELD(DoctorOptions, json, "json", 0, OPTION_FLAG), NULL, "Print JSON" },
        { OPTION_FIELD(DoctorOptions, kernel, "kernel", 0, OPTION_STRING), "IMAGE",
          "Look at this guest kernel (bzImage or vmlinux) instead of the host" },
        {},
};

static int examine_host(const CommandCall *call, DoctorReport *ret, Error *err) {
        cleanup(runtime_config_freep) RuntimeConfig *config = NULL;
        cleanup_close int root = -1;
        DoctorContext context;

        if (runtime_config_load(call->globals->config, &config, err) < 0)
                return -err->code;
        root = host_root_open("/", err);
        if (root < 0)
                return root;
        context = (DoctorContext){
                .root = root,
                .config = config,
                .search = getenv("PATH"),
                .state_root = call->globals->root,
        };
        return doctor_run(&context, ret, err);
}

static int run(const CommandCall *call, Error *err) {
        const DoctorOptions *o = call->options;
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_free char *text = NULL;
        int r;

        r = o->kernel ? doctor_run_kernel(AT_FDCWD, o->kernel, &report, err)
                      : examine_host(call, &report, err);
        if (r < 0)
                return r;
        text = o->json ? doctor_to_json(&report) : doctor_to_text(&report);
        fputs(text, stdout);
        return doctor_is_well(&report) ? 0 : 1;
}

const Command command_doctor = {
        .name = "doctor",
        .summary = "Say whether this host can run virtual machines, and what to do if not",
        .options = options,
        .options_size = sizeof(DoctorOptions),
        .run = run,
};
