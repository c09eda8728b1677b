/* SPDX-License-Identifier: Apache-2.0 */

/* From any config.json to a plan or a refusal, on a host that has everything. Whatever the bundle says, the plan must
 * be one that can be printed, and nothing of the bundle may get into QEMU's arguments. */

#include <stdlib.h>
#include <string.h>

#include "common/protocol/message.h"
#include "runtime/plan/plan.h"
#include "tests/fuzz/fuzz.h"

static const char facts_text[] =
        "{\"cpus\":8,\"memory\":34359738368,\"kvm\":true,\"qemu\":\"/q\",\"virtiofsd\":\"/v\",\"qboot\":\"/"
        "b\","
        "\"vmlinux\":\"/k\",\"vmlinuz\":\"/z\",\"initrd\":\"/i\",\"qemuUid\":65534,\"qemuGid\":65534}";

static void check_lines(char *const *lines) {
        STRV_FOR_EACH (line, lines)
                if (!**line || strchr(*line, '\n'))
                        abort();
}

/* Every source the guest binds is below the share or a device of its own. */
static void check_guest(const Json *config) {
        const Json *mounts = json_get(config, "mounts");

        if (!streq(json_string(json_get(json_get(config, "root"), "path")), GUEST_SHARE "/rootfs"))
                abort();
        for (size_t i = 0; i < json_count(mounts); i++) {
                const Json *options = json_get(json_item(mounts, i), "options");
                const char *type = json_string(json_get(json_item(mounts, i), "type"));
                const char *source = json_string(json_get(json_item(mounts, i), "source"));
                bool bind = streq(type, "bind");

                for (size_t j = 0; j < json_count(options); j++)
                        bind = bind || streq(json_string(json_item(options, j)), "bind") ||
                               streq(json_string(json_item(options, j)), "rbind");
                if (bind &&
                    (!source || (!str_after(source, GUEST_SHARE "/mounts/") && !str_after(source, "/dev/"))))
                        abort();
        }
        if (json_get(json_get(config, "linux"), "cgroupsPath") ||
            json_get(json_get(config, "hooks"), "prestart"))
                abort();
}

static void check_plan(const Plan *plan) {
        cleanup_free char *text = plan_to_text(plan);
        cleanup_json Json *read = NULL;
        cleanup_error Error err = { 0 };

        if (json_parse(text, strlen(text), NULL, &read, &err) < 0)
                abort();
        if (plan->vm.memory_mib < 128 || plan->vm.memory_mib > 32768 || plan->vm.vcpus < 1 ||
            plan->vm.vcpus > 8)
                abort();
        if (plan->launch.n_shares < 1)
                abort();
        check_lines(plan->warnings);
        check_lines(plan->notes);
        check_guest(json_get(plan->launch.guest, "config"));
}

/* NULL: refused. */
static Plan *make_plan(const char *text, size_t size) {
        const PlanRequest request = { .id = "fuzz", .bundle = "/bundle", .state_dir = "/run/carrel/fuzz" };
        cleanup(runtime_config_freep) RuntimeConfig *config = runtime_config_new();
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup_json Json *tree = NULL;
        cleanup_error Error err = { 0 };
        HostFacts facts = { 0 };
        Plan *plan = NULL;
        int r;

        if (json_parse(text, size, NULL, &tree, &err) < 0 || oci_spec_from_tree(tree, &spec, &err) < 0)
                return NULL;
        if (json_read_text(facts_text, strlen(facts_text), NULL, host_facts_fields, &facts, &err) < 0)
                abort();
        r = runtime_config_apply_annotations(config, &spec->annotations, &err);
        if (r >= 0)
                r = plan_make(spec, tree, config, &facts, &request, &plan, &err);
        if (r < 0 && (err.code <= 0 || strchr(err.message, '\n')))
                abort();
        json_clear(host_facts_fields, &facts);
        return plan;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char simple[] = "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},"
                                     "\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"}}";
        cleanup(plan_freep) Plan *plan = make_plan((const char *)data, size), *usual = NULL;

        if (!plan)
                return 0;
        check_plan(plan);
        usual = make_plan(simple, sizeof(simple) - 1);
        if (!usual || strv_length(plan->launch.qemu) != strv_length(usual->launch.qemu))
                abort();
        return 0;
}
