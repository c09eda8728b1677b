/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

/* containerd's shims know that socket from containerd, and hand it down to what they start. */
#define CONTAINERD_EVENTS "TTRPC_ADDRESS"
/* A pipe of conmon to podman or CRI-O, there when it has a container created. */
#define CONMON_PIPE "_OCI_SYNCPIPE"

/* Under containerd's shim both the state folder and that of the bundle are named after its namespace:
 * --root …/moby, --bundle …/moby/ID. Anything else is a call by somebody who has inherited an environment. */
static char *containerd_namespace(const char *root, const char *bundle) {
        cleanup_free char *above = path_normalize(bundle), *state = path_normalize(root);
        const char *of_root = strrchr(state, '/'), *of_bundle;
        char *slash = strrchr(above, '/');

        if (!slash || !of_root || !of_root[1])
                return NULL;
        *slash = '\0';
        of_bundle = strrchr(above, '/');
        return of_bundle && streq(of_root, of_bundle) ? xstrdup(of_root + 1) : NULL;
}

void engine_find(const char *root, const char *bundle, LaunchPlan *plan) {
        const char *events = getenv(CONTAINERD_EVENTS);

        if (events && *events == '/')
                plan->containerd_namespace = containerd_namespace(root, bundle);
        if (plan->containerd_namespace)
                plan->containerd_events = xstrdup(events);
        if (getenv(CONMON_PIPE))
                plan->oom_mark = path_join(bundle, "oom");
}
