/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* ---- the child ---- */

static int place_descriptors(const Stdio *stdio, int handshake, int extra, Error *err) {
        const int out_of_the_way = 64;

        handshake = fcntl(handshake, F_DUPFD_CLOEXEC, out_of_the_way);
        if (extra >= 0)
                extra = fcntl(extra, F_DUPFD_CLOEXEC, out_of_the_way);
        if (stdio_install(stdio, err) < 0)
                return -err->code;
        if (dup3(handshake, CHILD_FD_HANDSHAKE, O_CLOEXEC) < 0 ||
            (extra >= 0 && dup3(extra, CHILD_FD_EXTRA, O_CLOEXEC) < 0))
                return error_errno(err, "placing descriptors");
        fd_close_from(extra >= 0 ? CHILD_FD_EXTRA + 1 : CHILD_FD_HANDSHAKE + 1);
        return 0;
}

static __attribute__((noreturn)) void run_child(const ProcessSpec *spec, const Stdio *stdio, int handshake) {
        Error error = { 0 };
        sigset_t none;

        log_set_fd(-1, LOG_FORMAT_TEXT); /* the agent's log is not the child's */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (place_descriptors(stdio, handshake, spec->extra_fd, &error) < 0) {
                handshake_send_error(handshake, &error);
                _exit(1);
        }
        if (setsid() < 0)
                error_errno(&error, "setsid");
        else
                spec->child(spec->user, &error);
        handshake_send_error(CHILD_FD_HANDSHAKE, &error);
        _exit(1);
}

/* A child in the pid namespace of the descriptor: the agent's own children go there for the moment. */
static int enter_pid_namespace(int namespace, int *ret_own, Error *err) {
        int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

        if (own < 0)
                return error_errno(err, "/proc/self/ns/pid");
        if (setns(namespace, CLONE_NEWPID) < 0) {
                close(own);
                return error_errno(err, "entering the container's pid namespace");
        }
        *ret_own = own;
        return 0;
}

static pid_t clone_child(const ProcessSpec *spec, int *ret_pidfd, Error *err) {
        struct clone_args args = {
                .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND | spec->clone_flags,
                .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
                .exit_signal = SIGCHLD,
        };
        cleanup_close int own = -1;
        pid_t pid;

        if (spec->cgroup >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t)spec->cgroup;
        }
        if (spec->pid_namespace >= 0 && enter_pid_namespace(spec->pid_namespace, &own, err) < 0)
                return -1;
        pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                error_errno(err, "clone3");
        if (pid != 0 && own >= 0 && setns(own, CLONE_NEWPID) < 0)
                abort(); /* later children would be born in the wrong place */
        return pid;
}

/* ---- from birth to death ---- */

void process_abandon(Process *process) {
        cleanup_error Error ignored = { 0 };

        process->watch = loop_source_free(process->watch);
        process->state = PROCESS_FAILED;
        process_signal(process, SIGKILL, &ignored);
}

static void fail(Process *process, const Error *error) {
        process_abandon(process);
        process->table->handlers.failed(process, error, process->table->user);
}

static void begin_output(Process *process) {
        cleanup_error Error error = { 0 };

        if (stdio_begin(process->stdio, &error) < 0)
                process_signal(process, SIGKILL, &error);
}

/* The child closed its end: it runs its program, or it is dead. */
static void handshake_closed(Process *process) {
        ProcessTable *table = process->table;
        cleanup_error Error error = { 0 };

        process->watch = loop_source_free(process->watch);
        close(TAKE_FD(process->handshake));
        if (process->state == PROCESS_PREPARING) {
                error_set(&error, EIO, "the process ended while it was set up");
                fail(process, &error);
        } else if (process->state != PROCESS_READY) {
                process->state = PROCESS_RUNNING;
                table->handlers.running(process, table->user);
                begin_output(process);
        }
}

static void on_message(Process *process, const HandshakeMessage *message, int fd) {
        ProcessTable *table = process->table;
        cleanup_error Error error = { 0 };

        switch (message->step) {
        case HANDSHAKE_TERMINAL:
                if (stdio_set_terminal(process->stdio, fd, &error) < 0)
                        fail(process, &error);
                return;
        case HANDSHAKE_WARNING:
                close_descriptor(&fd);
                log_warning("%s", message->text);
                strv_append(&process->warnings, message->text);
                return;
        case HANDSHAKE_READY:
                close_descriptor(&fd);
                if (process->reaped)
                        return;
                process->state = PROCESS_READY;
                table->handlers.ready(process, table->user);
                return;
        case HANDSHAKE_ERROR:
                error_set(&error, message->code > 0 ? message->code : EIO, "%s", message->text);
                break;
        default:
                error_set(&error, EPROTO, "handshake: step %u", message->step);
        }
        close_descriptor(&fd);
        fail(process, &error);
}

