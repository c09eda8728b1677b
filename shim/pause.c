/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * QEMU stops the guest's clocks with its processors, so the guest sees nothing of a pause but that the time of day is
 * behind afterwards. The host's time is sent just before the machine goes on: it is among the first things the agent
 * finds. Resuming is over when both have answered, QEMU and the agent; an agent that is slow, or too old to know the
 * request, is not waited for.
 */
#include "shim/pause.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/oci/state.h"
#include "shim/requests.h"

#define CLOCK_TIMEOUT_USEC (2ULL * 1000 * 1000)

struct Pause {
        Session *session;
        PauseFn fn; /* NULL: nobody waits */
        void *user;
        uint32_t tag;
        bool wanted;        /* the machine is to stand */
        bool qmp_pending;   /* QEMU has to answer */
        bool clock_pending; /* the agent has to answer */
        LoopSource *timer;  /* for the agent's answer */
};

Pause *pause_new(Session *session) {
        Pause *pause = xnew(Pause, 1);

        pause->session = session;
        return pause;
}

Pause *pause_free(Pause *pause) {
        if (!pause)
                return NULL;
        requests_forget(pause->session->requests, pause);
        loop_source_free(pause->timer);
        free(pause);
        return NULL;
}

void pause_forget(Pause *pause, void *user) {
        if (pause->user == user)
                pause->fn = NULL;
}

static void answer(Pause *pause, const Error *error) {
        PauseFn fn = pause->fn;

        pause->fn = NULL;
        if (fn)
                fn(error, pause->user, pause->tag);
}

static void set_paused(Session *session, bool paused) {
        cleanup_error Error error = { 0 };

        session->paused = paused;
        if (session_write_status(session, &error) < 0)
                log_error("%s", error.message);
}

/* ---- going on ---- */

static void finish(Pause *pause) {
        if (pause->qmp_pending || pause->clock_pending)
                return;
        pause->timer = loop_source_free(pause->timer);
        answer(pause, NULL);
}

static void on_clock_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Pause *pause = user;

        (void)reply;
        (void)tag;
        if (error && error->code != ENOSYS)
                log_warning("setting the guest's clock after a pause: %s", error->message);
        pause->clock_pending = false;
        if (!pause->wanted)
                finish(pause);
}

static void on_clock_timeout(LoopSource *source, void *user) {
        Pause *pause = user;

        (void)source;
        pause->timer = NULL;
        pause->clock_pending = false;
        finish(pause);
}

static void send_clock(Pause *pause) {
        Session *session = pause->session;
        cleanup_free char *text = NULL;
        ClockRequest request;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        request.realtime = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        text = json_to_text(clock_request_fields, &request, false);
        pause->clock_pending = true;
        requests_send(session->requests, session->agent, FRAME_CLOCK, text, strlen(text), on_clock_answer,
                      pause, 0);
}

/* ---- QEMU's answers ---- */

static void on_stopped(Pause *pause) {
        Session *session = pause->session;
        cleanup_error Error error = { 0 };

        if (session->state <= SESSION_RUNNING) {
                set_paused(session, true);
                answer(pause, NULL);
                return;
        }
        /* the program has ended meanwhile: the guest has work to do */
        qmp_execute(session->qmp, "cont", NULL, NULL, NULL);
        oci_error_not_running(&error);
        answer(pause, &error);
}

static void on_qmp_answer(Qmp *qmp, const Json *result, const char *why, void *user) {
        cleanup_error Error error = { 0 };
        Pause *pause = user;

        (void)qmp;
        (void)result;
        pause->qmp_pending = false;
        if (why) {
                error_set(&error, EIO, "QEMU could not %s the virtual machine: %s",
                          pause->wanted ? "stop" : "continue", why);
                answer(pause, &error);
        } else if (pause->wanted) {
                on_stopped(pause);
        } else {
                set_paused(pause->session, false);
                if (pause->clock_pending && !pause->timer)
                        loop_add_timer(pause->session->loop, CLOCK_TIMEOUT_USEC, on_clock_timeout, pause,
                                       &pause->timer);
                finish(pause);
        }
}

/* ---- requests ---- */

static void execute(Pause *pause, bool paused) {
        pause->wanted = paused;
        pause->qmp_pending = true;
        if (!paused)
                send_clock(pause);
        qmp_execute(pause->session->qmp, paused ? "stop" : "cont", NULL, on_qmp_answer, pause);
}

void pause_request(Pause *pause, bool paused, PauseFn fn, void *user, uint32_t tag) {
        Session *session = pause->session;
        OciStatus status = session->paused ? OCI_PAUSED : OCI_RUNNING;
        cleanup_error Error error = { 0 };
        int r;

        r = oci_check_operation(status, paused ? OCI_PAUSE : OCI_RESUME, session->plan->id, &error);
        if (r >= 0 && session->plan->pod)
                r = error_set(
                        &error, ENOTSUP,
                        "the container shares the virtual machine of a pod; pause the pod's first container");
        if (r >= 0 && (pause->qmp_pending || pause->fn || session->state == SESSION_STARTING))
                r = error_set(&error, EBUSY, "the container is just being %s",
                              session->state == SESSION_STARTING ? "started"
                              : pause->wanted                    ? "paused"
                                                                 : "resumed");
        if (r >= 0)
                r = session_write_status(session, &error);
        if (r < 0) {
                fn(&error, user, tag);
                return;
        }
        pause->fn = fn;
        pause->user = user;
        pause->tag = tag;
        execute(pause, paused);
}

void pause_break(Pause *pause) {
        if (pause->session->paused && !pause->qmp_pending)
                execute(pause, false);
}
