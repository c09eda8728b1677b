/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Two things must come together before the agent is told to make the container: its hello, which says that the guest
 * is up, and the boss's CREATE, which says that the hooks ran; they race on purpose, since hooks need namespaces only
 * and a guest needs no hooks. From then on the session follows the agent: created, started, exited.
 *
 * There are two ends. A good one begins with EXITED of process 1: all output is written, the agent syncs its file
 * systems, QEMU is killed (nothing of it is worth an orderly shutdown once the disks are clean), and the shim exits
 * with the program's status. A bad one begins with session_fail(): QEMU or virtiofsd died, the guest never said
 * hello, the agent broke the protocol, the boss is gone. The console's last lines then go into the message, because
 * they are what says why a guest did not come up.
 *
 * The shim exits only when every process of the VM is gone, so "exited" means that its memory and devices are free.
 */
#include "shim/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "shim/control.h"
#include "shim/machine.h"
#include "shim/pod.h"
#include "shim/requests.h"
#include "shim/sandbox.h"
#include "shim/share.h"

#define SYNC_TIMEOUT_USEC  (10ULL * 1000 * 1000) /* the guest's sync at the end */
#define FLUSH_TIMEOUT_USEC (2ULL * 1000 * 1000)  /* output after a failure */
#define CONSOLE_TAIL       800                   /* bytes of the console's end in an error */
#define EXIT_BROKEN        255                   /* exit status when the VM, not the program, has ended */

static const char *const status_words[_SESSION_STATE_MAX] = {
        [SESSION_BOOTING] = "creating", [SESSION_CREATING] = "creating", [SESSION_CREATED] = "created",
        [SESSION_STARTING] = "created", [SESSION_RUNNING] = "running",   [SESSION_EXITED] = "running",
        [SESSION_STOPPED] = "stopped",
};

/* ---- state ---- */

int session_write_status(Session *session, Error *err) {
        cleanup_free char *text = NULL;

        free(session->status.status);
        session->status.status = xstrdup(session->paused ? "paused" : status_words[session->state]);
        session->status.exit_status = session->exit_status;
        text = json_to_text(shim_status_fields, &session->status, true);
        if (file_write_atomic(session->state_dir, STATE_STATUS, text, strlen(text), 0600, err) < 0)
                return error_prefix(err, "state folder %s", session->plan->state_dir);
        return 0;
}

void session_set_state(Session *session, SessionState state) {
        SessionState before = session->state;
        cleanup_error Error error = { 0 };

        session->state = state;
        if (state == SESSION_CREATING || state == SESSION_STARTING ||
            session_write_status(session, &error) >= 0)
                return;
        if (state == SESSION_CREATED || state == SESSION_RUNNING) {
                /* nobody would believe it */
                session->state = before;
                session_fail(session, error.message);
        } else {
                log_error("%s", error.message);
        }
}

/* ---- ends ---- */

static void stop(Session *session) {
        if (session->state == SESSION_STOPPED)
                return;
        session->end_timer = loop_source_free(session->end_timer);
        if (session->vm)
                vm_kill(session->vm);
        session->status.timeline.stopped = timeline_now(session->plan);
        session_set_state(session, SESSION_STOPPED);
        loop_quit(session->loop, session->exit_status);
}

static void stop_when_quiet(Session *session) {
        if (session->state == SESSION_EXITED && session->agent_clean &&
            (!session->stdio || stdio_is_flushed(session->stdio)))
                stop(session);
}

static void on_flushed(void *user) {
        stop_when_quiet(user);
}

static void on_end_timer(LoopSource *source, void *user) {
        Session *session = user;

        (void)source;
        session->end_timer = NULL;
        if (!session->agent_clean) {
                log_warning("the guest did not sync its file systems within %llu s",
                            SYNC_TIMEOUT_USEC / 1000000);
                session->agent_clean = true;
                stop_when_quiet(session);
        } else {
                stop(session);
        }
}

