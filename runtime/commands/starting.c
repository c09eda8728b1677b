/* SPDX-License-Identifier: Apache-2.0 */

/* `start`, for `start` and `run`: the process of a created container goes on. */

#include <errno.h>
#include <unistd.h>

#include "runtime/commands/creation.h"
#include "runtime/store/process.h"

#define START_TIMEOUT_MS 120000
/* How long a shim that has hung up may take to write down why. */
#define END_TIMEOUT_MS  10000
#define STOP_WAIT_STEPS 40
#define STOP_WAIT_USEC  50000

/* The shim ended instead of answering: what it wrote last says why. */
static void explain_stop(Container *container, Error *err) {
        cleanup_error Error ignored = { 0 };

        for (int i = 0; i < STOP_WAIT_STEPS; i++) {
                if (container_refresh(container, &ignored) >= 0 && container->shim.error)
                        break;
                if (container->status == OCI_STOPPED)
                        break;
                usleep(STOP_WAIT_USEC);
        }
        if (container->shim.error)
                error_set(err, EIO, "%s", container->shim.error);
        else
                error_set(err, ESRCH, "the container stopped before it was started");
}

/* A start that failed ends the container. An engine that hears of the failure deletes it at once, and gives up (dockerd
 * 20.10, for ever) when it is not stopped by then. */
static void wait_for_end(const Container *container) {
        cleanup_error Error ignored = { 0 };
        cleanup_close int pidfd = container_open_shim(container, &ignored);

        if (pidfd >= 0)
                process_wait(pidfd, END_TIMEOUT_MS);
}

int container_start(Container *container, Error *err) {
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup(client_freep) Client *client = NULL;
        cleanup_error Error failed = { 0 };
        Frame reply;
        int r;

        if (container->status == OCI_RUNNING && container->shim.error) /* in its last moments */
                return error_set(err, EIO, "%s", container->shim.error);
        r = oci_check_operation(container->status, OCI_START, container->entry->id, err);
        if (r >= 0)
                r = container_spec(container, &spec, err);
        if (r >= 0)
                r = client_connect(container->entry->dir, &client, err);
        if (r < 0)
                return r;
        r = client_request(client, FRAME_START, NULL, NULL, START_TIMEOUT_MS, &reply, err);
        if (r == -ECONNRESET)
                explain_stop(container, err);
        if (r < 0) {
                wait_for_end(container);
                return -err->code;
        }
        container->status = OCI_RUNNING;
        if (!spec->hooks)
                return 0;
        r = container_run_hooks(container, "poststart", spec->hooks->poststart, spec->hooks->n_poststart, -1,
                                err);
        if (r < 0)
                container_kill_shim(container, &failed);
        return r;
}
