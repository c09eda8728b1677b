/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * The shim is the process that the guest's bytes reach first: frames, console, statistics. It needs root's rights to
 * assemble the shared tree and to start QEMU and virtiofsd, and hardly any of them afterwards. So after bring-up it
 * drops every capability but the two named in sandbox.h from all its sets, the bounding set too, and can execute
 * nothing that would give them back. It keeps uid 0 without CAP_DAC_OVERRIDE: it can still write what belongs to
 * root (its state folder, the container's cgroup), but not what belongs to others.
 */
#include "shim/sandbox.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "common/base/cleanup.h"

static int drop_bounding_set(Error *err) {
        for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
                if (cap == CAP_KILL || cap == CAP_NET_ADMIN)
                        continue;
                if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
                        return error_errno(err, "dropping capability %d", cap);
        }
        return 0;
}

int sandbox_enter(Error *err) {
        static const cap_value_t kept[] = { CAP_KILL, CAP_NET_ADMIN };
        cap_t caps;
        int r;

        r = drop_bounding_set(err);
        if (r < 0)
                return r;
        caps = cap_init();
        if (!caps || cap_set_flag(caps, CAP_PERMITTED, ELEMENTS_OF(kept), kept, CAP_SET) < 0 ||
            cap_set_flag(caps, CAP_EFFECTIVE, ELEMENTS_OF(kept), kept, CAP_SET) < 0 || cap_set_proc(caps) < 0)
                r = error_errno(err, "dropping capabilities");
        cap_free(caps);
        if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = error_errno(err, "prctl PR_SET_NO_NEW_PRIVS");
        return r;
}
