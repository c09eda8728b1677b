/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/control.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "shim/pause.h"
#include "shim/pod.h"
#include "shim/requests.h"

#define CONNECTIONS_MAX 256U
/* Credit bounds what a process can have under way; a connection with more queued is stuck or hostile. */
#define QUEUE_MAX (8U << 20)
/* News that a connection does not read in time are lost to it. */
#define NEWS_QUEUE_MAX (64U << 10)
/* How long the end of the container may wait for the proxies of its execs, and how often it looks. */
#define PROXIES_USEC      1000000U
#define PROXIES_LOOK_USEC 1000U

typedef struct Connection {
        Control *control;
        Channel *channel;
        uint32_t process;   /* the process it started with EXEC; 0: none */
        uint32_t proxy;     /* the other end of that, a process of the host */
        bool exited;        /* EXITED was passed on */
        uint32_t container; /* it is the shim of this further container of the pod; 0: no */
} Connection;

struct Control {
        Session *session;
        int fd;
        LoopSource *source;
        Connection *connections[CONNECTIONS_MAX];
        size_t count;
        uint32_t last_process, last_container;
        Connection *starter; /* waits for the answer to START */
        Pause *pause;
        char *network;     /* as the agent was asked to make it before the container; NULL: it was not */
        bool network_made; /* and it has */
};

static void ignore_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        (void)reply;
        (void)error;
        (void)user;
        (void)tag;
}

static void drop_connection(Connection *connection) {
        Control *control = connection->control;
        Session *session = control->session;

        for (size_t i = 0; i < control->count; i++)
                if (control->connections[i] == connection) {
                        control->connections[i] = control->connections[--control->count];
                        break;
                }
        requests_forget(session->requests, connection);
        pause_forget(control->pause, connection);
        if (control->starter == connection)
                control->starter = NULL;
        if (connection->container)
                pod_remove(session, connection->container);
        if (connection->process && !connection->exited && session->agent) {
                /* its proxy is gone: the process goes too, as if it had been the process itself */
                SignalRequest request = { .process = connection->process, .signal = SIGKILL };
                cleanup_free char *text = json_to_text(signal_request_fields, &request, false);

                requests_send(session->requests, session->agent, FRAME_SIGNAL, text, strlen(text),
                              ignore_answer, control, 0);
        }
        channel_free(connection->channel);
        free(connection);
}

static void refuse(Connection *connection, uint32_t seq, int code, const char *why) {
        cleanup_error Error error = { 0 };

        error_set(&error, code, "%s", why);
        channel_send_error(connection->channel, seq, &error);
}

/* Hands the agent's answer to the connection; TAG is the connection's own seq. */
static void pass_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Connection *connection = user;

        if (error)
                channel_send_error(connection->channel, tag, error);
        else
                channel_send(connection->channel, FRAME_REPLY, 0, tag, reply->data, reply->length);
}

/* To a request whose sender was answered already: the guest was paused. */
static void on_late_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        (void)reply;
        (void)user;
        if (error)
                log_warning("%s, when the container was resumed: %s", frame_type_name((uint16_t)tag),
                            error->message);
}

static void on_pause_answer(const Error *error, void *user, uint32_t tag) {
        Connection *connection = user;

        if (error)
                channel_send_error(connection->channel, tag, error);
        else
                channel_send_json(connection->channel, FRAME_REPLY, tag, NULL, NULL);
}

static void on_exec_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Connection *connection = user;

        if (error)
                connection->process = 0;
        pass_answer(reply, error, user, tag);
}

static void on_network_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        (void)reply;
        (void)user;
        (void)tag;
        if (error)
                log_error("a change of the network did not reach the container: %s", error->message);
}

static void on_network_changed(const char *config, void *user) {
        Session *session = user;

        if (session->state == SESSION_RUNNING)
                requests_send(session->requests, session->agent, FRAME_NETWORK, config, strlen(config),
                              on_network_answer, session, 0);
}

static void watch_network(Session *session) {
        cleanup_error Error error = { 0 };

        if (!session->plan->pod && network_watch(session->network, on_network_changed, session, &error) < 0)
                log_warning("%s", error.message);
}

static void on_early_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Control *control = user;

        (void)reply;
        (void)tag;
        if (error) /* START tries once more, and says so if it fails */
                log_debug("the network before the container: %s", error->message);
        else
                control->network_made = true;
}

void control_make_network(Control *control) {
        Session *session = control->session;
        cleanup_error Error error = { 0 };
        const char *config;

        if (session->plan->pod)
                return;
        if (network_apply(session->network, &config, &error) < 0) {
                log_debug("the network before the container: %s", error.message);
                return;
        }
        control->network = xstrdup(config);
        requests_send(session->requests, session->agent, FRAME_NETWORK, config, strlen(config),
                      on_early_answer, control, 0);
}

