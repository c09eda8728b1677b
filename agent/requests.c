/* SPDX-License-Identifier: Apache-2.0 */

/* What the host asks, one function a request. Numbers from the host are checked here or by what they are given to. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/exec.h"
#include "agent/namespaces.h"
#include "agent/session.h"
#include "agent/share.h"
#include "agent/stats.h"
#include "common/base/log.h"
#include "common/protocol/message.h"

/* The clock is left alone when it is this good already. */
#define CLOCK_TOLERANCE_NSEC 1000000

static void answer(Session *session, const Frame *frame) {
        channel_send_json(session->channel, FRAME_REPLY, frame->seq, NULL, NULL);
}

static void answer_text(Session *session, const Frame *frame, JsonWriter *w) {
        cleanup_free char *text = strbuf_take(&w->out);

        channel_send(session->channel, FRAME_REPLY, 0, frame->seq, text, strlen(text));
}

static int need_container(const Session *session, Error *err) {
        if (!session->container || !session->container->init)
                return error_set(err, ESRCH, "container not running");
        return 0;
}

/* ---- create, start, exec ---- */

static int set_clock(uint64_t realtime, Error *err) {
        struct timespec now, ts = {
                .tv_sec = (time_t)(realtime / 1000000000),
                .tv_nsec = (long)(realtime % 1000000000),
        };
        int64_t difference;

        if (realtime == 0 || realtime > INT64_MAX)
                return 0;
        clock_gettime(CLOCK_REALTIME, &now);
        difference = (int64_t)realtime - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
        if (difference > -CLOCK_TOLERANCE_NSEC && difference < CLOCK_TOLERANCE_NSEC)
                return 0;
        if (clock_settime(CLOCK_REALTIME, &ts) < 0)
                return error_errno(err, "setting the clock");
        return 0;
}

static int create(Session *session, const CreateRequest *request, uint32_t seq, Error *err) {
        int r;

        if (!session->test) {
                r = set_clock(request->realtime, err);
                if (r >= 0)
                        r = share_mount(request->share_type, err);
                if (r < 0)
                        return r;
        }
        r = container_new(&session->processes, request, seq, &session->container, err);
        if (r >= 0)
                session_watch_memory(session);
        return r;
}

static int on_create(Session *session, const Frame *frame, Error *err) {
        CreateRequest request = { 0 };
        int r;

        if (session->container)
                return error_set(err, EEXIST, "there is a container already");
        r = message_read(frame, create_request_fields, &request, err);
        if (r < 0)
                return r;
        r = create(session, &request, frame->seq, err);
        json_clear(create_request_fields, &request);
        return r;
}

/* The network is as it is to be: settings that name an interface can be written, and the program can run. */
static int start_container(Session *session, uint32_t seq, Error *err) {
        if (need_container(session, err) < 0 ||
            namespaces_write_settings(session->container->spec, SETTING_NETWORK, err) < 0 ||
            container_start(session->container, err) < 0)
                return -err->code;
        session->container->init->seq = seq;
        return 0;
}

static int set_dns(Session *session, bool dns, Error *err) {
        if (dns)
                return dns_start(session->dns, cgroup_fd(session->container->cgroup), err);
        dns_stop(session->dns);
        return 0;
}

static void on_start_network(uint32_t seq, bool dns, const Error *error, void *user) {
        cleanup_error Error own = { 0 };
        Session *session = user;

        session->starting = false;
        if (error)
                channel_send_error(session->channel, seq, error);
        else if (set_dns(session, dns, &own) < 0 || start_container(session, seq, &own) < 0)
                channel_send_error(session->channel, seq, &own);
}

static int on_start(Session *session, const Frame *frame, Error *err) {
        StartRequest request = { 0 };
        int r;

        r = need_container(session, err);
        if (r >= 0)
                r = container_can_start(session->container, err);
        if (r >= 0 && session->starting)
                r = error_set(err, EINVAL, "cannot start an already running container");
        if (r >= 0)
                r = message_read(frame, start_request_fields, &request, err);
        if (r < 0)
                return r;
        if (request.network) {
                session->starting = true;
                r = network_apply(session->network, request.network, frame->seq, on_start_network, session,
                                  err);
                if (r < 0)
                        session->starting = false;
        } else {
                r = start_container(session, frame->seq, err);
        }
        json_clear(start_request_fields, &request);
        return r;
}

static int on_exec(Session *session, const Frame *frame, Error *err) {
        ExecRequest request = { 0 };
        int r;

        r = message_read(frame, exec_request_fields, &request, err);
        if (r < 0)
                return r;
        r = exec_start(&session->processes, session->container, &request, frame->seq, err);
        json_clear(exec_request_fields, &request);
        return r;
}

/* ---- running processes ---- */

