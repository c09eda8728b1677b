/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Puts the agent's cgroup module through its paces on the kernel it is made for: run in a guest, as root with all
 * capabilities, by a process that is in no cgroup directly below FOLDER (cgroup.bats does all that).
 *
 *   cgroup-exercise FOLDER
 *
 * Prints what the kernel holds after each step. Exit status 0: all steps went as they should.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cgroup.h"
#include "common/base/fd.h"
#include "common/base/str.h"

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(1);
}

#define CHECK(condition)                                                                                     \
        do                                                                                                   \
                if (!(condition))                                                                            \
                        die("line %d: %s", __LINE__, #condition);                                            \
        while (0)

static void must(int r, const Error *error) {
        if (r < 0)
                die("%s", error->message);
}

/* Applies resources; the error's text, or NULL. Owned by the caller. */
static char *apply(Cgroup *cgroup, const char *text) {
        cleanup(oci_resources_freep) OciResources *resources = NULL;
        Error error = { 0 };

        must(oci_resources_parse(text, strlen(text), &resources, &error), &error);
        if (cgroup_apply(cgroup, resources, &error) >= 0)
                return NULL;
        return error.message;
}

static void apply_well(Cgroup *cgroup, const char *text) {
        cleanup_free char *message = apply(cgroup, text);

        if (message)
                die("%s: %s", text, message);
}

static void refuse(Cgroup *cgroup, const char *text) {
        cleanup_free char *message = apply(cgroup, text);

        if (!message)
                die("%s: was not refused", text);
        printf("refused: %s\n", message);
}

static void show(const Cgroup *cgroup, const char *files) {
        cleanup_strv char **names = strv_split(files, " ");

        STRV_FOR_EACH (name, names) {
                cleanup_error Error error = { 0 };
                cleanup_free char *text = NULL;

                must(file_read_line(cgroup_fd(cgroup), *name, &text, &error), &error);
                printf("%s: %s\n", *name, text);
        }
}

/* A process in the folder of a cgroup; in it FN runs, or it sleeps. */
static pid_t start(int folder, void (*fn)(void)) {
        struct clone_args args = { .flags = CLONE_INTO_CGROUP,
                                   .exit_signal = SIGCHLD,
                                   .cgroup = (uint64_t)folder };
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

        if (pid < 0)
                die("clone3: %s", strerror(errno));
        if (pid == 0) {
                if (fn)
                        fn();
                for (;;)
                        pause();
        }
        return pid;
}

static int end_of(pid_t pid) {
        int status;

        CHECK(waitpid(pid, &status, 0) == pid);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- the steps ---- */

static void resources(Cgroup *cgroup) {
        apply_well(cgroup,
                   "{\"memory\":{\"limit\":67108864,\"swap\":100663296,\"reservation\":33554432},"
                   "\"cpu\":{\"shares\":1024,\"quota\":50000,\"period\":100000,\"burst\":20000,\"cpus\":"
                   "\"0\",\"mems\":\"0\"},"
                   "\"pids\":{\"limit\":20},\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}],"
                   "\"blockIO\":{\"weight\":500},\"unified\":{\"memory.high\":\"60000000\",\"cpu.weight\":"
                   "\"77\"}}");
        show(cgroup, "memory.max memory.swap.max memory.low memory.high cpu.max cpu.max.burst cpu.weight "
                     "cpuset.cpus cpuset.mems "
                     "pids.max hugetlb.2MB.max hugetlb.2MB.rsvd.max io.weight");
        /* growing and shrinking, quota and burst together */
        apply_well(cgroup, "{\"cpu\":{\"quota\":200000,\"burst\":150000}}");
        apply_well(cgroup, "{\"cpu\":{\"quota\":10000,\"burst\":10000}}");
        show(cgroup, "cpu.max cpu.max.burst");
        apply_well(cgroup, "{\"cpu\":{\"quota\":-1,\"idle\":1},\"memory\":{\"limit\":-1,\"swap\":-1},"
                           "\"pids\":{\"limit\":-1}}");
        show(cgroup, "cpu.max cpu.idle memory.max memory.swap.max pids.max");
        apply_well(cgroup, "{\"cpu\":{\"idle\":0,\"shares\":2}}");
        show(cgroup, "cpu.weight");
}

static void refusals(Cgroup *cgroup) {
        refuse(cgroup, "{\"cpu\":{\"cpus\":\"0,900\"}}");
        refuse(cgroup, "{\"cpu\":{\"cpus\":\"x\"}}");
        refuse(cgroup, "{\"cpu\":{\"mems\":\"7\"}}");
        refuse(cgroup, "{\"cpu\":{\"realtimeRuntime\":5}}");
        refuse(cgroup, "{\"memory\":{\"limit\":100,\"swap\":50}}");
        refuse(cgroup, "{\"unified\":{\"../x\":\"1\"}}");
        refuse(cgroup, "{\"unified\":{\"no.such\":\"1\"}}");
        refuse(cgroup, "{\"hugepageLimits\":[{\"pageSize\":\"3MB\",\"limit\":1}]}");
}

static bool can_open(const char *path, int flags) {
        cleanup_close int fd = open(path, flags | O_CLOEXEC);

        return fd >= 0;
}

static void open_devices(void) {
        int answer = 0;

        /* 1: a device was made, 2: it can be read, 4: written; 8: one of those that every container has */
        if (mknod("/tmp/exercise-kmsg", S_IFCHR | 0600, makedev(1, 11)) == 0)
                answer |= 1;
        if (can_open("/tmp/exercise-kmsg", O_RDONLY))
                answer |= 2;
        if (can_open("/tmp/exercise-kmsg", O_WRONLY))
                answer |= 4;
        if (can_open("/dev/zero", O_RDWR))
                answer |= 8;
        unlink("/tmp/exercise-kmsg");
        _exit(answer);
}

static void devices(Cgroup *cgroup) {
        printf("devices: %d", end_of(start(cgroup_fd(cgroup), open_devices)));
        apply_well(cgroup, "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
                           "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"}]}");
        printf(" %d", end_of(start(cgroup_fd(cgroup), open_devices)));
        apply_well(cgroup, "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}");
        printf(" %d\n", end_of(start(cgroup_fd(cgroup), open_devices)));
}

