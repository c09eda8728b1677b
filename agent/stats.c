/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stats.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/message.h"

/* So that the answer stays a fraction of the longest frame. */
#define PROCESSES_MAX 1024U
#define COMMAND_MAX   512U
#define PROC_FILE_MAX (64U << 10)

/* The command line with spaces between its words, or the name of a process that has none. */
static char *read_command(int dir, const char *name) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL, *bracketed = NULL;
        size_t n = 0;

        /* a longer one is an error to file_read(), and the name has to do */
        if (file_read(dir, "cmdline", PROC_FILE_MAX, &text, &n, &ignored) < 0 || n == 0) {
                bracketed = xasprintf("[%s]", name);
                return str_printable(bracketed, strlen(bracketed), COMMAND_MAX);
        }
        if (text[n - 1] == '\0')
                n--;
        for (size_t i = 0; i < n; i++)
                if (text[i] == '\0')
                        text[i] = ' ';
        return str_printable(text, n, COMMAND_MAX);
}

/* The last of the numbers behind "NSpid:", which is the one the container knows; and the real user id. */
static void read_status(int dir, ProcessInfo *info) {
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;
        const char *line;

        if (file_read(dir, "status", PROC_FILE_MAX, &text, NULL, &ignored) < 0)
                return;
        line = strstr(text, "\nUid:");
        if (line)
                sscanf(line, "\nUid: %" SCNu32, &info->uid);
        line = strstr(text, "\nNSpid:");
        if (line) {
                const char *end = strchrnul(line + 1, '\n');

                while (end[-1] >= '0' && end[-1] <= '9')
                        end--;
                sscanf(end, "%" SCNd64, &info->container_pid);
        }
}

/* False when the process is gone. */
static bool read_process(pid_t pid, ProcessInfo *info) {
        cleanup_free char *path = xasprintf("/proc/%d", (int)pid), *text = NULL, *name = NULL;
        cleanup_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_error Error ignored = { 0 };
        uint64_t user = 0, system = 0, start = 0;
        uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
        char *open_paren, *close_paren, state[2] = "";

        if (dir < 0 || file_read(dir, "stat", PROC_FILE_MAX, &text, NULL, &ignored) < 0)
                return false;
        open_paren = strchr(text, '(');
        close_paren = strrchr(text, ')'); /* the name may hold anything */
        if (!open_paren || !close_paren || close_paren < open_paren)
                return false;
        name = xstrndup(open_paren + 1, (size_t)(close_paren - open_paren - 1));
        if (sscanf(close_paren + 1,
                   " %1c %" SCNd64 " %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                   " %*d %*d %*d %*d %*d %*d %" SCNu64,
                   state, &info->parent, &user, &system, &start) != 5)
                return false;
        info->pid = info->container_pid = pid;
        info->state = xstrdup(state);
        info->cpu_usec = (user + system) * 1000000 / hz;
        info->start_usec = start * 1000000 / hz;
        info->command = read_command(dir, name);
        read_status(dir, info);
        return true;
}

int stats_write_processes(const Cgroup *cgroup, JsonWriter *w, Error *err) {
        cleanup_free pid_t *pids = NULL;
        ProcessList list = { 0 };
        size_t n;
        int r;

        r = cgroup_pids(cgroup, &pids, &n, err);
        if (r < 0)
                return r;
        if (n > PROCESSES_MAX)
                n = PROCESSES_MAX;
        list.processes = xnew(ProcessInfo, n + 1);
        for (size_t i = 0; i < n; i++)
                if (read_process(pids[i], &list.processes[list.n_processes]))
                        list.n_processes++;
        json_write(w, process_list_fields, &list);
        json_clear(process_list_fields, &list);
        return 0;
}
