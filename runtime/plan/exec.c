/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/exec.h"

#include "common/base/mem.h"
#include "runtime/plan/planner.h"

int plan_exec(const OciProcess *process, const Json *tree, ExecDecision *ret, Error *err) {
        cleanup_json Json *config = json_new_object();
        OciSpec spec = { .process = (OciProcess *)(uintptr_t)process };
        Plan plan = { 0 };
        Planner p = { .spec = &spec, .tree = config, .plan = &plan };
        int r;

        json_set(config, "process", json_copy(tree));
        r = planner_check_process(&p, err);
        if (r < 0) {
                strv_free(plan.warnings);
                strv_free(plan.notes);
                return r;
        }
        *ret = (ExecDecision){
                .guest = planner_guest_process(tree),
                .warnings = plan.warnings,
                .notes = plan.notes,
        };
        return 0;
}

void exec_decision_done(ExecDecision *decision) {
        json_free(decision->guest);
        strv_free(decision->warnings);
        strv_free(decision->notes);
}
