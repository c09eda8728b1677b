/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/pod.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/connect.h"
#include "shim/share.h"

#define STREAM_SHIFT (CONTAINER_SHIFT + 2) /* of a container's number in a stream's */

static bool is_stream(uint16_t type) {
        return type == FRAME_DATA || type == FRAME_WINDOW || type == FRAME_CLOSE || type == FRAME_RESET;
}

/* ---- in the shim with the VM ---- */

int pod_pass_down(Session *session, uint32_t container, const Frame *frame, RequestFn fn, void *user,
                  Error *err) {
        if (is_stream(frame->type)) {
                if (frame->stream >> STREAM_SHIFT != 0)
                        return error_set(err, EPROTO, "a stream of another container");
                channel_send(session->agent, frame->type, frame->stream | container << STREAM_SHIFT, 0,
                             frame->data, frame->length);
                return 0;
        }
        switch (frame->type) {
        case FRAME_CREATE:
        case FRAME_START:
        case FRAME_EXEC:
        case FRAME_SIGNAL:
        case FRAME_RESIZE:
        case FRAME_UPDATE:
        case FRAME_STATS:
        case FRAME_PROCESSES:
        case FRAME_SHUTDOWN:
                requests_send_to(session->requests, &(RequestTarget){ session->agent, container },
                                 frame->type, frame->data, frame->length, fn, user, frame->seq);
                return 0;
        default:
                return error_set(err, EPROTO, "a %s frame from a container of the pod",
                                 frame_type_name(frame->type));
        }
}

uint32_t pod_container(const Frame *frame) {
        if (is_stream(frame->type))
                return frame->stream >> STREAM_SHIFT;
        return frame->type == FRAME_EXITED || frame->type == FRAME_EVENT ? frame->stream : 0;
}

void pod_pass_up(Channel *channel, const Frame *frame) {
        uint32_t stream = is_stream(frame->type) ? frame->stream & ((1U << STREAM_SHIFT) - 1) : 0;

        channel_send(channel, frame->type, stream, 0, frame->data, frame->length);
}

static void on_removed(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        (void)reply;
        (void)user;
        (void)tag;
        if (error && error->code != ESRCH)
                log_warning("removing a container of the pod: %s", error->message);
}

void pod_remove(Session *session, uint32_t container) {
        SignalRequest request = { .signal = SIGKILL, .all = true };
        cleanup_free char *text = json_to_text(signal_request_fields, &request, false);

        if (!session->agent)
                return;
        requests_send_to(session->requests, &(RequestTarget){ session->agent, container }, FRAME_SIGNAL, text,
                         strlen(text), on_removed, session, 0);
        requests_send_to(session->requests, &(RequestTarget){ session->agent, container }, FRAME_SHUTDOWN,
                         "{}", 2, on_removed, session, 0);
}

/* ---- in the shim of a member ---- */

typedef struct Joining {
        Session *session;
        void (*resume)(Session *session);
} Joining;

static void on_joined(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        cleanup_free Joining *joining = user;
        Session *session = joining->session;

        (void)reply;
        (void)tag;
        if (error) {
                cleanup_free char *why = xasprintf("joining the pod: %s", error->message);

                session_fail(session, why);
                return;
        }
        session->hello = true;
        session->boot_timer = loop_source_free(session->boot_timer);
        session->status.timeline.hello = timeline_now(session->plan);
        joining->resume(session);
}

int pod_join(Session *session, const ChannelHandlers *handlers, void (*resume)(Session *session),
             Error *err) {
        cleanup_close int fd = -1;
        Joining *joining;

        if (share_join(session->plan, SHIM_FD_SHARE, err) < 0)
                return -err->code;
        close(SHIM_FD_SHARE);
        session->status.timeline.share = timeline_now(session->plan);
        fd = control_connect(session->plan->pod, err);
        if (fd < 0 || channel_new(session->loop, fd, handlers, &session->agent, err) < 0)
                return error_prefix(err, "joining the pod");
        TAKE_FD(fd);
        joining = xnew(Joining, 1);
        *joining = (Joining){ .session = session, .resume = resume };
        requests_send(session->requests, session->agent, FRAME_JOIN, "{}", 2, on_joined, joining, 0);
        return 0;
}