/* What START says of the network: nothing when it is made, and nothing has changed since. */
static char *start_request(const Control *control, const char *config) {
        if (control->network_made && streq(control->network, config))
                return xstrdup("{}");
        return xasprintf("{\"network\":%s}", config);
}

static void on_start_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Control *control = user;
        Connection *starter = control->starter;

        control->starter = NULL;
        /* whoever asks for the state after the answer must find it running; a failed start ends the session */
        if (!error)
                session_started(control->session, reply, NULL);
        if (starter)
                pass_answer(reply, error, starter, tag);
        if (error)
                session_started(control->session, NULL, error);
        else
                watch_network(control->session);
}

/* Passed to the agent with the process number this connection owns, whatever it wrote there itself. */
static void pass_with_process(Connection *connection, const Frame *frame, const JsonField *fields,
                              void *message, uint32_t *process) {
        Session *session = connection->control->session;
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;

        if (message_read(frame, fields, message, &error) < 0) {
                channel_send_error(connection->channel, frame->seq, &error);
                return;
        }
        if (connection->process)
                *process = connection->process;
        text = json_to_text(fields, message, false);
        requests_send(session->requests, session->agent, frame->type, text, strlen(text), pass_answer,
                      connection, frame->seq);
        json_clear(fields, message);
}

static uint32_t next_process(Control *control) {
        uint32_t in_use[CONNECTIONS_MAX];

        for (size_t i = 0; i < control->count; i++)
                in_use[i] = control->connections[i]->process;
        control->last_process = process_number_after(control->last_process, in_use, control->count);
        return control->last_process;
}

static void handle_exec(Connection *connection, const Frame *frame) {
        Control *control = connection->control;
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;
        ExecRequest request = { 0 };

        if (connection->process) {
                refuse(connection, frame->seq, EBUSY, "one exec for each connection");
                return;
        }
        if (message_read(frame, exec_request_fields, &request, &error) < 0) {
                channel_send_error(connection->channel, frame->seq, &error);
                return;
        }
        connection->proxy = request.proxy;
        request.proxy = 0;
        connection->process = request.process = next_process(control);
        text = json_to_text(exec_request_fields, &request, false);
        requests_send(control->session->requests, control->session->agent, FRAME_EXEC, text, strlen(text),
                      on_exec_answer, connection, frame->seq);
        json_clear(exec_request_fields, &request);
}

/* The guest stands still: what it is to do waits there, in order, and the sender does not wait for it. */
static void pass_later(Connection *connection, const Frame *frame) {
        const Control *control = connection->control;
        Session *session = control->session;

        requests_send(session->requests, session->agent, frame->type, frame->data, frame->length,
                      on_late_answer, connection->control, frame->type);
        channel_send_json(connection->channel, FRAME_REPLY, frame->seq, NULL, NULL);
}

static bool asks_to_kill(const Frame *frame) {
        cleanup_error Error ignored = { 0 };
        SignalRequest request = { 0 };

        return message_read(frame, signal_request_fields, &request, &ignored) >= 0 &&
               request.signal == SIGKILL;
}

static void handle_signal(Connection *connection, const Frame *frame) {
        Control *control = connection->control;
        bool paused = control->session->paused && !connection->process;
        bool deadly = paused && asks_to_kill(frame);
        SignalRequest request = { 0 };

        if (paused && !deadly) {
                pass_later(connection, frame);
                return;
        }
        pass_with_process(connection, frame, signal_request_fields, &request, &request.process);
        if (deadly)
                pause_break(control->pause);
}

static void handle_resize(Connection *connection, const Frame *frame) {
        ResizeRequest request = { 0 };

        pass_with_process(connection, frame, resize_request_fields, &request, &request.process);
}

static void handle_start(Connection *connection, const Frame *frame) {
        Session *session = connection->control->session;
        cleanup_error Error error = { 0 };
        cleanup_free char *request = NULL;
        const char *config;

        if (session->state != SESSION_CREATED || session->paused) {
                refuse(connection, frame->seq, EINVAL,
                       session->paused ? "cannot start a container in the paused state"
                       : session->state == SESSION_RUNNING || session->state == SESSION_STARTING
                               ? "cannot start an already running container"
                               : "cannot start a container that has stopped");
                return;
        }
        if (session_write_status(session, &error) < 0) {
                channel_send_error(connection->channel, frame->seq, &error);
                return;
        }
        session->status.timeline.start = timeline_now(session->plan);
        session_set_state(session, SESSION_STARTING);
        if (session->plan->pod) {
                request = xstrdup("{}"); /* the pod has its network already */
        } else if (network_apply(session->network, &config, &error) >= 0) {
                request = start_request(connection->control, config);
        } else {
                refuse(connection, frame->seq, error.code, error.message);
                session_started(session, NULL, &error);
                return;
        }
        connection->control->starter = connection;
        requests_send(session->requests, session->agent, FRAME_START, request, strlen(request),
                      on_start_answer, connection->control, frame->seq);
}

