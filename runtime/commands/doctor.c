/* SPDX-License-Identifier: Apache-2.0 */

/* carrel doctor: what this host, or a kernel image, lacks for carrel. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/cleanup.h"
#include "runtime/commands/command.h"
#include "runtime/commands/left-behind.h"
#include "runtime/config.h"
#include "runtime/host/doctor-checks.h"
#include "runtime/host/doctor.h"
#include "runtime/host/host-root.h"

typedef struct DoctorOptions {
        bool json;
        bool repair;
        const char *kernel;
} DoctorOptions;

static const Option options[] = {
        { OPTION_FIELD(DoctorOptions, json, "json", 0, OPTION_FLAG), NULL, "Print JSON" },
        { OPTION_FIELD(DoctorOptions, kernel, "kernel", 0, OPTION_STRING), "IMAGE",
          "Look at this guest kernel (bzImage or vmlinux) instead of the host" },
        { OPTION_FIELD(DoctorOptions, repair, "repair", 0, OPTION_FLAG), NULL,
          "Give back and remove what dead containers left, a line for each, instead" },
        {},
};

static void add_left(const Globals *globals, DoctorReport *report) {
        cleanup_strv char **lines = NULL;
        cleanup_free char *joined = NULL;

        left_find(globals, &lines);
        if (!lines)
                return;
        joined = strv_join(lines, "; ");
        doctor_add(report, DOCTOR_WARN, "left-behind", "Left behind", "carrel doctor --repair", "%s", joined);
}

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
        if (doctor_run(&context, ret, err) < 0)
                return -err->code;
        add_left(call->globals, ret);
        return 0;
}

static int repair(const Globals *globals, Error *err) {
        cleanup_strv char **lines = NULL;
        int r = left_repair(globals, &lines, err);

        STRV_FOR_EACH (line, lines)
                printf("%s\n", *line);
        if (r >= 0 && !lines)
                printf("Nothing is left of dead containers.\n");
        return r;
}

static int run(const CommandCall *call, Error *err) {
        const DoctorOptions *o = call->options;
        cleanup_doctor_report DoctorReport report = { 0 };
        cleanup_free char *text = NULL;
        int r;

        if (o->repair && (o->json || o->kernel))
                return error_set(err, EINVAL, "doctor: --repair goes with neither --json nor --kernel");
        if (o->repair)
                return repair(call->globals, err);
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
        .only_looks = true,
        .summary = "Say whether this host can run virtual machines, and what to do if not",
        .options = options,
        .options_size = sizeof(DoctorOptions),
        .run = run,
};
