/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Processes as records name them: a pid and the time it began, so that another process that got the same pid later is
 * not taken for it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"

/* Field 22 of /proc/PID/stat. ESRCH when there is no such process, or only what is left of one (a zombie). */
int process_start_time(pid_t pid, uint64_t *ret, Error *err);

/* The same from the text of such a file: the state's letter and the start time. False if it is none. */
bool process_parse_stat(const char *text, char *ret_state, uint64_t *ret_start);

bool process_is_alive(pid_t pid, uint64_t start);

/* A pidfd of exactly that process; ESRCH when it is gone. */
int process_open(pid_t pid, uint64_t start, Error *err);

/* Waits for the end of the process behind PIDFD; false when TIMEOUT_MS passes (-1: for ever). */
bool process_wait(int pidfd, int timeout_ms);

/* Sends a signal; a process that is gone is no error. */
int process_signal(int pidfd, int signal_, Error *err);
