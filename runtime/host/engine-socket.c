/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/engine-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"

int engine_socket_connect(const char *option, const char *path, Error *err) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cleanup_close int target = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0)
                return error_errno(err, "socket");
        target = open(path, O_PATH | O_CLOEXEC);
        if (target < 0)
                return error_errno(err, "--%s %s", option, path);
        /* through the descriptor: the path may be longer than an address takes */
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", target);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return error_errno(err, "--%s %s", option, path);
        return TAKE_FD(fd);
}

int engine_socket_send(int sock, int fd, const char *name, Error *err) {
        if (fd_send(sock, fd, name, strlen(name), err) < 0)
                return error_prefix(err, "the engine's socket");
        return 0;
}
