/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/machine.h"

#include "shim/share.h"

static void on_vm_ended(Vm *vm, const char *why, void *user) {
        (void)vm;
        session_fail(user, why);
}

static void on_qmp_ready(Qmp *qmp, void *user) {
        Session *session = user;

        (void)qmp;
        session->status.timeline.qmp = timeline_now(session->plan);
}

static void on_qmp_event(Qmp *qmp, const char *name, const Json *data, void *user) {
        (void)qmp;
        (void)name;
        (void)data;
        (void)user;
}

static void on_qmp_end(Qmp *qmp, const char *why, void *user) {
        (void)qmp;
        if (why)
                session_fail(user, why);
}

static int open_channels(Session *session, const ChannelHandlers *agent, const VmSockets *sockets,
                         Error *err) {
        QmpHandlers qmp = {
                .ready = on_qmp_ready, .event = on_qmp_event, .end = on_qmp_end, .user = session
        };
        int r;

        r = channel_new(session->loop, sockets->agent, agent, &session->agent, err);
        if (r >= 0)
                session->dns = dns_new(session->loop, session->agent);
        if (r >= 0)
                r = qmp_new(session->loop, sockets->qmp, &qmp, &session->qmp, err);
        if (r >= 0)
                r = console_new(session->loop, sockets->console, session->state_dir, STATE_CONSOLE,
                                session->plan->console_limit, &session->console, err);
        return r;
}

static int start_vm(Session *session, VmSockets *ret, Error *err) {
        VmSpec spec = {
                .loop = session->loop,
                .plan = session->plan,
                .taps = network_taps(session->network),
                .timeline = &session->status.timeline,
                .ended = on_vm_ended,
                .user = session,
        };

        return vm_start(&spec, &session->vm, ret, err);
}

int machine_start(Session *session, const ChannelHandlers *agent, Error *err) {
        Timeline *t = &session->status.timeline;
        VmSockets sockets = { -1, -1, -1 };
        int r = share_assemble(session->plan, err);

        t->share = timeline_now(session->plan);
        if (r >= 0)
                r = network_new(session->loop, session->plan, &session->network, err);
        if (r >= 0)
                r = start_vm(session, &sockets, err);
        if (r >= 0)
                network_taps_given(session->network);
        if (r >= 0)
                r = open_channels(session, agent, &sockets, err);
        if (r >= 0)
                r = share_show(session->plan, err);
        return r >= 0 ? share_release(session->plan, err) : r;
}
