/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Errors: a positive errno and one line of text.
 *
 * A function that can fail takes `Error *err` (never NULL) as its last parameter, returns 0 (or a useful
 * non-negative number) or -err->code, and leaves its ret_ parameters untouched on failure. Nobody both logs and
 * returns an error; only the main() of each program prints one. Out of memory is no error: see mem.h.
 */

typedef struct Error {
        int code;      /* positive errno; 0: no error */
        char *message; /* one line, no newline; owned */
} Error;

/* Sets the error and returns -code. An error that is already set is replaced. */
int error_set(Error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Like error_set() with errno as the code, and ": <words for errno>" appended. */
int error_errno(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<text>: " in front of the message; returns -err->code. */
int error_prefix(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Moves an error: *to takes over what *from holds, *from is cleared. Returns -code. */
int error_move(Error *to, Error *from);

/* Back to "no error"; frees the message. Safe on a zeroed Error. */
void error_clear(Error *err);

#define cleanup_error __attribute__((__cleanup__(error_clear)))
