/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/cleanup.h"

int control_connect(const char *path, Error *err) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cleanup_close int target = open(path, O_PATH | O_CLOEXEC);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0)
                return error_errno(err, "socket");
        if (target < 0)
                return errno == ENOENT ? error_set(err, ESRCH, "container not running")
                                       : error_errno(err, "%s", path);
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", target);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return errno == ECONNREFUSED ? error_set(err, ESRCH, "container not running")
                                             : error_errno(err, "%s", path);
        return TAKE_FD(fd);
}