static void handle_inquiry(Connection *connection, const Frame *frame) {
        Session *session = connection->control->session;

        if (session->paused && frame->type == FRAME_UPDATE)
                pass_later(connection, frame);
        else if (session->paused)
                refuse(connection, frame->seq, EBUSY, "the container is paused: its guest cannot answer");
        else
                requests_send(session->requests, session->agent, frame->type, frame->data, frame->length,
                              pass_answer, connection, frame->seq);
}

/* A number is used again only when they have come round: the guest may know a path with the old one still. */
static uint32_t next_container(Control *control) {
        uint32_t in_use[CONNECTIONS_MAX];

        for (size_t i = 0; i < control->count; i++)
                in_use[i] = control->connections[i]->container;
        control->last_container = container_number_after(control->last_container, in_use, control->count);
        return control->last_container;
}

static void handle_join(Connection *connection, const Frame *frame) {
        Control *control = connection->control;
        JoinReply reply;

        if (connection->process || control->session->paused) {
                refuse(connection, frame->seq, EBUSY,
                       control->session->paused ? "the pod is paused" : "one container for each connection");
                return;
        }
        connection->container = reply.container = next_container(control);
        channel_send_json(connection->channel, FRAME_REPLY, frame->seq, join_reply_fields, &reply);
}

static void handle_request(Connection *connection, const Frame *frame) {
        Session *session = connection->control->session;
        bool alive = session->agent && session->state >= SESSION_CREATED && session->state <= SESSION_RUNNING;

        if (frame->seq == 0) {
                refuse(connection, 0, EPROTO, "request without a number");
                return;
        }
        if (!alive) {
                refuse(connection, frame->seq, ESRCH, "container not running");
                return;
        }
        switch (frame->type) {
        case FRAME_START:
                handle_start(connection, frame);
                return;
        case FRAME_EXEC:
                handle_exec(connection, frame);
                return;
        case FRAME_SIGNAL:
                handle_signal(connection, frame);
                return;
        case FRAME_RESIZE:
                handle_resize(connection, frame);
                return;
        case FRAME_JOIN:
                handle_join(connection, frame);
                return;
        case FRAME_PAUSE:
        case FRAME_RESUME:
                pause_request(connection->control->pause, frame->type == FRAME_PAUSE, on_pause_answer,
                              connection, frame->seq);
                return;
        case FRAME_UPDATE:
        case FRAME_STATS:
        case FRAME_PROCESSES:
                handle_inquiry(connection, frame);
                return;
        default:
                refuse(connection, frame->seq, ENOTSUP, "unknown request");
        }
}

static void on_frame(Channel *channel, const Frame *frame, void *user) {
        Connection *connection = user;
        Session *session = connection->control->session;

        (void)channel;
        if (connection->container) {
                cleanup_error Error error = { 0 };

                if (pod_pass_down(session, connection->container, frame, pass_answer, connection, &error) < 0)
                        refuse(connection, frame->seq, error.code, error.message);
                return;
        }
        switch (frame->type) {
        case FRAME_DATA:
        case FRAME_WINDOW:
        case FRAME_CLOSE:
        case FRAME_RESET:
                /* only the streams of its own process, and only while that lives */
                if (session->agent && connection->process && frame->stream >> 2 == connection->process &&
                    !connection->exited)
                        channel_send(session->agent, frame->type, frame->stream, 0, frame->data,
                                     frame->length);
                return;
        default:
                handle_request(connection, frame);
        }
}

static void on_end(Channel *channel, const char *why, void *user) {
        (void)channel;
        (void)why;
        drop_connection(user);
}

static void on_connect(LoopSource *source, int fd, uint32_t events, void *user) {
        Control *control = user;
        ChannelHandlers handlers = { .frame = on_frame, .end = on_end };
        cleanup_error Error error = { 0 };
        cleanup_close int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Connection *connection;

        (void)source;
        (void)events;
        if (accepted < 0 || control->count == CONNECTIONS_MAX)
                return;
        connection = xnew(Connection, 1);
        connection->control = control;
        handlers.user = connection;
        if (channel_new(control->session->loop, accepted, &handlers, &connection->channel, &error) < 0) {
                free(connection);
                return;
        }
        TAKE_FD(accepted);
        control->connections[control->count++] = connection;
}

