/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/caps.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "common/base/str.h"

static bool kernel_knows(cap_value_t cap) {
        return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
}

static uint64_t parse_set(char *const *names, char ***unknown) {
        uint64_t set = 0;

        STRV_FOR_EACH (name, names) {
                cap_value_t cap;

                if (cap_from_name(*name, &cap) >= 0 && cap < 64 && kernel_knows(cap))
                        set |= UINT64_C(1) << cap;
                else if (unknown && !strv_contains(*unknown, *name))
                        strv_append(unknown, *name);
        }
        return set;
}

void caps_parse(const OciCapabilities *capabilities, CapSets *ret, char ***ret_unknown) {
        char **unknown = NULL;
        CapSets sets = { 0 };

        if (capabilities) {
                sets.bounding = parse_set(capabilities->bounding, &unknown);
                sets.effective = parse_set(capabilities->effective, &unknown);
                sets.inheritable = parse_set(capabilities->inheritable, &unknown);
                sets.permitted = parse_set(capabilities->permitted, &unknown);
                sets.ambient = parse_set(capabilities->ambient, &unknown);
                sets.ambient &= sets.permitted & sets.inheritable;
        }
        *ret = sets;
        if (ret_unknown)
                *ret_unknown = unknown;
        else
                strv_free(unknown);
}

int caps_drop_bounding(const CapSets *sets, Error *err) {
        for (cap_value_t cap = 0; cap < 64 && kernel_knows(cap); cap++)
                if (!(sets->bounding >> cap & 1) && cap_drop_bound(cap) < 0)
                        return error_errno(err, "process.capabilities.bounding");
        return 0;
}

int caps_keep_over_setuid(Error *err) {
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return error_errno(err, "prctl PR_SET_KEEPCAPS");
        return 0;
}

int caps_regain(Error *err) {
        cap_t caps = cap_get_proc();
        int r;

        if (!caps)
                return error_errno(err, "capget");
        for (cap_value_t cap = 0; cap < 64 && kernel_knows(cap); cap++) {
                cap_flag_value_t permitted = CAP_CLEAR;

                if (cap_get_flag(caps, cap, CAP_PERMITTED, &permitted) == 0)
                        cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, permitted);
        }
        r = cap_set_proc(caps) < 0 ? error_errno(err, "capset") : 0;
        cap_free(caps);
        return r;
}

static void fill(cap_t caps, cap_flag_t flag, uint64_t set) {
        for (cap_value_t cap = 0; cap < 64; cap++)
                if (set >> cap & 1)
                        cap_set_flag(caps, flag, 1, &cap, CAP_SET);
}

static int apply_ambient(uint64_t set, Error *err) {
        if (cap_reset_ambient() < 0)
                return error_errno(err, "process.capabilities.ambient");
        for (cap_value_t cap = 0; cap < 64; cap++)
                if ((set >> cap & 1) && cap_set_ambient(cap, CAP_SET) < 0)
                        return error_errno(err, "process.capabilities.ambient");
        return 0;
}

int caps_apply(const CapSets *sets, Error *err) {
        cap_t caps = cap_init();
        int r = 0;

        if (!caps)
                return error_errno(err, "cap_init");
        fill(caps, CAP_EFFECTIVE, sets->effective);
        fill(caps, CAP_PERMITTED, sets->permitted);
        fill(caps, CAP_INHERITABLE, sets->inheritable);
        if (cap_set_proc(caps) < 0)
                r = error_errno(err, "process.capabilities");
        cap_free(caps);
        if (r < 0)
                return r;
        if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
                return error_errno(err, "prctl PR_SET_KEEPCAPS");
        return apply_ambient(sets->ambient, err);
}
