/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/boot-test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/cgroup.h"
#include "common/base/fd.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "common/protocol/message.h"

int boot_test_parse(int argc, char **argv, BootTestOptions *ret, Error *err) {
        uint64_t n;

        for (int i = 1; i + 1 < argc; i++) {
                if (streq(argv[i], "--test-fd")) {
                        if (!str_to_u64(argv[i + 1], 10, INT32_MAX, &n))
                                return error_set(err, EINVAL, "--test-fd %s: not a descriptor", argv[i + 1]);
                        ret->channel = (int)n;
                } else if (streq(argv[i], "--share")) {
                        ret->share = argv[i + 1];
                }
        }
        return 0;
}

int boot_test_prepare(const BootTestOptions *options, Error *err) {
        int r;

        r = fd_set_cloexec(options->channel, true, err);
        if (r < 0)
                return r;
        umask(0022);
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_errno(err, "making / private");
        if (mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
                return error_errno(err, "mounting /run");
        r = path_make_directories(AT_FDCWD, GUEST_SHARE, 0755, err);
        if (r < 0)
                return r;
        if (options->share && mount(options->share, GUEST_SHARE, NULL, MS_BIND | MS_REC, NULL) < 0)
                return error_errno(err, "binding %s", options->share);
        /* hosts with cgroup v1, or both: this much of v2 is enough to start and to kill */
        if (mount("cgroup2", CGROUP_ROOT, "cgroup2", 0, NULL) < 0)
                return error_errno(err, "mounting cgroup2");
        /* a cgroup that hands controllers to others may hold no process itself */
        if (mkdir(CGROUP_ROOT "/agent", 0755) < 0)
                return error_errno(err, "making a cgroup");
        return file_write(AT_FDCWD, CGROUP_ROOT "/agent/cgroup.procs", "0", err);
}