static int listen_in(int dir, const char *name, Error *err) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0)
                return error_errno(err, "control socket");
        /* through the descriptor: the path may be longer than an address takes */
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, name);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || fchmodat(dir, name, 0600, 0) < 0 ||
            listen(fd, 64) < 0)
                return error_errno(err, "control socket %s", name);
        return TAKE_FD(fd);
}

int control_new(Session *session, Control **ret, Error *err) {
        Control *control = xnew(Control, 1);
        int r;

        control->session = session;
        control->last_process = PROCESS_INIT;
        control->fd = listen_in(session->state_dir, STATE_CONTROL, err);
        if (control->fd < 0) {
                free(control);
                return -err->code;
        }
        r = loop_add_fd(session->loop, control->fd, EPOLLIN, on_connect, control, &control->source, err);
        if (r < 0) {
                close(control->fd);
                free(control);
                return r;
        }
        control->pause = pause_new(session);
        *ret = control;
        return 0;
}

/* The monitor is in a pid namespace of its own, but its /proc is the host's: a process has a folder there until its parent
 * has waited for it. */
static bool is_on_host(uint32_t pid) {
        cleanup_free char *folder = xasprintf("/proc/%" PRIu32, pid);

        return access(folder, F_OK) >= 0;
}

/*
 * With runc the processes of execs are in the container's pid namespace, whose first process ends only when they are gone
 * and waited for (pid_namespaces(7)). Engines count on that order: dockerd waits for ever for an exec that it hears of after
 * its container. So the proxies get time to write what they have, and their parents to wait for them; not for
 * ever, since a reader may be stuck and a parent may never wait.
 */
static void end_connections(Control *control) {
        uint64_t end = now_usec() + PROXIES_USEC;
        uint32_t proxies[CONNECTIONS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < control->count; i++)
                if (control->connections[i]->proxy)
                        proxies[n++] = control->connections[i]->proxy;
        while (control->count > 0)
                drop_connection(control->connections[0]);
        for (size_t i = 0; i < n; i++)
                while (is_on_host(proxies[i]) && now_usec() < end)
                        usleep(PROXIES_LOOK_USEC);
}

Control *control_free(Control *control) {
        if (!control)
                return NULL;
        end_connections(control);
        pause_free(control->pause);
        loop_source_free(control->source);
        close(control->fd);
        free(control->network);
        free(control);
        return NULL;
}

int control_member_frame(Control *control, const Frame *frame, uint32_t container, Error *err) {
        for (size_t i = 0; i < control->count; i++) {
                const Connection *connection = control->connections[i];

                if (connection->container != container)
                        continue;
                if (channel_queued(connection->channel) > QUEUE_MAX)
                        return error_set(err, EPROTO, "container %u sends beyond its credit", container);
                pod_pass_up(connection->channel, frame);
                return 0;
        }
        return 0; /* its shim is gone, and it is being removed */
}

int control_process_frame(Control *control, const Frame *frame, uint32_t process, Error *err) {
        Session *session = control->session;

        for (size_t i = 0; i < control->count; i++) {
                Connection *connection = control->connections[i];

                if (connection->process != process || connection->exited)
                        continue;
                if (channel_queued(connection->channel) > QUEUE_MAX)
                        return error_set(err, EPROTO, "process %u sends beyond its credit", process);
                connection->exited = frame->type == FRAME_EXITED;
                channel_send(connection->channel, frame->type, frame->stream, 0, frame->data, frame->length);
                return 0;
        }
        /* Its proxy is gone and the process on its way out: swallow what it still says, so that it can end. */
        if (frame->type == FRAME_DATA) {
                uint32_t bytes = htole32(frame->length);

                channel_send(session->agent, FRAME_WINDOW, frame->stream, 0, &bytes, sizeof(bytes));
        }
        return 0;
}

int control_event(Control *control, const Frame *frame, Error *err) {
        EventMessage message = { 0 };
        int r;

        r = message_read(frame, event_message_fields, &message, err);
        if (r >= 0 && streq(message.event, EVENT_OOM))
                engine_tell_oom(control->session->engine);
        for (size_t i = 0; r >= 0 && i < control->count; i++) {
                const Connection *connection = control->connections[i];

                if (streq(message.event, EVENT_OOM) && !connection->process && !connection->container &&
                    channel_queued(connection->channel) < NEWS_QUEUE_MAX)
                        channel_send_json(connection->channel, FRAME_EVENT, 0, event_message_fields,
                                          &message);
        }
        json_clear(event_message_fields, &message);
        return r;
}

void control_flush(Control *control) {
        for (size_t i = 0; i < control->count; i++)
                channel_flush(control->connections[i]->channel, 1000);
}
