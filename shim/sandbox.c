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
#include <stdbool.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/base/cleanup.h"

static const cap_value_t of_shim[] = { CAP_KILL, CAP_NET_ADMIN };

static bool is_kept(cap_value_t cap, const cap_value_t *kept, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (kept[i] == cap)
                        return true;
        return false;
}

static int drop_bounding_set(const cap_value_t *kept, size_t n, Error *err) {
        for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
                if (is_kept(cap, kept, n))
                        continue;
                if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
                        return error_errno(err, "dropping capability %d", cap);
        }
        return 0;
}

static int keep(const cap_value_t *kept, size_t n, Error *err) {
        cap_t caps;
        int r;

        r = drop_bounding_set(kept, n, err);
        if (r < 0)
                return r;
        caps = cap_init();
        if (!caps || (n > 0 && cap_set_flag(caps, CAP_PERMITTED, (int)n, kept, CAP_SET) < 0) ||
            (n > 0 && cap_set_flag(caps, CAP_EFFECTIVE, (int)n, kept, CAP_SET) < 0) || cap_set_proc(caps) < 0)
                r = error_errno(err, "dropping capabilities");
        cap_free(caps);
        if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                r = error_errno(err, "prctl PR_SET_NO_NEW_PRIVS");
        return r;
}

int sandbox_enter(Error *err) {
        return keep(of_shim, ELEMENTS_OF(of_shim), err);
}

int sandbox_drop_all(Error *err) {
        return keep(NULL, 0, err);
}

int sandbox_keep_groups(Error *err) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTS_OF(code), .filter = code };

        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? error_errno(err, "seccomp") : 0;
}
