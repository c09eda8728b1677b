/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/protocol/message.h"
#include "runtime/plan/planner.h"
#include "runtime/qemu/argv.h"
#include "runtime/qemu/virtiofsd.h"

#define PINNED_BESIDE_MIB 1024U

static const char *const accelerator_names[_ACCELERATOR_MAX] = {
        [ACCELERATOR_KVM] = "kvm",
        [ACCELERATOR_TCG] = "tcg",
};

static const char *const firmware_kind_names[_FIRMWARE_KIND_MAX] = {
        [FIRMWARE_NONE] = "none",
        [FIRMWARE_SEABIOS] = "seabios",
        [FIRMWARE_OVMF] = "ovmf",
};

static const char *const share_kind_names[_SHARE_KIND_MAX] = {
        [SHARE_VIRTIOFS] = "virtiofs",
        [SHARE_9P] = "9p",
};

const char *accelerator_name(Accelerator a) {
        return accelerator_names[a];
}

const char *firmware_kind_name(FirmwareKind f) {
        return firmware_kind_names[f];
}

const char *share_kind_name(ShareKind s) {
        return share_kind_names[s];
}

void planner_warn(Planner *p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        strv_take(&p->plan->warnings, xvasprintf(format, ap));
        va_end(ap);
}

void planner_note(Planner *p, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        strv_take(&p->plan->notes, xvasprintf(format, ap));
        va_end(ap);
}

static Json *create_request(const VmPlan *vm, const PlanRequest *request, Json *config) {
        Json *guest = json_new_object();

        json_set(guest, "id", json_new_string(request->id));
        json_set(guest, "bundle", json_new_string(request->bundle));
        json_set(guest, "config", config);
        json_set(guest, "shareType", json_new_string(share_kind_name(vm->share)));
        if (vm->driver)
                json_set(guest, "driver", json_to_tree(driver_manifest_fields, vm->driver->manifest));
        return guest;
}

/* What QEMU may open by path. */
static void fill_devices(Planner *p) {
        LaunchPlan *launch = &p->plan->launch;
        const GpuChoice *gpu = &p->plan->gpu;

        if (p->plan->vm.accelerator == ACCELERATOR_KVM) {
                strv_append(&launch->qemu_devices, "/dev/kvm");
                if (launch->qemu_uid != 0 && p->facts->kvm_gid != 0) {
                        launch->qemu_groups = xnew(uint32_t, 1);
                        launch->qemu_groups[0] = p->facts->kvm_gid;
                        launch->n_qemu_groups = 1;
                }
        }
        if (gpu->n_slots > 0) {
                strv_append(&launch->qemu_devices, "/dev/vfio/vfio");
                /* what the device can reach is pinned: RAM, and some for buffers of QEMU's own */
                launch->memlock = (p->plan->vm.memory_mib + PINNED_BESIDE_MIB) << 20;
        }
        for (size_t i = 0; i < gpu->n_slots; i++)
                for (size_t j = 0; j < gpu->slots[i].n_functions; j++) {
                        cleanup_free char *group =
                                xasprintf("/dev/vfio/%" PRId32, gpu->slots[i].functions[j]->group);

                        if (!strv_contains(launch->qemu_devices, group))
                                strv_append(&launch->qemu_devices, group);
                }
}

static void fill_launch(Planner *p, Json *guest) {
        LaunchPlan *launch = &p->plan->launch;
        VmPlan *vm = &p->plan->vm;

        launch->id = xstrdup(p->request->id);
        launch->rootless = p->facts->rootless;
        launch->state_dir = xstrdup(p->request->state_dir);
        launch->pod = p->request->pod ? xstrdup(p->request->pod) : NULL;
        if (launch->pod)
                launch->network_joined = true;
        vm->disks = launch->disks;
        vm->n_disks = launch->n_disks;
        if (!launch->pod)
                launch->qemu = qemu_argv(vm);
        if (!launch->pod && vm->driver)
                launch->driver = xstrdup(vm->driver->path);
        if (!launch->pod && vm->share == SHARE_VIRTIOFS) {
                launch->virtiofsd = virtiofsd_argv(vm);
                launch->qemu_uid = p->facts->qemu_uid;
                launch->qemu_gid = p->facts->qemu_gid;
        }
        if (!launch->pod)
                fill_devices(p);
        launch->guest = create_request(vm, p->request, guest);
        launch->terminal = p->spec->process->terminal;
        launch->oom_score_adj = p->spec->process->oom_score_adj;
        launch->remove_state = p->request->foreground;
        if (launch->boot_timeout_ms == 0)
                launch->boot_timeout_ms = p->config->boot_timeout_ms;
        launch->console_limit = p->config->console_limit;
        launch->created_usec = p->request->begin_usec;
}

static int plan_vm(Planner *p, Error *err) {
        int r;

        planner_network(p);
        planner_accelerator(p);
        r = planner_size(p, err);
        if (r >= 0)
                r = planner_gpu(p, err);
        return r < 0 ? r : planner_machine(p, err);
}

int plan_make(const OciSpec *spec, const Json *config_tree, const RuntimeConfig *config,
              const HostFacts *facts, const PlanRequest *request, Plan **ret, Error *err) {
        cleanup(plan_freep) Plan *plan = xnew(Plan, 1);
        char *member = request->pod ? xasprintf("%.200s.%" PRIx64, request->id, request->begin_usec) : NULL;
        cleanup_free char *folder = member ? xasprintf(SHARE_MEMBER, member) : xstrdup("");
        cleanup_json Json *mounts = NULL;
        Planner p = {
                .spec = spec,
                .tree = config_tree,
                .config = config,
                .facts = facts,
                .request = request,
                .plan = plan,
                .folder = folder,
        };
        int r;

        plan->launch.member = member;
        r = planner_check(&p, err);

        if (r >= 0)
                r = planner_mounts(&p, &mounts, err);
        if (r < 0)
                return error_prefix(err, "config.json");
        if (request->pod && request->gpu && request->gpu->n_wishes > 0)
                return error_set(
                        err, ENOTSUP,
                        "gpu: the container joins a virtual machine that runs already; ask for the GPU in "
                        "the pod's first container");
        r = planner_disks(&p, err);
        if (r >= 0 && !request->pod)
                r = plan_vm(&p, err);
        if (r >= 0)
                r = planner_driver(&p, err);
        if (r < 0)
                return r;
        fill_launch(&p, planner_guest(&p, TAKE_PTR(mounts)));
        *ret = TAKE_PTR(plan);
        return 0;
}

static void vm_plan_done(VmPlan *vm) {
        free(vm->name);
        free(vm->qemu);
        free(vm->qboot);
        free(vm->kernel);
        free(vm->initrd);
        free(vm->append);
        free(vm->share_path);
        free(vm->virtiofs_tag);
        free(vm->virtiofsd);
        free(vm->virtiofs_cache);
        for (size_t i = 0; i < vm->n_devices; i++)
                free(vm->devices[i].address);
        free(vm->devices);
}

Plan *plan_free(Plan *plan) {
        if (!plan)
                return NULL;
        vm_plan_done(&plan->vm);
        gpu_choice_done(&plan->gpu);
        json_clear(launch_plan_fields, &plan->launch);
        strv_free(plan->warnings);
        strv_free(plan->notes);
        free(plan);
        return NULL;
}
