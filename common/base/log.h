/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The log: text on standard error, or the lines engines read (--log FILE --log-format json): one JSON object a line
 * with "level", "msg" and "time" (RFC 3339), as containerd's and conmon's callers expect it (docs/engines.md).
 * The log sink is the one piece of static mutable state in the programs. Library code does not log errors; it
 * returns them.
 */

#include <stdbool.h>

#include "common/base/error.h"

typedef enum LogLevel {
        LOG_ERROR,
        LOG_WARNING,
        LOG_INFO,
        LOG_DEBUG,
        _LOG_LEVEL_MAX,
} LogLevel;

typedef enum LogFormat {
        LOG_FORMAT_TEXT,
        LOG_FORMAT_JSON,
} LogFormat;

/* Name in front of text lines ("carrel: "). Static string. */
void log_set_program(const char *name);
void log_set_level(LogLevel level);
/* Appends to PATH from now on (created 0600-masked by umask); without it lines go to standard error. */
int log_open(const char *path, LogFormat format, Error *err);
/* Logs to a descriptor that is already open (taken over), as text or JSON. -1: nowhere. */
void log_set_fd(int fd, LogFormat format);
bool log_has_file(void);
/* Whether lines of that level are written at all. */
bool log_takes(LogLevel level);

void log_write(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line of JSON to a descriptor, past sink and level. */
void log_write_to(int fd, LogLevel level, const char *message);

#define log_debug(...)   log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(LOG_ERROR, __VA_ARGS__)
