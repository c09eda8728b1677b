/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "common/base/mem.h"

static struct {
        const char *program;
        LogLevel level;
        LogFormat format;
        int fd;
        bool file;
} sink = { .program = "carrel", .level = LOG_WARNING, .fd = STDERR_FILENO };

static const char *const level_names[_LOG_LEVEL_MAX] = {
        [LOG_ERROR] = "error",
        [LOG_WARNING] = "warning",
        [LOG_INFO] = "info",
        [LOG_DEBUG] = "debug",
};

void log_set_program(const char *name) {
        sink.program = name;
}

void log_set_level(LogLevel level) {
        sink.level = level;
}

void log_set_fd(int fd, LogFormat format) {
        if (sink.fd > STDERR_FILENO)
                close(sink.fd);
        sink.fd = fd;
        sink.format = format;
        sink.file = fd > STDERR_FILENO;
}

int log_open(const char *path, LogFormat format, Error *err) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);

        if (fd < 0)
                return error_errno(err, "log file %s", path);
        log_set_fd(fd, format);
        return 0;
}

bool log_has_file(void) {
        return sink.file;
}

bool log_takes(LogLevel level) {
        return level <= sink.level && sink.fd >= 0;
}

static char *format_json(LogLevel level, const char *message) {
        JsonWriter w = { 0 };
        struct timespec now;
        struct tm tm;
        char stamp[64] = "";

        clock_gettime(CLOCK_REALTIME, &now);
        if (gmtime_r(&now.tv_sec, &tm))
                strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
        json_begin_object(&w);
        json_write_key(&w, "level");
        json_write_string(&w, level_names[level]);
        json_write_key(&w, "msg");
        json_write_string(&w, message);
        json_write_key(&w, "time");
        json_write_string(&w, stamp);
        json_end_object(&w);
        strbuf_putc(&w.out, '\n');
        return strbuf_take(&w.out);
}

static char *format_text(LogLevel level, const char *message) {
        if (level == LOG_ERROR)
                return xasprintf("%s: %s\n", sink.program, message);
        return xasprintf("%s: %s: %s\n", sink.program, level_names[level], message);
}

/* One write a line, so that lines of several processes do not mix; nobody to tell if it fails. */
static void write_line(int fd, const char *line) {
        ssize_t written = write(fd, line, strlen(line));

        (void)written;
}

void log_write_to(int fd, LogLevel level, const char *message) {
        cleanup_free char *line = format_json(level, message);

        write_line(fd, line);
}

void log_write(LogLevel level, const char *format, ...) {
        cleanup_free char *message = NULL, *line = NULL;
        int saved = errno;
        va_list ap;

        if (!log_takes(level))
                return;
        va_start(ap, format);
        message = xvasprintf(format, ap);
        va_end(ap);
        line = sink.format == LOG_FORMAT_JSON ? format_json(level, message) : format_text(level, message);
        write_line(sink.fd, line);
        errno = saved;
}
