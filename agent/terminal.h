/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pseudo terminals: made by the child, inside the container, so that their names are the container's; used by the
 * agent, which gets the master. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/oci/spec.h"

/*
 * In the child, which is a session leader without a terminal and sees the container's /dev/pts: opens a terminal of
 * the given size (0: leave it), makes it the controlling one and descriptors 0 to 2. *ret_master is to be handed to
 * the agent. The owner of the terminal is left to program_setup().
 */
int terminal_open(uint32_t rows, uint32_t cols, int *ret_master, Error *err);

/* The size to begin with: what the host says, else what the specification says, else 0. */
void terminal_size(const OciProcess *process, uint32_t rows, uint32_t cols, uint32_t *ret_rows,
                   uint32_t *ret_cols);

int terminal_resize(int fd, uint32_t rows, uint32_t cols, Error *err);

/* FD is the master side of a pseudo terminal, whatever a container has put in its place. */
bool terminal_is_master(int fd);
