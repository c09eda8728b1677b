/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Scopes: cgroups that systemd makes and knows of, for engines that leave cgroups to it (--systemd-cgroup). A container
 * is a transient scope below a slice; systemd hands it over as it is (Delegate) and sets limits that it would otherwise
 * reset. The folders in which the cgroup appears are dealt with as any other's: see cgroup.h.
 */

#include <stdbool.h>

#include "common/base/error.h"
#include "common/oci/linux.h"

typedef struct Scope {
        char *unit;  /* "docker-0123.scope" */
        char *slice; /* "system.slice" */
        char *path;  /* "/system.slice/docker-0123.scope": in every hierarchy */
} Scope;

/* CGROUPS_PATH is "slice:prefix:name"; NULL: system.slice:carrel:ID. */
int scope_parse(const char *cgroups_path, const char *id, Scope **ret, Error *err);
Scope *scope_free(Scope *scope);
DEFINE_CLEANUP(Scope *, scope_free);

/* ---- systemd's part; ENOTSUP without libsystemd (scope-fallback.c) ---- */

typedef struct ScopeLimits {
        uint64_t memory;   /* bytes; 0: not set, UINT64_MAX: none */
        const OciCpu *cpu; /* NULL: not set */
} ScopeLimits;

/* Whether this program was built with libsystemd. */
bool scope_is_supported(void);

/* systemd answers; else one line that says so. */
int scope_check(Error *err);

/* Makes the scope of container ID. A scope lives as long as a process is in it: this one holds a process of ours until
 * scope_release(), or until we end. */
typedef struct ScopeHold ScopeHold;
int scope_start(const Scope *scope, const char *id, const ScopeLimits *limits, ScopeHold **ret, Error *err);
ScopeHold *scope_release(ScopeHold *hold);
DEFINE_CLEANUP(ScopeHold *, scope_release);

int scope_limit(const char *unit, const ScopeLimits *limits, Error *err);

/* Stops the unit and makes systemd forget it. Not there, or no systemd: no error. */
int scope_stop(const char *unit, Error *err);
