/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * One thread, one loop, four things that happen: a frame arrives, a child of ours says something through its
 * handshake, a child ends, a stream can go on. Requests that take the container's processes time (create, start,
 * exec) are answered when their process reports; everything else is answered at once.
 *
 * The end of the container's init is the end of the container: whatever else is in its cgroup is killed, and EXITED
 * of the init is the last word, after those of all other processes, unless one of them cannot get rid of its output.
 * The virtual machine stays until the host ends it, or until the channel ends, which means that the host's side died.
 */
#include "agent/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/exec.h"
#include "agent/share.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/protocol/message.h"
#include "config.h"

/* Longer than a host that is alive needs to take 256 KiB, much shorter than anybody's patience. */
#define LINGER_USEC (2ULL * 1000 * 1000)

/* ---- containers ---- */

Member *session_member(const Session *session, uint32_t number) {
        for (Member *m = session->members; m; m = m->next)
                if (m->number == number)
                        return m;
        return NULL;
}

static Member *member_of(const Session *session, const Process *process) {
        return session_member(session, process->number >> CONTAINER_SHIFT);
}

static uint32_t local_number(const Process *process) {
        return process->number & PROCESS_MAX;
}

Member *session_add(Session *session, uint32_t number) {
        Member *member = xnew(Member, 1);

        *member = (Member){
                .next = session->members, .session = session, .number = number, .memory_events = -1
        };
        session->members = member;
        return member;
}

static bool has_processes(const Member *member) {
        for (const Process *p = member->session->processes.first; p; p = p->next)
                if (p->number >> CONTAINER_SHIFT == member->number)
                        return true;
        return false;
}

/* About this container; to the host's shim of it. */
static void tell(const Member *member, uint16_t type, const JsonField *fields, const void *message) {
        cleanup_free char *text = json_to_text(fields, message, false);

        channel_send(member->session->channel, type, member->number, 0, text, strlen(text));
}

/* ---- out of memory ---- */

static uint64_t read_oom_kills(const Member *member) {
        cleanup_error Error ignored = { 0 };
        uint64_t kills = 0;

        if (member->container)
                cgroup_oom_kills(member->container->cgroup, &kills, &ignored);
        return kills;
}

static void check_memory(Member *member) {
        uint64_t kills = read_oom_kills(member);
        char event[] = "oom";

        if (kills > member->oom_kills)
                tell(member, FRAME_EVENT, event_message_fields, &(EventMessage){ .event = event });
        member->oom_kills = kills;
}

static void on_memory_event(LoopSource *source, int fd, uint32_t events, void *user) {
        char buffer[512];

        (void)source;
        (void)events;
        /* what was read once is not news any more */
        if (pread(fd, buffer, sizeof(buffer), 0) >= 0)
                check_memory(user);
}

void session_watch_memory(Member *member) {
        cleanup_error Error error = { 0 };

        if (cgroup_open_memory_events(member->container->cgroup, &member->memory_events, &error) < 0 ||
            loop_add_fd(member->session->loop, member->memory_events, EPOLLPRI, on_memory_event, member,
                        &member->memory_watch, &error) < 0)
                log_debug("%s", error.message); /* no memory controller: then no limit either */
}

static void stop_watching_memory(Member *member) {
        member->memory_watch = loop_source_free(member->memory_watch);
        if (member->memory_events >= 0)
                close(TAKE_FD(member->memory_events));
}

void session_remove(Member *member) {
        for (Member **m = &member->session->members; *m; m = &(*m)->next)
                if (*m == member) {
                        *m = member->next;
                        break;
                }
        loop_source_free(member->linger_timer);
        stop_watching_memory(member);
        container_free(member->container);
        free(member);
}

/* ---- the end of a container ---- */

void session_kill_all(Member *member) {
        cleanup_error Error error = { 0 };

        if (member->container && cgroup_kill(member->container->cgroup, &error) < 0)
                log_warning("%s", error.message);
}

static void send_exited(const Member *member, uint32_t process, int status, bool oom_killed) {
        tell(member, FRAME_EXITED, exited_fields,
             &(Exited){ .process = process, .status = status, .oom_killed = oom_killed });
}

