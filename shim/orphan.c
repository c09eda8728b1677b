/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/spawn.h"
#include "common/base/str.h"

/* Moves us to the nearest cgroup above FOLDER that takes processes: on cgroup v2 one whose controllers are enabled for
 * its children does not (EBUSY), but the root always does. */
static int leave_cgroup(const char *folder, Error *err) {
        cleanup_free char *above = xstrdup(folder);
        char *slash;

        error_set(err, ENOENT, "no cgroup above it takes processes");
        while ((slash = strrchr(above, '/')) && slash != above) {
                cleanup_free char *procs = NULL;

                *slash = '\0';
                procs = path_join(above, "cgroup.procs");
                if (access(procs, F_OK) < 0)
                        break; /* above the hierarchy's root */
                /* "0" is the writer itself, whatever its number in that pid namespace */
                error_clear(err);
                if (file_write(AT_FDCWD, procs, "0", err) >= 0)
                        return 0;
        }
        return -err->code;
}

/* The folder that carrel makes when nobody names one goes with its last container. */
static void remove_default_parent(const char *folder) {
        cleanup_free char *parent = xstrdup(folder);

        *strrchr(parent, '/') = '\0';
        if (str_ends_with(parent, CGROUP_DEFAULT_PARENT))
                rmdir(parent);
}

static void remove_cgroup(const char *folder) {
        cleanup_error Error error = { 0 };

        if (leave_cgroup(folder, &error) < 0)
                log_warning("leaving cgroup %s: %s", folder, error.message);
        else if (rmdir(folder) < 0 && errno != ENOENT)
                log_warning("removing cgroup %s: %s", folder, strerror(errno));
        remove_default_parent(folder);
}

/* With the state folder gone, devices are nobody's: carrel gives them back. We have hardly any capabilities; the kernel's
 * files for it belong to root, as we do. */
static void run_last_act(const LaunchPlan *plan) {
        const SpawnFd fds[] = { { SHIM_FD_LOG, STDERR_FILENO } };
        const SpawnSpec spec = { .argv = plan->last_act, .fds = fds, .n_fds = ELEMENTS_OF(fds) };
        cleanup_error Error error = { 0 };
        int status = 0;
        pid_t pid;

        if (spawn(&spec, &pid, NULL, &error) < 0) {
                log_warning("%s", error.message);
                return;
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (status != 0)
                log_warning("%s: exit status %d", plan->last_act[0], wait_status_to_exit(status));
}

static void remove_state(const LaunchPlan *plan) {
        cleanup_free char *parent = xstrdup(plan->state_dir);
        char *name = strrchr(parent, '/');
        cleanup_error Error error = { 0 };
        cleanup_close int dir = -1;

        if (!name || name == parent)
                return;
        *name++ = '\0';
        dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return;
        if (path_remove_tree(dir, name, &error) < 0)
                log_warning("removing %s: %s", plan->state_dir, error.message);
}

void orphan_clean_up(const LaunchPlan *plan) {
        STRV_FOR_EACH (folder, plan->cgroups)
                remove_cgroup(*folder);
        remove_state(plan);
        if (plan->last_act && plan->last_act[0])
                run_last_act(plan);
}
