/* SPDX-License-Identifier: Apache-2.0 */

/* Without libsystemd. */

#include <errno.h>

#include "runtime/host/scope.h"

static int refuse(Error *err) {
        return error_set(err, ENOTSUP,
                         "--systemd-cgroup: this carrel was built without libsystemd; use the engine's "
                         "cgroupfs driver");
}

bool scope_is_supported(void) {
        return false;
}

int scope_check(Error *err) {
        return refuse(err);
}

int scope_start(const Scope *scope, const char *id, const ScopeLimits *limits, ScopeHold **ret, Error *err) {
        (void)scope;
        (void)id;
        (void)limits;
        (void)ret;
        return refuse(err);
}

ScopeHold *scope_release(ScopeHold *hold) {
        (void)hold;
        return NULL;
}

int scope_limit(const char *unit, const ScopeLimits *limits, Error *err) {
        (void)unit;
        (void)limits;
        return refuse(err);
}

int scope_stop(const char *unit, Error *err) {
        (void)unit;
        (void)err;
        return 0;
}
