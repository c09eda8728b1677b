/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <config.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/spawn.h"
#include "common/base/str.h"

#define WORDS_KEPT  4096U
#define WORDS_SHOWN 300U

char *tool_of_ours(const char *folder, const char *name) {
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (n > 0) {
                cleanup_free char *built = NULL;
                char *tail;

                self[n] = '\0';
                tail = strrchr(self, '/');
                *tail = '\0';
                tail = strrchr(self, '/');
                if (tail && streq(tail, "/runtime")) {
                        *tail = '\0';
                        built = xasprintf("%s/%s/%s", self, folder, name);
                        if (access(built, X_OK) == 0)
                                return TAKE_PTR(built);
                }
        }
        return xasprintf(CARREL_LIBEXEC_DIR "/%s", name);
}

/* The last of what is read from FD until everybody has closed it. */
static char *read_words(int fd) {
        StrBuf words = { 0 };
        char buffer[4096];
        ssize_t n;

        while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
                if (n > 0)
                        strbuf_append(&words, buffer, (size_t)n);
                if (words.length > WORDS_KEPT)
                        strbuf_consume(&words, words.length - WORDS_KEPT);
        }
        return strbuf_take(&words);
}

static char *last_line(const char *words) {
        cleanup_strv char **lines = strv_split(words, "\r\n");
        size_t n = strv_length(lines);

        return n > 0 ? str_printable(lines[n - 1], strlen(lines[n - 1]), WORDS_SHOWN) : xstrdup("");
}

static int start(const Tool *tool, int output, pid_t *ret, Error *err) {
        const SpawnFd fds[] = { { output, STDOUT_FILENO }, { output, STDERR_FILENO } };
        const SpawnSpec spec = { .argv = tool->argv, .fds = fds, .n_fds = 2, .death_signal = SIGKILL };
        int r = spawn(&spec, ret, NULL, err);

        if (r == -ENOENT && tool->package)
                return error_set(err, ENOENT, "%s is not installed; install %s", tool->argv[0],
                                 tool->package);
        return r;
}

int tool_run(const Tool *tool, Error *err) {
        cleanup_close int from = -1, to = -1;
        cleanup_free char *words = NULL, *line = NULL;
        int pipe_fds[2], status;
        pid_t pid;

        if (tool->show) {
                to = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        } else {
                if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                        return error_errno(err, "pipe");
                from = pipe_fds[0];
                to = pipe_fds[1];
        }
        if (start(tool, to, &pid, err) < 0)
                return -err->code;
        close(TAKE_FD(to));
        words = from >= 0 ? read_words(from) : xstrdup("");
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return error_errno(err, "waiting for %s", tool->argv[0]);
        if (status == 0)
                return 0;
        line = last_line(words);
        return error_set(err, EIO, "%s failed (status %d)%s%s", tool->argv[0], wait_status_to_exit(status),
                         *line ? ": " : "", line);
}
