/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/protocol/message.h"
#include "runtime/commands/creation.h"
#include "runtime/commands/exec-process.h"
#include "runtime/commands/foreground.h"
#include "runtime/commands/warning.h"
#include "runtime/host/engine-socket.h"
#include "runtime/plan/exec.h"

#define START_TIMEOUT_MS 120000
#define EXIT_EXEC_FAILED 255

typedef struct Options {
        ExecChanges changes;
        const char *process, *pid_file, *console_socket, *pidfd_socket, *cgroup;
        bool detach, ignore_paused;
        uint32_t preserve_fds;
} Options;

#define FIELD(member, name, letter, kind) OPTION_FIELD(Options, member, name, letter, kind)

static const Option options[] = {
        { FIELD(process, "process", 'p', OPTION_STRING), "FILE",
          "Take the process from FILE (an OCI process object)" },
        { FIELD(detach, "detach", 'd', OPTION_FLAG), NULL, "Return when the program runs" },
        { FIELD(pid_file, "pid-file", 0, OPTION_STRING), "FILE", "Write the process id on the host to FILE" },
        { FIELD(changes.tty, "tty", 't', OPTION_FLAG), NULL, "Give it a terminal" },
        { FIELD(console_socket, "console-socket", 0, OPTION_STRING), "PATH",
          "Send the terminal's master to this AF_UNIX socket" },
        { FIELD(pidfd_socket, "pidfd-socket", 0, OPTION_STRING), "PATH",
          "Send a pidfd of the process to this AF_UNIX socket" },
        { FIELD(changes.user, "user", 'u', OPTION_STRING), "UID[:GID]", "Run as this user" },
        { FIELD(changes.additional_gids, "additional-gids", 'g', OPTION_LIST), "GID", "Supplementary group" },
        { FIELD(changes.cwd, "cwd", 0, OPTION_STRING), "DIR", "Folder to start in" },
        { FIELD(changes.env, "env", 'e', OPTION_LIST), "NAME=VALUE", "Set an environment variable" },
        { FIELD(changes.caps, "cap", 'c', OPTION_LIST), "NAME", "Add a capability" },
        { FIELD(changes.no_new_privs, "no-new-privs", 0, OPTION_FLAG), NULL, "Forbid it to gain privileges" },
        { FIELD(cgroup, "cgroup", 0, OPTION_STRING), "PATH",
          "Run in this cgroup, which the container has made below its own" },
        { FIELD(ignore_paused, "ignore-paused", 0, OPTION_FLAG), NULL,
          "Do not refuse in a paused container" },
        { FIELD(changes.apparmor, "apparmor", 0, OPTION_STRING), "PROFILE",
          "AppArmor profile (without effect: the guest has no AppArmor)" },
        { FIELD(changes.selinux_label, "process-label", 0, OPTION_STRING), "LABEL",
          "SELinux label (without effect: the guest has no SELinux)" },
        { FIELD(preserve_fds, "preserve-fds", 0, OPTION_NUMBER), "N",
          "Accepted for compatibility: descriptors cannot be passed into a virtual machine" },
        {},
};

typedef struct Exec {
        const Options *given;
        Container *container;
        Json *process; /* as the agent gets it */
        char **warnings;
        bool terminal;
        int console_socket, pidfd_socket;
        Terminal pty;
        Shim proxy;
} Exec;

static void exec_done(Exec *e) {
        container_free(e->container);
        json_free(e->process);
        strv_free(e->warnings);
        close_descriptor(&e->console_socket);
        close_descriptor(&e->pidfd_socket);
        terminal_done(&e->pty);
        shim_done(&e->proxy);
}

static int read_process(const char *path, Json **ret, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r;

        r = file_read(AT_FDCWD, path, JSON_MAX_BYTES, &text, &length, err);
        if (r < 0)
                return error_prefix(err, "--process");
        r = json_parse(text, length, NULL, ret, err);
        return r < 0 ? error_prefix(err, "--process %s", path) : 0;
}

static int make_process(Exec *e, char **args, Error *err) {
        cleanup(oci_process_freep) OciProcess *checked = NULL;
        cleanup(exec_decision_done) ExecDecision decision = { 0 };
        cleanup_json Json *config = NULL, *process = NULL;
        ExecChanges changes = e->given->changes;
        int r;

        if (e->given->process) {
                r = read_process(e->given->process, &process, err);
        } else {
                changes.args = *args ? args : NULL;
                r = container_spec_tree(e->container, &config, err);
                if (r >= 0)
                        r = exec_process_make(config, &changes, &process, err);
        }
        if (r >= 0)
                r = oci_process_from_tree(process, &checked, err);
        if (r >= 0)
                r = plan_exec(checked, process, &decision, err);
        if (r < 0)
                return r;
        e->terminal = checked->terminal;
        e->process = TAKE_PTR(decision.guest);
        STRV_FOR_EACH (warning, decision.warnings)
                if (!strv_contains(e->container->record->warnings, *warning)) /* said at create */
                        strv_append(&e->warnings, *warning);
        STRV_FOR_EACH (note, decision.notes)
                log_debug("%s", *note);
        return 0;
}

/* "/", "a/b"; with "memory:" in front it would be for version 1. */
static int check_cgroup(const char *path, Error *err) {
        if (path && strchr(path, ':'))
                return error_set(err, EINVAL,
                                 "--cgroup %s: the guest has cgroups version 2, in which controllers have no "
                                 "paths of their own",
                                 path);
        return 0;
}