static void finish_container(Member *member) {
        check_memory(member);
        member->linger_timer = loop_source_free(member->linger_timer);
        member->init_gone = true;
        stop_watching_memory(member);
        if (!member->session->test)
                share_sync();
        send_exited(member, PROCESS_INIT, member->init_status, member->oom_kills > 0);
}

static void finish_if_last(Member *member) {
        if (has_processes(member))
                return;
        if (member->leaving)
                session_remove(member);
        else if (member->init_done && !member->init_gone && container_is_empty(member->container))
                finish_container(member);
}

void session_let_go(Member *member) {
        member->leaving = true;
        finish_if_last(member);
}

static void on_linger(LoopSource *source, void *user) {
        Member *member = user;

        (void)source;
        member->linger_timer = NULL;
        finish_container(member);
}

/* ---- processes ---- */

static void answer_error(Session *session, uint32_t *seq, const Error *error) {
        if (*seq)
                channel_send_error(session->channel, *seq, error);
        *seq = 0;
}

static void on_process_ready(Process *process, void *user) {
        CreateReply reply = { .ready_usec = now_usec(), .warnings = process->warnings };
        cleanup_error Error error = { 0 };
        Session *session = user;
        Member *member = member_of(session, process);
        bool init = local_number(process) == PROCESS_INIT;
        int r;

        if (init)
                r = member ? container_init_ready(member->container, &error)
                           : error_set(&error, ESRCH, "container not running");
        else
                r = exec_ready(process, &error);
        if (r < 0) {
                answer_error(session, &process->seq, &error);
                process_abandon(process);
        } else if (init) {
                channel_send_json(session->channel, FRAME_REPLY, process->seq, create_reply_fields, &reply);
                process->seq = 0;
        }
}

static void on_process_running(Process *process, void *user) {
        Session *session = user;

        if (local_number(process) == PROCESS_INIT) {
                StartReply reply = { .started_usec = now_usec() };

                channel_send_json(session->channel, FRAME_REPLY, process->seq, start_reply_fields, &reply);
        } else {
                ExecReply reply = { .process = local_number(process), .pid = process->pid };

                channel_send_json(session->channel, FRAME_REPLY, process->seq, exec_reply_fields, &reply);
        }
        process->seq = 0;
}

/* It has ended without a word, before its program ran: ERROR says what is known. */
static void answer_end(Session *session, Process *process, const Error *error) {
        const Member *member = member_of(session, process);
        cleanup_error Error killed = { 0 };

        if (member && read_oom_kills(member) > 0)
                error_set(&killed, ENOMEM,
                          "linux.resources.memory.limit: %s was OOM-killed while it was set up (memory limit "
                          "too low?)",
                          local_number(process) == PROCESS_INIT ? "container init" : "the process");
        answer_error(session, &process->seq, killed.code ? &killed : error);
}

static void on_process_failed(Process *process, const Error *error, void *user) {
        if (process->handshake < 0)
                answer_end(user, process, error);
        else
                answer_error(user, &process->seq, error);
}

static void on_process_exited(Process *process, void *user) {
        cleanup_error Error error = { 0 };
        Session *session = user;
        Member *member = member_of(session, process);

        if (process->seq) { /* asked to run its program, and killed before it did */
                error_set(&error, EIO, "the process ended before its program ran");
                answer_end(session, process, &error);
        }
        if (member && local_number(process) == PROCESS_INIT)
                session_kill_all(member);
}

static void on_process_drained(Process *process, void *user) {
        bool ran = process->state != PROCESS_FAILED;
        uint32_t number = local_number(process);
        Session *session = user;
        Member *member = member_of(session, process);
        int status = process->status;

        /* without a container: its setup failed on our side */
        if (member && member->container && member->container->init == process)
                member->container->init = NULL;
        process_free(process);
        if (!member)
                return;
        if (ran && number == PROCESS_INIT) {
                member->init_done = true;
                member->init_status = status;
                loop_add_timer(session->loop, LINGER_USEC, on_linger, member, &member->linger_timer);
        } else if (ran) {
                send_exited(member, number, status, false);
        }
        finish_if_last(member);
}

static void on_child(pid_t pid, int status, void *user) {
        Session *session = user;
        Member *next;

        process_table_reaped(&session->processes, pid, status);
        for (Member *m = session->members; m; m = next) {
                next = m->next;
                if (m->init_done)
                        finish_if_last(m);
        }
}

/* ---- frames ---- */