static void on_shutdown_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Session *session = user;

        (void)reply;
        (void)tag;
        if (error)
                log_warning("shutting the guest down: %s", error->message);
        session->end_timer = loop_source_free(session->end_timer);
        session->agent_clean = true;
        stop_when_quiet(session);
}

/* The program has ended (or could not be started): let the guest sync while output is flushed. */
static void finish(Session *session, int exit_status) {
        if (session->state >= SESSION_EXITED)
                return;
        session->exit_status = exit_status;
        session->status.timeline.exited = timeline_now(session->plan);
        session->state = SESSION_EXITED;
        loop_add_timer(session->loop, SYNC_TIMEOUT_USEC, on_end_timer, session, &session->end_timer);
        requests_send(session->requests, session->agent, FRAME_SHUTDOWN, "{}", 2, on_shutdown_answer, session,
                      0);
}

static void answer_boss(Session *session, const Frame *reply, const Error *error) {
        uint32_t seq = session->boss_seq ? session->boss_seq : 1;

        if (!session->boss)
                return;
        if (error)
                channel_send_error(session->boss, seq, error);
        else
                channel_send(session->boss, FRAME_REPLY, 0, seq, reply->data, reply->length);
        channel_flush(session->boss, 1000);
}

void session_kill(Session *session) {
        if (session->state >= SESSION_STOPPED)
                return;
        if (session->stdio)
                stdio_abort(session->stdio);
        session->exit_status = 128 + SIGKILL;
        stop(session);
}

/* Where the user of an engine looks for what became of a container: in its output. In the foreground carrel says it. */
static void say_why(Session *session) {
        cleanup_free char *line = xasprintf("carrel: %s", session->status.error);

        if (session->stdio && !session->plan->remove_state)
                stdio_say(session->stdio, line);
}

void session_fail(Session *session, const char *why) {
        bool creating = session->state < SESSION_CREATED;
        cleanup_error Error error = { 0 };
        cleanup_free char *tail = NULL;

        if (session->state == SESSION_STOPPED || session->status.error)
                return;
        if (session->console) {
                console_drain(session->console);
                tail = console_tail(session->console, CONSOLE_TAIL);
        }
        error_set(&error, EIO, "%s%s%s", why, tail && *tail ? "; the guest's console ends: " : "",
                  tail ? tail : "");
        session->status.error = xstrdup(error.message);
        session->exit_status = EXIT_BROKEN;
        session->state = SESSION_EXITED;
        session->agent_clean = true;
        requests_forget(session->requests, session);
        requests_fail(session->requests, error.message);
        if (creating)
                answer_boss(session, NULL, &error);
        else
                log_error("container %s: %s", session->plan->id, error.message);
        if (!creating)
                say_why(session);
        if (creating || !session->stdio) {
                stop(session);
                return;
        }
        /* what the program wrote before goes out, if somebody reads it */
        if (session->vm)
                vm_kill(session->vm);
        session->end_timer = loop_source_free(session->end_timer);
        loop_add_timer(session->loop, FLUSH_TIMEOUT_USEC, on_end_timer, session, &session->end_timer);
        stdio_end(session->stdio);
        stop_when_quiet(session);
}

static void on_boot_timeout(LoopSource *source, void *user) {
        Session *session = user;
        cleanup_free char *why = NULL;

        (void)source;
        session->boot_timer = NULL;
        why = xasprintf("the guest's agent did not report within %llu ms (bootTimeoutMs)",
                        (unsigned long long)session->plan->boot_timeout_ms);
        session_fail(session, why);
}

/* ---- creating and starting ---- */

static void on_create_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        Session *session = user;

        (void)tag;
        if (session->state != SESSION_CREATING)
                return;
        if (error) {
                session->status.error = xstrdup(error->message);
                session->exit_status = EXIT_BROKEN;
                answer_boss(session, NULL, error);
                stop(session);
                return;
        }
        session->status.timeline.created = timeline_now(session->plan);
        session_set_state(session, SESSION_CREATED);
        if (session->state == SESSION_CREATED)
                answer_boss(session, reply, NULL);
}

