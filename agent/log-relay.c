/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log-relay.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/protocol/message.h"

#define BUFFER_SIZE 8192U /* longer lines, of which there are none, are lost */

/* As log.c writes them. */
static const JsonField line_fields[] = {
        { JSON_FIELD(LogMessage, level, "level", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(LogMessage, message, "msg", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        {},
};

static void pass_line(LogRelay *relay, const char *line, size_t length) {
        cleanup_error Error ignored = { 0 };
        LogMessage message = { 0 };

        if (json_read_text(line, length, NULL, line_fields, &message, &ignored) < 0)
                return;
        fprintf(stderr, "carrel-agent: %s: %s\n", message.level, message.message);
        channel_send_json(relay->channel, FRAME_LOG, 0, log_message_fields, &message);
        json_clear(line_fields, &message);
}

/* Every read begins with a line and, since a line is one write, ends with one, unless the buffer is full. */
static void pass_lines(LogRelay *relay) {
        char buffer[BUFFER_SIZE];
        ssize_t n;

        while ((n = read(relay->pipe, buffer, sizeof(buffer))) > 0) {
                const char *line = buffer, *limit = buffer + n;

                while (line < limit) {
                        const char *end = memchr(line, '\n', (size_t)(limit - line));

                        if (!end)
                                break;
                        pass_line(relay, line, (size_t)(end - line));
                        line = end + 1;
                }
        }
}

static void on_lines(LoopSource *source, int fd, uint32_t events, void *user) {
        (void)source;
        (void)fd;
        (void)events;
        pass_lines(user);
}

int log_relay_start(LogRelay *relay, Loop *loop, Channel *channel, Error *err) {
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return error_errno(err, "pipe");
        r = loop_add_fd(loop, fds[0], EPOLLIN, on_lines, relay, &relay->watch, err);
        if (r < 0) {
                close(fds[0]);
                close(fds[1]);
                return r;
        }
        relay->pipe = fds[0];
        relay->channel = channel;
        log_set_fd(fds[1], LOG_FORMAT_JSON);
        return 0;
}

void log_relay_stop(LogRelay *relay) {
        if (relay->pipe < 0)
                return;
        pass_lines(relay);
        log_set_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
        relay->watch = loop_source_free(relay->watch);
        close(TAKE_FD(relay->pipe));
}
