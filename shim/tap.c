/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/protocol/network.h"

#define TUN "/dev/net/tun"

/* IFF_VNET_HDR: checksums and segmentation may be left to the other side, all the way from one guest to the next. */
static int open_tap(uint8_t number, bool stays, uint32_t *ret_index, Error *err) {
        cleanup_close int fd = open(TUN, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

        if (fd < 0)
                return error_errno(err, TUN);
        snprintf(request.ifr_name, sizeof(request.ifr_name), NETWORK_TAP_NAME, number);
        if (ioctl(fd, TUNSETIFF, &request) < 0)
                return errno == EBUSY ? error_set(err, EBUSY,
                                                  "tap %s: there is one already: another container of carrel "
                                                  "has this network namespace",
                                                  request.ifr_name)
                                      : error_errno(err, "tap %s", request.ifr_name);
        if (stays && ioctl(fd, TUNSETPERSIST, 1) < 0)
                return error_errno(err, "tap %s", request.ifr_name);
        *ret_index = if_nametoindex(request.ifr_name);
        if (*ret_index == 0)
                return error_errno(err, "tap %s", request.ifr_name);
        return TAKE_FD(fd);
}

int taps_open(uint32_t count, bool stay, int *fds, uint32_t *indexes, Error *err) {
        for (uint32_t i = 0; i < count; i++) {
                fds[i] = open_tap((uint8_t)i, stay, &indexes[i], err);
                if (fds[i] >= 0)
                        continue;
                while (i > 0)
                        close(fds[--i]);
                return -err->code;
        }
        return 0;
}