static void read_handshake(Process *process) {
        HandshakeMessage message;
        int fd;

        while (process->watch) {
                HandshakeResult r = handshake_receive(process->handshake, &message, &fd);

                if (r == HANDSHAKE_NOTHING)
                        return;
                if (r == HANDSHAKE_CLOSED)
                        handshake_closed(process);
                else
                        on_message(process, &message, fd);
        }
}

static void on_handshake(LoopSource *source, int fd, uint32_t events, void *user) {
        (void)source;
        (void)fd;
        (void)events;
        read_handshake(user);
}

static int start(Process *process, const ProcessSpec *spec, Error *err) {
        cleanup_close int child_end = -1;
        int r;

        r = stdio_new(process->table->loop, process->table->channel, spec->number, spec->terminal,
                      spec->owner, &process->stdio, err);
        if (r >= 0)
                r = handshake_new(&process->handshake, &child_end, err);
        if (r >= 0)
                r = loop_add_fd(process->table->loop, process->handshake, EPOLLIN, on_handshake, process,
                                &process->watch, err);
        if (r < 0)
                return r;
        process->pid = clone_child(spec, &process->pidfd, err);
        if (process->pid < 0)
                return -err->code;
        if (process->pid == 0)
                run_child(spec, process->stdio, child_end);
        stdio_close_child_ends(process->stdio);
        return 0;
}

int process_start(ProcessTable *table, const ProcessSpec *spec, Process **ret, Error *err) {
        Process *process;
        int r;

        if ((spec->number & PROCESS_MAX) == 0)
                return error_set(err, EINVAL, "process number %u", spec->number);
        if (process_find(table, spec->number))
                return error_set(err, EEXIST, "process %u exists", spec->number);
        if (table->count >= PROCESS_TABLE_MAX)
                return error_set(err, EAGAIN, "there are %u processes already", table->count);
        process = xnew(Process, 1);
        process->table = table;
        process->number = spec->number;
        process->seq = spec->seq;
        process->pidfd = process->handshake = -1;
        process->next = table->first;
        table->first = process;
        table->count++;
        r = start(process, spec, err);
        if (r < 0) {
                process_free(process);
                return r;
        }
        *ret = process;
        return 0;
}

Process *process_free(Process *process) {
        if (!process)
                return NULL;
        for (Process **p = &process->table->first; *p; p = &(*p)->next)
                if (*p == process) {
                        *p = process->next;
                        break;
                }
        process->table->count--;
        loop_source_free(process->watch);
        stdio_free(process->stdio);
        oci_process_free(process->program);
        strv_free(process->warnings);
        close_descriptor(&process->handshake);
        close_descriptor(&process->pidfd);
        free(process);
        return NULL;
}

int process_go(Process *process, Error *err) {
        return handshake_send(process->handshake, HANDSHAKE_GO, -1, err);
}

int process_run_program(Process *process, Error *err) {
        int r;

        if (process->state != PROCESS_READY)
                return error_set(err, EINVAL, "process %u does not wait to be started", process->number);
        if (process->handshake < 0)
                return error_set(err, ESRCH, "process already finished");
        r = handshake_send(process->handshake, HANDSHAKE_START, -1, err);
        if (r == -EPIPE)
                return error_set(err, ESRCH, "process already finished");
        if (r >= 0)
                process->state = PROCESS_STARTING;
        return r;
}

int process_signal(const Process *process, int signal, Error *err) {
        if (process->state == PROCESS_EXITED)
                return error_set(err, ESRCH, "process already finished");
        if (syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0) < 0)
                return errno == ESRCH ? error_set(err, ESRCH, "process already finished")
                                      : error_errno(err, "signal %d", signal);
        return 0;
}

Process *process_find(const ProcessTable *table, uint32_t number) {
        for (Process *p = table->first; p; p = p->next)
                if (p->number == number)
                        return p;
        return NULL;
}

static void on_drained(void *user) {
        Process *process = user;
        ProcessTable *table = process->table;

        table->handlers.drained(process, table->user);
}

void process_table_reaped(ProcessTable *table, pid_t pid, int status) {
        Process *process = table->first;

        while (process && (process->pid != pid || process->reaped))
                process = process->next;
        if (!process)
                return;
        process->reaped = true;
        read_handshake(process); /* its last words come before its death */
        process->status = wait_status_to_exit(status);
        if (process->state == PROCESS_FAILED) {
                table->handlers.drained(process, table->user);
                return;
        }
        if (process->state == PROCESS_READY) /* killed before it was started */
                begin_output(process);
        process->state = PROCESS_EXITED;
        table->handlers.exited(process, table->user);
        stdio_drain(process->stdio, on_drained, process);
}
