/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Gathering HostFacts (runtime/plan/facts.h), which planning works from. On the way of every `create`: no child is
 * started, and apart from the accelerator probe it costs well under 2 ms.
 */

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "runtime/config.h"
#include "runtime/host/caller.h"
#include "runtime/plan/facts.h"

/*
 * Everything of this host. What is not there stays NULL in the facts; an error is a configuration that names what
 * does not exist (a program, an image, the user). CALLER is as it was before it became root. The accelerator is not probed when the configuration forces tcg.
 */
int host_facts_gather(const RuntimeConfig *config, const Caller *caller, HostFacts **ret, Error *err);

/* Adds what passing devices needs (gpu-facts.h), driver bundles among it. */
int host_facts_gather_gpu(const RuntimeConfig *config, HostFacts *facts, Error *err);

/* Physical address bits of this processor. */
uint32_t host_address_bits(void);

/* The JSON form, for `carrel plan --facts FILE`. */
int host_facts_read_file(const char *path, HostFacts **ret, Error *err);

HostFacts *host_facts_free(HostFacts *facts);
DEFINE_CLEANUP(HostFacts *, host_facts_free);

/* ---- parts, for `carrel doctor` ---- */

typedef enum CgroupMode {
        CGROUP_NONE,
        CGROUP_V1,
        CGROUP_HYBRID, /* version 1 controllers, version 2 beside them without any */
        CGROUP_V2,
        _CGROUP_MODE_MAX,
} CgroupMode;

/* What is found below ROOT (host-root.h), looking for programs in SEARCH as in $PATH; nothing about the accelerator
 * and the user. Does not fail: a missing thing is NULL. */
HostFacts *host_facts_collect(int root, const RuntimeConfig *config, const char *search);

/* A path the configuration names and the host does not have. */
int host_facts_check_configured(const RuntimeConfig *config, const HostFacts *facts, Error *err);

CgroupMode host_cgroup_mode(int root);
const char *cgroup_mode_name(CgroupMode mode); /* "v1", "hybrid", ... */
