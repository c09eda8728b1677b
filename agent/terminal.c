/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define PTMX_MAJOR 5
#define PTMX_MINOR 2

bool terminal_is_master(int fd) {
        unsigned number;
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == PTMX_MAJOR &&
               minor(st.st_rdev) == PTMX_MINOR && ioctl(fd, TIOCGPTN, &number) >= 0;
}

int terminal_resize(int fd, uint32_t rows, uint32_t cols, Error *err) {
        struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };

        if (rows > UINT16_MAX || cols > UINT16_MAX)
                return error_set(err, EINVAL, "a terminal of %u rows and %u columns", rows, cols);
        if (ioctl(fd, TIOCSWINSZ, &size) < 0)
                return error_errno(err, "setting the size of a terminal");
        return 0;
}

static int open_master(Error *err) {
        cleanup_close int fd = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        int unlock = 0;

        if (fd < 0 && errno == ENOENT)
                fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return error_errno(err, "opening /dev/pts/ptmx");
        if (!terminal_is_master(fd))
                return error_set(err, ENOTTY, "/dev/pts/ptmx makes no terminals");
        if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
                return error_errno(err, "unlocking a terminal");
        return TAKE_FD(fd);
}

int terminal_open(uint32_t rows, uint32_t cols, int *ret_master, Error *err) {
        cleanup_close int master = open_master(err), slave = -1;

        if (master < 0)
                return -err->code;
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return error_errno(err, "opening a terminal");
        if (rows > 0 && cols > 0 && terminal_resize(slave, rows, cols, err) < 0)
                return -err->code;
        if (ioctl(slave, TIOCSCTTY, 0) < 0)
                return error_errno(err, "taking the terminal as the controlling one");
        for (int fd = 0; fd < 3; fd++)
                if (dup2(slave, fd) < 0)
                        return error_errno(err, "standard stream %d", fd);
        *ret_master = TAKE_FD(master);
        return 0;
}

void terminal_size(const OciProcess *process, uint32_t rows, uint32_t cols, uint32_t *ret_rows,
                   uint32_t *ret_cols) {
        if ((rows == 0 || cols == 0) && process->console_size) {
                rows = process->console_size->height;
                cols = process->console_size->width;
        }
        *ret_rows = rows;
        *ret_cols = cols;
}