static void warn(Exec *e) {
        if (e->given->preserve_fds > 0)
                strv_append(&e->warnings, "--preserve-fds: descriptors cannot be passed into a virtual "
                                          "machine; they are not there");
        show_warnings(e->warnings, false);
        keep_warnings(e->warnings, e->container->entry->dir);
}

static int open_sockets(Exec *e, Error *err) {
        const Options *given = e->given;

        if (given->console_socket && !(given->detach && e->terminal))
                return error_set(err, EINVAL,
                                 "cannot use console socket if carrel will not detach or allocate tty");
        if (!given->console_socket && given->detach && e->terminal)
                return error_set(err, EINVAL,
                                 "cannot allocate tty if carrel will detach without setting console socket");
        if (given->console_socket) {
                e->console_socket = engine_socket_connect("console-socket", given->console_socket, err);
                if (e->console_socket < 0)
                        return e->console_socket;
        }
        if (given->pidfd_socket) {
                e->pidfd_socket = engine_socket_connect("pidfd-socket", given->pidfd_socket, err);
                if (e->pidfd_socket < 0)
                        return e->pidfd_socket;
        }
        return e->terminal ? terminal_open(0, 0, &e->pty, err) : 0;
}

static int launch(Exec *e, Error *err) {
        cleanup_free char *control = path_join(e->container->entry->path, STATE_CONTROL), *text = NULL;
        cleanup_close int log = record_open_log(e->container->entry->dir);
        ExecPlan plan = {
                .control = control,
                .spec = e->process,
                .cgroup = (char *)(uintptr_t)e->given->cgroup,
                .terminal = e->terminal,
        };
        struct winsize size;
        ShimSpec spec = {
                .pod_share = -1,
                .exec = true,
                .pass_stdio = !e->terminal,
                .console = e->pty.slave,
                .log = log,
                .cgroups = e->container->record->cgroups,
        };
        int r;

        if (e->terminal && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) >= 0) {
                plan.rows = size.ws_row;
                plan.cols = size.ws_col;
        }
        text = json_to_text(exec_plan_fields, &plan, false);
        spec.plan = text;
        r = shim_launch(&spec, &e->proxy, err);
        if (e->pty.slave >= 0)
                close(TAKE_FD(e->pty.slave));
        return r;
}

static int wait_started(Exec *e, Error *err) {
        Frame reply;
        int r;

        r = client_receive(e->proxy.boss, START_TIMEOUT_MS, &reply, err);
        if (r == -ECONNRESET)
                return error_set(err, ESRCH, "carrel-shim ended unexpectedly");
        if (r >= 0 && reply.type == FRAME_ERROR)
                return message_to_error(&reply, err);
        if (r >= 0 && reply.type != FRAME_REPLY)
                return error_set(err, EPROTO, "carrel-shim answered with %s", frame_type_name(reply.type));
        if (r >= 0 && e->console_socket >= 0)
                r = engine_socket_send(e->console_socket, e->pty.master, e->pty.name, err);
        if (r >= 0 && e->pidfd_socket >= 0)
                r = engine_socket_send(e->pidfd_socket, e->proxy.pidfd, PIDFD_NAME_EXEC, err);
        if (r >= 0 && e->given->pid_file)
                r = write_pid_file(e->given->pid_file, e->proxy.pid, err);
        return r;
}

/* From here on it does without us. Should it have ended already, nobody has to know. */
static void leave(const Exec *e) {
        EventMessage done = { .event = (char[]){ EVENT_COMPLETE } };
        cleanup_error Error ignored = { 0 };

        client_send(e->proxy.boss, FRAME_EVENT, 0, event_message_fields, &done, &ignored);
}

static int run_exec(Exec *e, Error *err) {
        cleanup(foreground_freep) Foreground *foreground = NULL;
        int r;

        r = launch(e, err);
        if (r < 0)
                return r;
        r = wait_started(e, err);
        if (r >= 0 && !e->given->detach)
                r = foreground_new(&e->proxy, e->pty.master, &foreground, err);
        if (r < 0) {
                shim_kill(&e->proxy);
                return r;
        }
        if (foreground)
                return foreground_wait(foreground, err);
        leave(e);
        return 0;
}

static int run(const CommandCall *call, Error *err) {
        cleanup(exec_done) Exec e = { .given = call->options,
                                      .console_socket = -1,
                                      .pidfd_socket = -1,
                                      .pty = TERMINAL_NONE,
                                      .proxy = SHIM_NONE };
        OciOperation operation = e.given->ignore_paused ? OCI_EXEC_IGNORE_PAUSED : OCI_EXEC;
        int r;

        *call->error_status = EXIT_EXEC_FAILED;
        r = container_open(call->globals, call->args[0], &e.container, err);
        if (r >= 0)
                r = oci_check_operation(e.container->status, operation, call->args[0], err);
        if (r >= 0)
                r = check_cgroup(e.given->cgroup, err);
        if (r >= 0)
                r = make_process(&e, call->args + 1, err);
        if (r >= 0)
                r = open_sockets(&e, err);
        if (r >= 0) {
                warn(&e);
                r = run_exec(&e, err);
        }
        return r < 0 ? error_prefix(err, "exec failed") : r;
}

const Command command_exec = {
        .name = "exec",
        .args = "ID [COMMAND [ARG...]]",
        .summary = "Run another program in a running container",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = ARGS_ANY,
        .open_after = 1,
        .run = run,
};