static void eat_memory(void) {
        StrBuf b = { 0 };
        char chunk[4096];

        memset(chunk, 1, sizeof(chunk));
        for (;;)
                strbuf_append(&b, chunk, sizeof(chunk));
}

static void memory(Cgroup *cgroup) {
        cleanup_error Error error = { 0 };
        uint64_t kills = 99;

        apply_well(cgroup, "{\"memory\":{\"limit\":16777216,\"swap\":16777216}}");
        printf("eating: %d", end_of(start(cgroup_fd(cgroup), eat_memory)));
        must(cgroup_oom_kills(cgroup, &kills, &error), &error);
        printf(" oom_kill %llu\n", (unsigned long long)kills);
}

/* The container makes cgroups of its own and leaves the one it was born in. */
static void processes(Cgroup *cgroup) {
        cleanup_error Error error = { 0 };
        cleanup_close int below = -1, first = -1, second = -1;
        cleanup_free char *state = NULL;
        cleanup_free pid_t *pids = NULL;
        struct stat a, b;
        pid_t init, other;
        size_t n;

        CHECK(mkdirat(cgroup_fd(cgroup), "init.scope", 0755) == 0);
        below = openat(cgroup_fd(cgroup), "init.scope", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        init = start(below, NULL);
        must(cgroup_open_for(cgroup, init, &first, &error), &error);
        CHECK(fstat(cgroup_fd(cgroup), &a) == 0 && fstat(first, &b) == 0 && a.st_ino == b.st_ino);
        must(file_write(cgroup_fd(cgroup), "cgroup.subtree_control", "+memory", &error), &error);
        must(cgroup_open_for(cgroup, init, &second, &error), &error);
        CHECK(fstat(below, &a) == 0 && fstat(second, &b) == 0 && a.st_ino == b.st_ino);
        other = start(second, NULL);
        refuse(cgroup, "{\"memory\":{\"limit\":1,\"checkBeforeUpdate\":true}}");
        must(cgroup_pids(cgroup, &pids, &n, &error), &error);
        CHECK(n == 2 && (pids[0] == init || pids[1] == init) && (pids[0] == other || pids[1] == other));

        must(cgroup_freeze(cgroup, true, &error), &error);
        must(file_read(cgroup_fd(cgroup), "cgroup.events", 4096, &state, NULL, &error), &error);
        CHECK(strstr(state, "frozen 1"));
        must(cgroup_freeze(cgroup, false, &error), &error);
        kill(other, SIGTERM);
        CHECK(end_of(other) == 128 + SIGTERM);

        must(cgroup_freeze(cgroup, true, &error), &error);
        must(cgroup_kill(cgroup, &error), &error);
        CHECK(end_of(init) == 128 + SIGKILL);
        must(cgroup_freeze(cgroup, false, &error), &error);
        must(cgroup_delegate(cgroup, 1000, &error), &error);
        CHECK(fstat(cgroup_fd(cgroup), &a) == 0 && a.st_uid == 1000);
        CHECK(fstatat(cgroup_fd(cgroup), "cgroup.procs", &a, 0) == 0 && a.st_uid == 1000);
        CHECK(fstatat(cgroup_fd(cgroup), "memory.max", &a, 0) == 0 && a.st_uid == 0);
        CHECK(unlinkat(cgroup_fd(cgroup), "init.scope", AT_REMOVEDIR) == 0);
        printf("processes: fine\n");
}

static void statistics(Cgroup *cgroup) {
        cleanup_error Error error = { 0 };
        JsonWriter w = { 0 };

        must(cgroup_write_stats(cgroup, &w, &error), &error);
        printf("stats: %s\n", w.out.data);
        strbuf_done(&w.out);
}

int main(int argc, char **argv) {
        cleanup(cgroup_freep) Cgroup *cgroup = NULL;
        cleanup_error Error error = { 0 };

        if (argc != 2)
                die("usage: cgroup-exercise FOLDER");
        setvbuf(stdout, NULL, _IOLBF, 0);
        must(cgroup_new(argv[1], "exercise", &cgroup, &error), &error);
        must(cgroup_apply(cgroup, NULL, &error), &error);
        resources(cgroup);
        refusals(cgroup);
        devices(cgroup);
        memory(cgroup);
        processes(cgroup);
        statistics(cgroup);
        CHECK(rmdir(cgroup_path(cgroup)) == 0);
        return 0;
}
