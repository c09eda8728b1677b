/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this folder share while a plan is made. For this folder alone; everybody else uses plan.h. */

#include "runtime/plan/plan.h"

typedef struct Planner {
        const OciSpec *spec;
        const Json *tree; /* config.json as parsed */
        const RuntimeConfig *config;
        const HostFacts *facts;
        const PlanRequest *request;
        Plan *plan;   /* is being filled */
        char *folder; /* of the container in what the guest sees: "", or "members/ID/" */
} Planner;

/* A line for the user: something is not as it was asked for. */
void planner_warn(Planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line for the curious: something is done in another way, to the same effect. */
void planner_note(Planner *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* In the order of plan_make(). */
int planner_check(Planner *p, Error *err); /* checks.c: what of the bundle a virtual machine cannot do */
/* Those of its checks that are about limits, for `update`; only linux.resources is looked at. */
int planner_check_resources(Planner *p, Error *err);
/* Those about the process, for `exec`; only spec.process and tree.process are looked at. */
int planner_check_process(Planner *p, Error *err);
void planner_accelerator(Planner *p);        /* boot.c */
int planner_gpu(Planner *p, Error *err);     /* gpu.c: devices that are passed, the place they need */
int planner_machine(Planner *p, Error *err); /* boot.c: share, firmware, kernel */
int planner_driver(Planner *p, Error *err);  /* driver.c: which bundle, if any */
void planner_network(Planner *p);            /* network.c: cards */
int planner_disks(Planner *p, Error *err);   /* disks.c: block devices of the host */
int planner_size(Planner *p, Error *err);    /* sizing.c: processors, memory */
int planner_mounts(Planner *p, Json **ret_mounts, Error *err); /* mounts.c: shares; `mounts` for the guest */
Json *planner_guest(const Planner *p,
                    Json *mounts); /* guest.c: config.json for the guest; takes MOUNTS over */
Json *
planner_guest_resources(const Json *resources);   /* guest.c: linux.resources, without what is the host's */
Json *planner_guest_process(const Json *process); /* guest.c: the same for process */
