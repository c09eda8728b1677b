/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The terminal of a process, made inside the container so that its name is one the container knows. */

#include <stdint.h>

#include "common/base/error.h"

/*
 * By the child: opens a new terminal of the devpts at /dev/ptmx below ROOT (a folder's descriptor; of the agent's own
 * devpts if the container has none), gives it the size (0: unknown), makes the caller leader of a session with the slave as its
 * controlling terminal and as descriptors 0, 1 and 2, and sends the master over SOCKET with the byte 'm'.
 */
int terminal_setup(int root, uint32_t rows, uint32_t cols, int socket, Error *err);

/* Puts the terminal that is descriptor 0 on dev/console below ROOT. */
int terminal_mount_console(int root, Error *err);
