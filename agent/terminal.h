/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Terminals: made by the child, inside the container, so that their names are ones the container knows; used by the
 * agent, which gets the master. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

/* Whether FD is the master of a terminal, and not something a container has put in its place. */
bool terminal_is_master(int fd);
int terminal_resize(int fd, uint32_t rows, uint32_t cols, Error *err);

/*
 * In the child, leader of a session, with the container's root: makes a terminal owned by OWNER, which becomes the controlling
 * one and descriptors 0, 1 and 2. The master is the caller's; *ret_number is the one in /dev/pts. Size 0: unknown.
 */
int terminal_open(uid_t owner, uint32_t rows, uint32_t cols, int *ret_master, unsigned *ret_number,
                  Error *err);
