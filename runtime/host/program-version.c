/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/program-version.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/spawn.h"
#include "common/base/str.h"

#define VERSION_USEC 5000000U

/* Reads until the end or until USEC have passed. */
static char *read_for(int fd, uint64_t usec) {
        cleanup_strbuf StrBuf b = { 0 };
        uint64_t end = now_usec() + usec;
        char chunk[4096];

        while (b.length < 65536) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                uint64_t now = now_usec();
                ssize_t n;

                if (now >= end || poll(&p, 1, (int)((end - now) / 1000) + 1) <= 0)
                        break;
                n = read(fd, chunk, sizeof(chunk));
                if (n <= 0)
                        break;
                strbuf_append(&b, chunk, (size_t)n);
        }
        return strbuf_take(&b);
}

/* The path by which the program can be started, wherever ROOT is. */
static char *path_to_start(int root, const char *path, Error *err) {
        cleanup_close int fd = path_open_in_root(root, path, O_PATH, 0, err);
        cleanup_free char *link = NULL;
        char target[4096];
        ssize_t n;

        if (fd < 0)
                return NULL;
        link = xasprintf("/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n < 0) {
                error_errno(err, "%s", path);
                return NULL;
        }
        return xstrndup(target, (size_t)n);
}

char *program_version(int root, const char *program, Error *err) {
        cleanup_free char *real = path_to_start(root, program, err), *text = NULL;
        char word[] = "--version", *argv[] = { real, word, NULL };
        int pipe_fds[2];
        SpawnSpec spec = { .argv = argv, .n_fds = 2, .death_signal = SIGKILL };
        pid_t pid;
        int r;

        if (!real)
                return NULL;
        if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
                error_errno(err, "pipe");
                return NULL;
        }
        spec.fds = (const SpawnFd[]){ { pipe_fds[1], STDOUT_FILENO }, { pipe_fds[1], STDERR_FILENO } };
        r = spawn(&spec, &pid, NULL, err);
        close(pipe_fds[1]);
        if (r >= 0) {
                text = read_for(pipe_fds[0], VERSION_USEC);
                kill(pid, SIGKILL); /* it has ended, or hangs */
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        close(pipe_fds[0]);
        return TAKE_PTR(text);
}