static void protocol_error(Session *session, const Error *error) {
        log_error("the host broke the protocol: %s", error->message);
        session->ended = true;
        loop_quit(session->loop, 0);
}

static void on_stream_frame(Session *session, const Frame *frame) {
        Process *process = process_find(&session->processes, frame->stream >> 2);
        cleanup_error Error error = { 0 };

        /* frames for a process that has just ended are on their way for a while */
        if (process && stdio_frame(process->stdio, frame, &error) < 0)
                protocol_error(session, &error);
}

static void on_frame(Channel *channel, const Frame *frame, void *user) {
        cleanup_error Error error = { 0 };
        Session *session = user;

        if (session->ended)
                return;
        if (frame->type == FRAME_DNS_ANSWER) {
                dns_answer(session->dns, frame);
        } else if (frame->type >= FRAME_DATA) {
                on_stream_frame(session, frame);
        } else if (frame->type < FRAME_CREATE || frame->seq == 0) {
                error_set(&error, EPROTO, "%s frame with seq %u", frame_type_name(frame->type), frame->seq);
                protocol_error(session, &error);
        } else if (request_handle(session, frame, &error) < 0) {
                channel_send_error(channel, frame->seq, &error);
        }
}

static void on_end(Channel *channel, const char *why, void *user) {
        Session *session = user;

        (void)channel;
        log_warning("the channel ended%s%s", why ? ": " : "", why ? why : "");
        session->ended = true;
        loop_quit(session->loop, 0);
}

static void send_hello(Session *session, uint64_t kernel_usec) {
        char *features[] = { NULL };
        char version[] = CARREL_VERSION;
        struct sysinfo info = { 0 };
        struct utsname name = { 0 };
        Hello hello = {
                .version = PROTOCOL_VERSION,
                .agent = version,
                .kernel = name.release,
                .kernel_usec = kernel_usec,
                .features = features,
        };
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);

        uname(&name);
        sysinfo(&info);
        hello.cpus = cpus > 0 ? (uint32_t)cpus : 1;
        hello.memory = (uint64_t)info.totalram * info.mem_unit;
        hello.ready_usec = now_usec();
        channel_send_json(session->channel, FRAME_HELLO, 0, hello_fields, &hello);
}

/* ---- from beginning to end ---- */

/* Nobody is there to hear of it: end what runs, with no more than a moment's patience. */
static void end_containers(Session *session) {
        for (Member *m = session->members; m; m = m->next)
                session_kill_all(m);
        for (Member *m = session->members; m; m = m->next)
                for (unsigned i = 0; i < 100 && m->container && !container_is_empty(m->container); i++)
                        poll(NULL, 0, 10);
        if (!session->test && session->members)
                share_unmount();
}

static void clear(Session *session) {
        log_relay_stop(&session->log);
        while (session->processes.first)
                process_free(session->processes.first);
        driver_free(session->driver);
        network_free(session->network);
        dns_free(session->dns);
        while (session->members)
                session_remove(session->members);
        channel_free(session->channel);
        loop_free(session->loop);
}

int session_run(const SessionOptions *options, Error *err) {
        ChannelHandlers handlers = { .frame = on_frame, .end = on_end };
        Session session = { .test = options->test, .log.pipe = -1 };
        int r;

        handlers.user = &session;
        session.processes.user = &session;
        session.processes.handlers = (ProcessHandlers){
                .ready = on_process_ready,
                .running = on_process_running,
                .failed = on_process_failed,
                .exited = on_process_exited,
                .drained = on_process_drained,
        };
        r = loop_new(&session.loop, err);
        if (r < 0)
                return r;
        session.processes.loop = session.loop;
        session.network = network_new(session.loop, session.test);
        r = reaper_start(&session.reaper, session.loop, on_child, &session, err);
        if (r >= 0)
                r = channel_new(session.loop, options->channel, &handlers, &session.channel, err);
        if (r >= 0)
                r = log_relay_start(&session.log, session.loop, session.channel, err);
        if (r >= 0) {
                session.processes.channel = session.channel;
                session.dns = dns_new(session.loop, session.channel);
                send_hello(&session, options->kernel_usec);
                r = loop_run(session.loop, err);
                end_containers(&session);
        }
        clear(&session);
        return r < 0 ? r : 0;
}
