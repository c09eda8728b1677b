/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sockets on which an engine waits for a descriptor: the console's master, the pidfd of a process. */

#include "common/base/error.h"

/* Connects to the AF_UNIX socket PATH; OPTION ("console-socket") is for the error. Returns the descriptor. */
int engine_socket_connect(const char *option, const char *path, Error *err);

/* One message with NAME and one descriptor; an answer is not waited for: engines accept late. */
int engine_socket_send(int sock, int fd, const char *name, Error *err);
