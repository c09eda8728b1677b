/* SPDX-License-Identifier: Apache-2.0 */

/* Processes: those of the host that make up the virtual machine, for engines; the container's own with --guest. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"
#include "common/protocol/message.h"
#include "runtime/commands/container.h"
#include "runtime/commands/table.h"
#include "runtime/host/cgroup.h"
#include "runtime/host/client.h"

#define GUEST_TIMEOUT_MS 10000
#define OUTPUT_MAX       (64U << 20) /* of ps(1) */
#define COMMAND_MAX      512U        /* bytes of a guest's command line */

typedef struct Options {
        const char *format;
        bool guest;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, format, "format", 'f', OPTION_STRING), "FORMAT", "table (default) or json" },
        { OPTION_FIELD(Options, guest, "guest", 0, OPTION_FLAG), NULL,
          "The container's own processes, which only the virtual machine knows" },
        {},
};

/* ---- on the host ---- */

typedef struct Pids {
        pid_t *pids;
        size_t n;
} Pids;

static void pids_done(Pids *pids) {
        free(pids->pids);
}

static bool has_pid(const Pids *pids, uint64_t pid) {
        for (size_t i = 0; i < pids->n; i++)
                if ((uint64_t)pids->pids[i] == pid)
                        return true;
        return false;
}

/* Shim, QEMU, virtiofsd and exec proxies are in one cgroup, which every hierarchy has. */
static int find_pids(const Container *container, Pids *ret, Error *err) {
        char *const *cgroups = container->record->cgroups;

        if (container->status == OCI_STOPPED)
                return 0;
        if (cgroups && *cgroups)
                return cgroup_pids(*cgroups, &ret->pids, &ret->n, err);
        /* a host without cgroups */
        ret->pids = xnew(pid_t, 1);
        ret->pids[ret->n++] = (pid_t)container->record->pid;
        return 0;
}

static void show_pids(const Pids *pids) {
        cleanup_free char *text = NULL;
        JsonWriter w = { 0 };

        if (pids->n == 0) {
                printf("null\n");
                return;
        }
        json_begin_array(&w);
        for (size_t i = 0; i < pids->n; i++)
                json_write_int64(&w, pids->pids[i]);
        json_end_array(&w);
        text = strbuf_take(&w.out);
        printf("%s\n", text);
}

/* Takes over FD. */
static int read_to_end(int fd, pid_t pid, char **ret, Error *err) {
        int status, r = fd_read(fd, OUTPUT_MAX, ret, NULL, err);

        close(fd);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return error_errno(err, "waiting for ps");
        if (r >= 0 && wait_status_to_exit(status) != 0) {
                cleanup_free char *said = str_printable(*ret, strcspn(*ret, "\n"), 256);

                return error_set(err, EIO, "ps: exit status %d: %s", wait_status_to_exit(status), said);
        }
        return r;
}

