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

/* The container that a frame is about, with a living init; NULL: error set. */
static Member *need_container(const Session *session, const Frame *frame, Error *err) {
        Member *member = session_member(session, frame->stream);

        if (!member || !member->container || !member->container->init) {
                error_set(err, ESRCH, "container not running");
                return NULL;
        }
        return member;
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

/* The driver is loaded for the first container; a further one may share it. */
static int find_driver(Session *session, CreateRequest *request, bool first, const Driver **ret, Error *err) {
        int r = 0;

        if (!request->driver)
                return 0;
        if (first && !session->test && !session->driver)
                r = driver_load(TAKE_PTR(request->driver), &session->driver, err);
        else if (!session->driver || !streq(session->driver->manifest->name, request->driver->name))
                r = error_set(
                        err, ENODEV,
                        "the virtual machine has no driver bundle \"%s\": it comes with the pod's first "
                        "container",
                        request->driver->name);
        if (r >= 0)
                *ret = session->driver;
        return r;
}

static const Container *find_container(void *user, const char *id) {
        const Session *session = user;

        for (const Member *member = session->members; member; member = member->next)
                if (member->container && streq(member->container->id, id))
                        return member->container;
        return NULL;
}

/* Where the container has a uts namespace, it is a copy of ours. */
static int set_names(const CreateRequest *request, Error *err) {
        if (request->hostname && sethostname(request->hostname, strlen(request->hostname)) < 0)
                return error_errno(err, "host name");
        if (request->domainname && setdomainname(request->domainname, strlen(request->domainname)) < 0)
                return error_errno(err, "domain name");
        return 0;
}

static int create(Member *member, CreateRequest *request, uint32_t seq, Error *err) {
        Session *session = member->session;
        const Member *pod = member->number ? session_member(session, 0) : NULL;
        ContainerPlace place = {
                .number = member->number,
                .pod = pod ? pod->container : NULL,
                .find = find_container,
                .user = session,
        };
        int r;

        if (!session->test && !pod) {
                r = set_clock(request->realtime, err);
                if (r >= 0)
                        r = set_names(request, err);
                if (r >= 0)
                        r = share_mount(request->share_type, err);
                if (r < 0)
                        return r;
        }
        r = find_driver(session, request, !pod, &place.driver, err);
        if (r >= 0)
                r = container_new(&session->processes, request, &place, seq, &member->container, err);
        if (r >= 0)
                session_watch_memory(member);
        return r;
}

static int on_create(Session *session, const Frame *frame, Error *err) {
        CreateRequest request = { 0 };
        Member *member;
        int r;

        if (session_member(session, frame->stream))
                return error_set(err, EEXIST, "there is a container already");
        if (frame->stream > CONTAINER_MAX || (frame->stream > 0 && !session_member(session, 0)))
                return error_set(err, EINVAL, "container number %u", frame->stream);
        r = message_read(frame, create_request_fields, &request, err);
        if (r < 0)
                return r;
        member = session_add(session, frame->stream);
        r = create(member, &request, frame->seq, err);
        if (r < 0 && !member->container)
                session_remove(member);
        json_clear(create_request_fields, &request);
        return r;
}

/* The network is as it is to be: settings that name an interface can be written, and the program can run. */
static int start_container(Member *member, uint32_t seq, Error *err) {
        if (!member->container->init)
                return error_set(err, ESRCH, "container not running");
        if (namespaces_write_settings(member->container->spec, SETTING_NETWORK, err) < 0 ||
            container_start(member->container, err) < 0)
                return -err->code;
        member->container->init->seq = seq;
        return 0;
}

/* For all containers of a pod: they have one network, and one resolv.conf. */
static int set_dns(const Member *member, bool dns, Error *err) {
        if (dns)
                return dns_start(member->session->dns, cgroup_root_fd(member->container->cgroup), err);
        dns_stop(member->session->dns);
        return 0;
}

/* A network comes with the start of container 0 only, which lasts as long as the session. */
static void on_start_network(uint32_t seq, bool dns, const Error *error, void *user) {
        cleanup_error Error own = { 0 };
        Session *session = user;
        Member *member = session_member(session, 0);

        if (!member)
                return;
        member->starting = false;
        if (error)
                channel_send_error(session->channel, seq, error);
        else if (set_dns(member, dns, &own) < 0 || start_container(member, seq, &own) < 0)
                channel_send_error(session->channel, seq, &own);
}

static int on_start(Session *session, const Frame *frame, Error *err) {
        Member *member = need_container(session, frame, err);
        StartRequest request = { 0 };
        int r;

        r = member ? container_can_start(member->container, err) : -err->code;
        if (r >= 0 && member->starting)
                r = error_set(err, EINVAL, "cannot start an already running container");
        if (r >= 0)
                r = message_read(frame, start_request_fields, &request, err);
        if (r < 0)
                return r;
        if (request.network && member->number == 0) {
                member->starting = true;
                r = network_apply(session->network, request.network, frame->seq, on_start_network, session,
                                  err);
                if (r < 0)
                        member->starting = false;
        } else {
                r = member->number == 0 ? set_dns(member, session->asks_docker, err) : 0;
                if (r >= 0)
                        r = start_container(member, frame->seq, err);
        }
        json_clear(start_request_fields, &request);
        return r;
}

static int on_exec(Session *session, const Frame *frame, Error *err) {
        const Member *member = session_member(session, frame->stream);
        ExecRequest request = { 0 };
        int r;

        r = message_read(frame, exec_request_fields, &request, err);
        if (r < 0)
                return r;
        r = exec_start(&session->processes, member ? member->container : NULL, &request, frame->seq, err);
        json_clear(exec_request_fields, &request);
        return r;
}

/* ---- running processes ---- */

static Process *find_process(const Session *session, const Frame *frame, uint32_t number, Error *err) {
        uint32_t local = number ? number : PROCESS_INIT;
        Process *process =
                local <= PROCESS_MAX && frame->stream <= CONTAINER_MAX
                        ? process_find(&session->processes, frame->stream << CONTAINER_SHIFT | local)
                        : NULL;

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
                const Member *member = need_container(session, frame, err);

                r = member ? container_signal_all(member->container, request.signal, err) : -err->code;
        } else {
                const Process *process = find_process(session, frame, request.process, err);

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
        process = find_process(session, frame, request.process, err);
        r = process ? stdio_resize(process->stdio, request.rows, request.cols, err) : -err->code;
        if (r >= 0)
                answer(session, frame);
        return r;
}

/* ---- the container as a whole ---- */

static int on_update(Session *session, const Frame *frame, Error *err) {
        cleanup(oci_resources_freep) OciResources *resources = NULL;
        const Member *member = need_container(session, frame, err);
        int r;

        r = member ? oci_resources_parse(frame->data, frame->length, &resources, err) : -err->code;
        if (r >= 0 && resources->n_devices > 0)
                driver_extend_resources(environment_driver(member->container->environment), resources);
        if (r >= 0)
                r = cgroup_apply(member->container->cgroup, resources, err);
        if (r >= 0)
                answer(session, frame);
        return r;
}

static int on_stats(Session *session, const Frame *frame, Error *err) {
        const Member *member = need_container(session, frame, err);
        JsonWriter w = { 0 };
        int r;

        r = member ? cgroup_write_stats(member->container->cgroup, &w, err) : -err->code;
        if (r >= 0)
                answer_text(session, frame, &w);
        strbuf_done(&w.out);
        return r;
}

static int on_processes(Session *session, const Frame *frame, Error *err) {
        const Member *member = need_container(session, frame, err);
        JsonWriter w = { 0 };
        int r;

        r = member ? stats_write_processes(member->container->cgroup, &w, err) : -err->code;
        if (r >= 0)
                answer_text(session, frame, &w);
        strbuf_done(&w.out);
        return r;
}

static void on_network_done(uint32_t seq, bool dns, const Error *error, void *user) {
        cleanup_error Error own = { 0 };
        Session *session = user;
        const Member *member = session_member(session, 0);

        if (!error)
                session->asks_docker = dns;
        if (error)
                channel_send_error(session->channel, seq, error);
        else if (member && member->container && set_dns(member, dns, &own) < 0)
                channel_send_error(session->channel, seq, &own);
        else
                channel_send_json(session->channel, FRAME_REPLY, seq, NULL, NULL);
}

/* Also before there is a container: links and addresses are made while it is. */
static int on_network(Session *session, const Frame *frame, Error *err) {
        NetworkConfig config = { 0 };
        int r;

        if (frame->stream > 0)
                return error_set(err, EINVAL, "container number %u", frame->stream);
        if (session_member(session, 0) && !need_container(session, frame, err))
                return -err->code;
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

/* Of a pod's further container: only that one goes. */
static void shut_down_member(Member *member) {
        session_kill_all(member);
        if (!member->session->test && member->container)
                share_forget(member->container->spec->root->path);
        session_let_go(member);
}

static int on_shutdown(Session *session, const Frame *frame, Error *err) {
        Member *member = session_member(session, frame->stream);

        if (frame->stream > 0 && !member)
                return error_set(err, ESRCH, "container not running");
        if (frame->stream > 0) {
                shut_down_member(member);
        } else {
                for (Member *m = session->members; m; m = m->next)
                        session_kill_all(m);
                if (session->test)
                        sync();
                else if (member)
                        share_unmount();
        }
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
