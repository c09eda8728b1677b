/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/store/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"

bool process_parse_stat(const char *text, char *ret_state, uint64_t *ret_start) {
        /* the second field is a name in brackets that may itself hold spaces and brackets */
        const char *p = strrchr(text, ')');
        unsigned long long start;
        char state;

        if (!p)
                return false;
        if (sscanf(p + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                   &state, &start) != 2)
                return false;
        *ret_state = state;
        *ret_start = start;
        return true;
}

int process_start_time(pid_t pid, uint64_t *ret, Error *err) {
        cleanup_free char *path = xasprintf("/proc/%d/stat", (int)pid), *text = NULL;
        uint64_t start;
        char state;

        if (pid <= 0)
                return error_set(err, ESRCH, "no process %d", (int)pid);
        if (file_read(AT_FDCWD, path, 4096, &text, NULL, err) < 0)
                return error_set(err, err->code == ENOENT ? ESRCH : err->code, "no process %d", (int)pid);
        if (!process_parse_stat(text, &state, &start))
                return error_set(err, EIO, "%s: not understood", path);
        if (state == 'Z' || state == 'X')
                return error_set(err, ESRCH, "process %d has ended", (int)pid);
        *ret = start;
        return 0;
}

bool process_is_alive(pid_t pid, uint64_t start) {
        cleanup_error Error error = { 0 };
        uint64_t found;

        return process_start_time(pid, &found, &error) >= 0 && found == start;
}

int process_open(pid_t pid, uint64_t start, Error *err) {
        cleanup_close int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

        if (pid > 0 && fd < 0 && errno != ESRCH)
                return error_errno(err, "process %d", (int)pid);
        /* looked at after the descriptor is had: from here on it cannot become another */
        if (fd < 0 || !process_is_alive(pid, start))
                return error_set(err, ESRCH, "process %d has ended", (int)pid);
        return TAKE_FD(fd);
}

bool process_wait(int pidfd, int timeout_ms) {
        uint64_t end = now_usec() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000;
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        for (;;) {
                uint64_t now = now_usec();
                int left = timeout_ms < 0 ? -1 : now >= end ? 0 : (int)((end - now + 999) / 1000);
                int n = poll(&p, 1, left);

                if (n > 0)
                        return true;
                if (n == 0)
                        return false;
                if (errno != EINTR)
                        return false;
        }
}

int process_signal(int pidfd, int signal_, Error *err) {
        if (syscall(SYS_pidfd_send_signal, pidfd, signal_, NULL, 0) < 0 && errno != ESRCH)
                return error_errno(err, "signal %d", signal_);
        return 0;
}
