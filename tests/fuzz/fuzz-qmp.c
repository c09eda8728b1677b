/* SPDX-License-Identifier: Apache-2.0 */

/* What a QEMU that was broken into may send on its QMP socket. */

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "shim/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_ready(Qmp *qmp, void *user) {
        (void)user;
        qmp_execute(qmp, "query-status", NULL, NULL, NULL);
}

static void on_event(Qmp *qmp, const char *name, const Json *data, void *user) {
        (void)qmp;
        (void)name;
        (void)data;
        (void)user;
}

static void on_end(Qmp *qmp, const char *why, void *user) {
        (void)qmp;
        (void)why;
        loop_quit(user, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup(loop_freep) Loop *loop = NULL;
        cleanup_error Error error = { 0 };
        QmpHandlers handlers = { on_ready, on_event, on_end, NULL };
        Qmp *qmp = NULL;
        int fds[2];

        if (size > 65536 || loop_new(&loop, &error) < 0)
                return 0;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return 0;
        handlers.user = loop;
        if (qmp_new(loop, fds[0], &handlers, &qmp, &error) < 0) {
                close(fds[0]);
                close(fds[1]);
                return 0;
        }
        fd_write_all(fds[1], data, size, &error);
        shutdown(fds[1], SHUT_WR);
        loop_run(loop, &error);
        qmp_free(qmp);
        close(fds[1]);
        return 0;
}