static int run_ps(char *const *arguments, char **ret, Error *err) {
        cleanup_strv char **argv = NULL;
        cleanup_close int ours = -1, theirs = -1;
        cleanup_free char *text = NULL;
        int ends[2], r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_errno(err, "pipe");
        ours = ends[0];
        theirs = ends[1];
        strv_append(&argv, "ps");
        if (*arguments)
                strv_extend(&argv, arguments);
        else
                strv_append(&argv, "-ef");
        r = spawn(&(SpawnSpec){ .argv = argv,
                                .fds = (SpawnFd[]){ { theirs, STDOUT_FILENO }, { theirs, STDERR_FILENO } },
                                .n_fds = 2 },
                  &pid, NULL, err);
        if (r < 0)
                return r;
        close(TAKE_FD(theirs));
        r = read_to_end(TAKE_FD(ours), pid, &text, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Number of the column that is headed PID. */
static int pid_column(const char *heading, size_t *ret, Error *err) {
        cleanup_strv char **titles = strv_split(heading, " \t");

        for (size_t i = 0; i < strv_length(titles); i++)
                if (streq(titles[i], "PID")) {
                        *ret = i;
                        return 0;
                }
        return error_set(err, EINVAL, "couldn't find PID field in ps output");
}

static int show_host_table(const Pids *pids, char *const *arguments, Error *err) {
        cleanup_free char *text = NULL;
        cleanup_strv char **rows = NULL;
        size_t column = 0;
        int r;

        r = run_ps(arguments, &text, err);
        if (r < 0)
                return r;
        rows = strv_split(text, "\n");
        r = pid_column(rows ? rows[0] : "", &column, err);
        if (r < 0)
                return r;
        printf("%s\n", rows[0]);
        STRV_FOR_EACH (row, rows + 1) {
                cleanup_strv char **cells = strv_split(*row, " \t");
                uint64_t pid;

                if (strv_length(cells) <= column || !str_to_u64(cells[column], 10, INT32_MAX, &pid))
                        return error_set(err, EINVAL, "unable to parse pid in ps output");
                if (has_pid(pids, pid))
                        printf("%s\n", *row);
        }
        return 0;
}

static int show_host(const Container *container, bool json, char *const *arguments, Error *err) {
        cleanup(pids_done) Pids pids = { 0 };
        int r;

        r = find_pids(container, &pids, err);
        if (r < 0)
                return r;
        if (!json)
                return show_host_table(&pids, arguments, err);
        show_pids(&pids);
        return 0;
}

/* ---- in the guest ---- */

static char **make_row(const ProcessInfo *process) {
        const char *command = process->command ? process->command : "";
        uint64_t seconds = process->cpu_usec / 1000000;
        char **row = NULL;

        strv_printf(&row, "%" PRId64, process->container_pid);
        strv_printf(&row, "%" PRId64, process->pid);
        strv_printf(&row, "%" PRIu32, process->uid);
        strv_take(&row,
                  process->state ? str_printable(process->state, strlen(process->state), 1) : xstrdup("?"));
        strv_printf(&row, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600, seconds / 60 % 60,
                    seconds % 60);
        strv_take(&row, str_printable(command, strlen(command), COMMAND_MAX));
        return row;
}

static void show_processes(const ProcessList *list) {
        cleanup_table Table table = { 0 };

        table_add(&table, strv_split("PID GUESTPID UID STATE TIME COMMAND", " "));
        for (size_t i = 0; i < list->n_processes; i++)
                table_add(&table, make_row(&list->processes[i]));
        table_print(&table);
}

static int show_guest(const Container *container, bool json, Error *err) {
        cleanup(client_freep) Client *client = NULL;
        ProcessList list = { 0 };
        Frame reply;
        int r;

        r = client_connect(container->entry->dir, &client, err);
        if (r >= 0)
                r = client_request(client, FRAME_PROCESSES, NULL, NULL, GUEST_TIMEOUT_MS, &reply, err);
        r = container_check_answer(r, err);
        if (r >= 0)
                r = message_read(&reply, process_list_fields, &list, err);
        if (r < 0)
                return r;
        if (json) {
                cleanup_json Json *tree = json_to_tree(process_list_fields, &list);
                cleanup_free char *text = json_tree_to_text(json_get(tree, "processes"), false);

                printf("%s\n", text);
        } else {
                show_processes(&list);
        }
        json_clear(process_list_fields, &list);
        return 0;
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(container_freep) Container *container = NULL;
        bool json = streq(given->format, "json");
        int r;

        if (given->format && !json && !streq(given->format, "table"))
                return error_set(err, EINVAL, "invalid format option");
        if (given->guest && call->n_args > 1)
                return error_set(err, EINVAL, "ps: --guest takes no options of ps(1)");
        r = container_open(call->globals, call->args[0], &container, err);
        if (r >= 0)
                r = oci_check_operation(container->status, OCI_PS, call->args[0], err);
        if (r < 0)
                return r;
        return given->guest ? show_guest(container, json, err)
                            : show_host(container, json, call->args + 1, err);
}

const Command command_ps = {
        .name = "ps",
        .args = "ID [PS-OPTION...]",
        .summary = "Show the processes of a container",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = ARGS_ANY,
        .open_after = 1,
        .run = run,
};