static Process *find_process(const Session *session, uint32_t number, Error *err) {
        Process *process = process_find(&session->processes, number ? number : PROCESS_INIT);

        if (!process)
                error_set(err, ESRCH, "no such process");
        return process;
}

static int on_signal(Session *session, const Frame *frame, Error *err) {
        SignalRequest request = { 0 };
        int r;

        r = message_read(frame, signal_request_fields, &request, err);
        if (r < 0)
                return r;
        if (request.signal < 0 || request.signal >= NSIG)
                return error_set(err, EINVAL, "signal %d", request.signal);
        if (request.all) {
                r = need_container(session, err);
                if (r >= 0)
                        r = container_signal_all(session->container, request.signal, err);
        } else {
                const Process *process = find_process(session, request.process, err);

                r = process ? process_signal(process, request.signal, err) : -err->code;
        }
        if (r >= 0)
                answer(session, frame);
        return r;
}

static int on_resize(Session *session, const Frame *frame, Error *err) {
        ResizeRequest request = { 0 };
        const Process *process;
        int r;

        r = message_read(frame, resize_request_fields, &request, err);
        if (r < 0)
                return r;
        process = find_process(session, request.process, err);
        r = process ? stdio_resize(process->stdio, request.rows, request.cols, err) : -err->code;
        if (r >= 0)
                answer(session, frame);
        return r;
}

/* ---- the container as a whole ---- */

static int on_update(Session *session, const Frame *frame, Error *err) {
        cleanup(oci_resources_freep) OciResources *resources = NULL;
        int r;

        r = need_container(session, err);
        if (r >= 0)
                r = oci_resources_parse(frame->data, frame->length, &resources, err);
        if (r >= 0)
                r = cgroup_apply(session->container->cgroup, resources, err);
        if (r >= 0)
                answer(session, frame);
        return r;
}

static int on_stats(Session *session, const Frame *frame, Error *err) {
        JsonWriter w = { 0 };
        int r;

        r = need_container(session, err);
        if (r >= 0)
                r = cgroup_write_stats(session->container->cgroup, &w, err);
        if (r >= 0)
                answer_text(session, frame, &w);
        strbuf_done(&w.out);
        return r;
}

static int on_processes(Session *session, const Frame *frame, Error *err) {
        JsonWriter w = { 0 };
        int r;

        r = need_container(session, err);
        if (r >= 0)
                r = stats_write_processes(session->container->cgroup, &w, err);
        if (r >= 0)
                answer_text(session, frame, &w);
        strbuf_done(&w.out);
        return r;
}

static void on_network_done(uint32_t seq, bool dns, const Error *error, void *user) {
        cleanup_error Error own = { 0 };
        Session *session = user;

        if (error)
                channel_send_error(session->channel, seq, error);
        else if (set_dns(session, dns, &own) < 0)
                channel_send_error(session->channel, seq, &own);
        else
                channel_send_json(session->channel, FRAME_REPLY, seq, NULL, NULL);
}

static int on_network(Session *session, const Frame *frame, Error *err) {
        NetworkConfig config = { 0 };
        int r;

        r = need_container(session, err);
        if (r >= 0)
                r = message_read(frame, network_config_fields, &config, err);
        if (r < 0)
                return r;
        r = network_apply(session->network, &config, frame->seq, on_network_done, session, err);
        json_clear(network_config_fields, &config);
        return r;
}

static int on_clock(Session *session, const Frame *frame, Error *err) {
        ClockRequest request = { 0 };
        int r;

        r = message_read(frame, clock_request_fields, &request, err);
        if (r >= 0 && !session->test)
                r = set_clock(request.realtime, err);
        if (r >= 0)
                answer(session, frame);
        return r;
}

static int on_shutdown(Session *session, const Frame *frame, Error *err) {
        (void)err;
        session_kill_all(session);
        if (session->test)
                sync();
        else if (session->container)
                share_unmount();
        answer(session, frame);
        return 0;
}

/* ---- dispatch ---- */

static const struct {
        int (*handle)(Session *session, const Frame *frame, Error *err);
} requests[] = {
        [FRAME_CREATE] = { on_create },     [FRAME_START] = { on_start },
        [FRAME_EXEC] = { on_exec },         [FRAME_SIGNAL] = { on_signal },
        [FRAME_RESIZE] = { on_resize },     [FRAME_UPDATE] = { on_update },
        [FRAME_STATS] = { on_stats },       [FRAME_PROCESSES] = { on_processes },
        [FRAME_SHUTDOWN] = { on_shutdown }, [FRAME_NETWORK] = { on_network },
        [FRAME_CLOCK] = { on_clock },
};

int request_handle(Session *session, const Frame *frame, Error *err) {
        if (frame->type >= ELEMENTS_OF(requests) || !requests[frame->type].handle)
                return error_set(err, ENOSYS, "%s is not for the agent", frame_type_name(frame->type));
        return requests[frame->type].handle(session, frame, err);
}