static int open_stdio(Session *session, Error *err) {
        StdioSpec spec = {
                .loop = session->loop,
                .channel = session->agent,
                .process = PROCESS_INIT,
                .fds = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
                .terminal = session->plan->terminal,
                .flushed = on_flushed,
                .user = session,
        };

        if (spec.terminal)
                spec.fds[0] = SHIM_FD_CONSOLE;
        return stdio_new(&spec, &session->stdio, err);
}

/* What nobody knew before: the time, and the host's names (our uts namespace is a copy of the host's, or an engine's). */
static void complete_request(const Session *session, Json *request) {
        uint32_t rows = 0, cols = 0;
        struct utsname names;
        struct timespec now;

        stdio_window_size(session->stdio, &rows, &cols);
        clock_gettime(CLOCK_REALTIME, &now);
        json_set(request, "realtime",
                 json_new_uint64((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec));
        if (uname(&names) == 0) {
                json_set(request, "hostname", json_new_string(names.nodename));
                json_set(request, "domainname", json_new_string(names.domainname));
        }
        if (rows && cols) {
                json_set(request, "rows", json_new_uint64(rows));
                json_set(request, "cols", json_new_uint64(cols));
        }
}

static void create_when_ready(Session *session) {
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;

        if (!session->hello || !session->hooks_done || session->state != SESSION_BOOTING)
                return;
        session_set_state(session, SESSION_CREATING);
        if (open_stdio(session, &error) < 0) {
                session_fail(session, error.message);
                return;
        }
        control_make_network(session->control);
        complete_request(session, session->plan->guest);
        text = json_tree_to_text(session->plan->guest, false);
        requests_send(session->requests, session->agent, FRAME_CREATE, text, strlen(text), on_create_answer,
                      session, 0);
}

void session_started(Session *session, const Frame *reply, const Error *error) {
        cleanup_error Error failed = { 0 };

        (void)reply;
        if (session->state != SESSION_STARTING)
                return;
        if (error) {
                /* as a shell would have said it; engines map the text, not this */
                finish(session, error->code == ENOENT ? 127 : error->code == EACCES ? 126 : EXIT_BROKEN);
                /* nor does it ever close its outputs */
                stdio_end(session->stdio);
                return;
        }
        session->status.timeline.started = timeline_now(session->plan);
        session_set_state(session, SESSION_RUNNING);
        if (session->state == SESSION_RUNNING && stdio_open_input(session->stdio, &failed) < 0)
                session_fail(session, failed.message);
}

/* ---- the agent ---- */

static int on_hello(Session *session, const Frame *frame, Error *err) {
        Timeline *t = &session->status.timeline;
        Hello hello = { 0 };
        int r;

        if (session->hello)
                return error_set(err, EPROTO, "a second hello");
        r = message_read(frame, hello_fields, &hello, err);
        if (r < 0)
                return r;
        if (hello.version != PROTOCOL_VERSION) {
                uint32_t version = hello.version;

                json_clear(hello_fields, &hello);
                return error_set(err, EPROTO,
                                 "it speaks protocol version %u, this carrel speaks %u: rebuild the initrd",
                                 version, PROTOCOL_VERSION);
        }
        t->hello = timeline_now(session->plan);
        if (hello.ready_usec < t->hello && hello.kernel_usec <= hello.ready_usec) {
                t->kernel = t->hello - hello.ready_usec;
                t->agent = t->kernel + hello.kernel_usec;
        }
        session->status.cpus = hello.cpus;
        json_clear(hello_fields, &hello);
        session->hello = true;
        session->boot_timer = loop_source_free(session->boot_timer);
        create_when_ready(session);
        return 0;
}

static int on_exited(Session *session, const Frame *frame, Error *err) {
        Exited exited = { 0 };
        int r;

        r = message_read(frame, exited_fields, &exited, err);
        if (r < 0)
                return r;
        if (exited.process != PROCESS_INIT)
                return control_process_frame(session->control, frame, exited.process, err);
        if (session->state < SESSION_CREATED)
                return error_set(err, EPROTO, "exit of a container that was not created");
        session->status.oom_killed = exited.oom_killed;
        finish(session, exited.status & 255);
        return 0;
}

static void on_log(const Frame *frame) {
        cleanup_error Error error = { 0 };
        cleanup_free char *text = NULL;
        LogMessage message = { 0 };

        if (message_read(frame, log_message_fields, &message, &error) < 0)
                return;
        text = str_printable(message.message, strlen(message.message), 1024);
        log_warning("guest: %s", text);
        json_clear(log_message_fields, &message);
}

static int handle_agent_frame(Session *session, const Frame *frame, Error *err) {
        uint32_t container = pod_container(frame);

        if (container > 0)
                return control_member_frame(session->control, frame, container, err);
        switch (frame->type) {
        case FRAME_HELLO:
                return on_hello(session, frame, err);
        case FRAME_REPLY:
        case FRAME_ERROR:
                return requests_answer(session->requests, frame, err);
        case FRAME_EXITED:
                return on_exited(session, frame, err);
        case FRAME_LOG:
                on_log(frame);
                return 0;
        case FRAME_EVENT:
                return control_event(session->control, frame, err);
        case FRAME_DNS_QUERY:
                return dns_query(session->dns, frame, err);
        case FRAME_DATA:
        case FRAME_WINDOW:
        case FRAME_CLOSE:
        case FRAME_RESET:
                if (frame->stream >> 2 != PROCESS_INIT)
                        return control_process_frame(session->control, frame, frame->stream >> 2, err);
                if (!session->stdio)
                        return error_set(err, EPROTO, "%s frame before create", frame_type_name(frame->type));
                return stdio_frame(session->stdio, frame, err);
        default:
                return error_set(err, EPROTO, "%s frame from the guest", frame_type_name(frame->type));
        }
}

static void on_agent_frame(Channel *channel, const Frame *frame, void *user) {
        cleanup_error Error error = { 0 };
        Session *session = user;

        (void)channel;
        if (handle_agent_frame(session, frame, &error) < 0) {
                error_prefix(&error, "the guest's agent broke the protocol");
                session_fail(session, error.message);
        }
}

static void on_agent_end(Channel *channel, const char *why, void *user) {
        Session *session = user;

        (void)channel;
        /* QEMU closes it when it ends; its own end, with its last words, is the better message and comes at once */
        if (why) {
                cleanup_free char *text = xasprintf("the guest's agent broke the protocol: %s", why);

                session_fail(session, text);
        } else if (session->plan->pod) {
                session_fail(session, "the virtual machine of the pod has ended");
        }
}

/* ---- the boss ---- */

static void on_boss_frame(Channel *channel, const Frame *frame, void *user) {
        Session *session = user;

        (void)channel;
        if (frame->type == FRAME_EVENT && session->state >= SESSION_CREATED)
                session->complete = true; /* EVENT_COMPLETE is the only one */
        if (frame->type != FRAME_CREATE || session->boss_seq)
                return;
        session->boss_seq = frame->seq;
        session->hooks_done = true;
        session->status.timeline.hooks = timeline_now(session->plan);
        create_when_ready(session);
}

static void on_boss_end(Channel *channel, const char *why, void *user) {
        Session *session = user;

        (void)channel;
        (void)why;
        session->boss = channel_free(session->boss);
        if (!session->complete || session->plan->remove_state) {
                session->orphaned = true;
                session_kill(session);
        }
}

/* ---- signals ---- */

static void ignore_answer(const Frame *reply, const Error *error, void *user, uint32_t tag) {
        (void)reply;
        (void)error;
        (void)user;
        (void)tag;
}

static void send_to_agent(Session *session, uint16_t type, const JsonField *fields, const void *message) {
        cleanup_free char *text = json_to_text(fields, message, false);

        requests_send(session->requests, session->agent, type, text, strlen(text), ignore_answer, session, 0);
}

static void on_signal(LoopSource *source, const struct signalfd_siginfo *info, void *user) {
        Session *session = user;
        SignalRequest request = { .process = PROCESS_INIT, .signal = (int32_t)info->ssi_signo };

        (void)source;
        if (info->ssi_signo == SIGCHLD) {
                if (session->vm)
                        vm_reap(session->vm);
        } else if (info->ssi_signo == SIGWINCH) {
                ResizeRequest size = { .process = PROCESS_INIT };

                if (!session->stdio || !session->agent || session->state > SESSION_RUNNING)
                        return;
                stdio_window_size(session->stdio, &size.rows, &size.cols);
                if (size.rows && size.cols)
                        send_to_agent(session, FRAME_RESIZE, resize_request_fields, &size);
        } else if (info->ssi_signo == SIGCONT && session->state < SESSION_CREATED) {
                return; /* nobody ends by it; Slurm sends it before others */
        } else if (session->state < SESSION_CREATED) {
                cleanup_free char *why = xasprintf("carrel-shim was ended by signal %u", info->ssi_signo);

                session_fail(session, why);
        } else if (session->state <= SESSION_RUNNING && session->agent &&
                   !signals_repeated(&session->signals, info->ssi_signo)) {
                send_to_agent(session, FRAME_SIGNAL, signal_request_fields, &request);
        }
}

/* ---- life ---- */

static int reach_agent(Session *session, Error *err) {
        ChannelHandlers agent = { .frame = on_agent_frame, .end = on_agent_end, .user = session };

        return session->plan->pod ? pod_join(session, &agent, create_when_ready, err)
                                  : machine_start(session, &agent, err);
}

static int bring_up(Session *session, Error *err) {
        ChannelHandlers boss = { .frame = on_boss_frame, .end = on_boss_end, .user = session };
        cleanup_free char *event = xstrdup(EVENT_LAUNCHED);
        EventMessage launched = { .event = event };
        int r;

        session->status.timeline.shim = timeline_now(session->plan);
        session->state_dir = open(session->plan->state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (session->state_dir < 0)
                return error_errno(err, "%s", session->plan->state_dir);
        r = channel_new(session->loop, SHIM_FD_BOSS, &boss, &session->boss, err);
        if (r >= 0)
                r = signals_catch(session->loop, on_signal, session, err);
        if (r >= 0)
                r = reach_agent(session, err);
        if (r >= 0)
                r = control_new(session, &session->control, err);
        if (r >= 0)
                r = sandbox_enter(err);
        if (r >= 0)
                r = session_write_status(session, err);
        if (r < 0)
                return r;
        loop_add_timer(session->loop, session->plan->boot_timeout_ms * 1000, on_boot_timeout, session,
                       &session->boot_timer);
        channel_send_json(session->boss, FRAME_EVENT, 0, event_message_fields, &launched);
        return 0;
}

static void take_down(Session *session) {
        if (session->control)
                control_flush(session->control);
        control_free(session->control);
        stdio_free(session->stdio);
        channel_free(session->agent);
        channel_free(session->boss);
        qmp_free(session->qmp);
        vm_free(session->vm);
        network_free(session->network);
        dns_free(session->dns);
        console_free(session->console);
        requests_free(session->requests);
        loop_free(session->loop);
        json_clear(shim_status_fields, &session->status);
        close(session->state_dir);
        engine_free(session->engine);
        free(session);
}

int session_run(LaunchPlan *plan, bool *ret_orphaned, Error *err) {
        Session *session = xnew(Session, 1);
        int r;

        session->plan = plan;
        session->state_dir = -1;
        session->requests = requests_new();
        session->engine = engine_new(plan);
        r = loop_new(&session->loop, err);
        if (r < 0) {
                requests_free(session->requests);
                engine_free(session->engine);
                free(session);
                return r;
        }
        r = bring_up(session, err);
        if (r < 0)
                answer_boss(session, NULL, err);
        if (r >= 0)
                r = loop_run(session->loop, err);
        *ret_orphaned = session->orphaned;
        take_down(session);
        return r;
}
