/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A QMP client (QEMU's docs/interop/qmp-spec.rst): JSON objects, one a line. It negotiates capabilities by itself;
 * commands may be queued at any time and go out when that is done. QEMU is not trusted: lines are bounded, answers
 * checked.
 */

#include "common/base/json.h"
#include "common/base/loop.h"

typedef struct Qmp Qmp;

/* RESULT is the "return" value, or NULL when ERROR is set ("Desc (Class)"); also when the connection ends first. */
typedef void (*QmpReplyFn)(Qmp *qmp, const Json *result, const char *error, void *user);

typedef struct QmpHandlers {
        void (*ready)(Qmp *qmp, void *user); /* capabilities negotiated */
        void (*event)(Qmp *qmp, const char *name, const Json *data, void *user);
        void (*end)(Qmp *qmp, const char *why, void *user); /* WHY NULL: QEMU closed it */
        void *user;
} QmpHandlers;

/* Takes over FD. */
int qmp_new(Loop *loop, int fd, const QmpHandlers *handlers, Qmp **ret, Error *err);
Qmp *qmp_free(Qmp *qmp);
DEFINE_CLEANUP(Qmp *, qmp_free);

/* ARGUMENTS (taken over) may be NULL; FN may be NULL. */
void qmp_execute(Qmp *qmp, const char *command, Json *arguments, QmpReplyFn fn, void *user);
