/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define TAIL_SIZE 8192U /* a kernel's panic with its trace */

struct Console {
        LoopSource *source;
        int fd;
        int state_dir;
        char *name;
        int file; /* -1: the disk is full, or it could not be made; the tail still works */
        uint64_t limit;
        uint64_t written;
        char tail[TAIL_SIZE]; /* ring of the last bytes */
        size_t tail_total;    /* bytes that ever went into it */
};

static int open_file(Console *console, int flags) {
        return openat(console->state_dir, console->name, flags | O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                      0600);
}

/* The file is at its limit: a new one takes its place that begins with the newer half. */
static void rotate(Console *console) {
        cleanup_error Error ignored = { 0 };
        size_t keep = console->limit / 2;
        cleanup_free char *half = xmalloc(keep);
        ssize_t n = pread(console->file, half, keep, (off_t)(console->written - keep));

        if (n < 0 ||
            file_write_atomic(console->state_dir, console->name, half, (size_t)n, 0600, &ignored) < 0) {
                /* better to lose the old than to grow */
                if (ftruncate(console->file, 0) == 0)
                        lseek(console->file, 0, SEEK_SET);
                console->written = 0;
                return;
        }
        close(console->file);
        console->file = open_file(console, O_APPEND);
        console->written = (uint64_t)n;
}

static void keep(Console *console, const char *data, size_t length) {
        for (size_t i = 0; i < length; i++)
                console->tail[console->tail_total++ % TAIL_SIZE] = data[i];
        if (console->file < 0)
                return;
        if (console->written + length > console->limit && console->written >= console->limit / 2)
                rotate(console);
        if (console->file >= 0) {
                ssize_t n = write(console->file, data, length);

                if (n > 0)
                        console->written += (uint64_t)n;
        }
}

static bool read_once(Console *console) {
        char buffer[4096];
        ssize_t n = read(console->fd, buffer, sizeof(buffer));

        if (n > 0)
                keep(console, buffer, (size_t)n);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                console->source = loop_source_free(console->source);
        return n > 0;
}

static void on_ready(LoopSource *source, int fd, uint32_t events, void *user) {
        (void)source;
        (void)fd;
        (void)events;
        read_once(user);
}

int console_new(Loop *loop, int fd, int state_dir, const char *name, uint64_t limit, Console **ret,
                Error *err) {
        cleanup(console_freep) Console *console = xnew(Console, 1);
        int r;

        console->fd = fd;
        console->state_dir = state_dir;
        console->name = xstrdup(name);
        console->limit = limit > 2 * TAIL_SIZE ? limit : 2 * TAIL_SIZE;
        console->file = open_file(console, O_APPEND | O_TRUNC);
        if (console->file < 0)
                return error_errno(err, "console log %s", name);
        r = fd_set_nonblocking(fd, true, err);
        if (r >= 0)
                r = loop_add_fd(loop, fd, EPOLLIN, on_ready, console, &console->source, err);
        if (r < 0)
                return error_prefix(err, "console");
        *ret = TAKE_PTR(console);
        return 0;
}

Console *console_free(Console *console) {
        if (!console)
                return NULL;
        loop_source_free(console->source);
        close(console->fd);
        if (console->file >= 0)
                close(console->file);
        free(console->name);
        free(console);
        return NULL;
}

void console_drain(Console *console) {
        while (console->source && read_once(console))
                ;
}

/* After the line that says why a kernel panicked come only registers and a trace, which the log has. */
static size_t end_of_news(const char *text, size_t length) {
        static const char panic[] = "Kernel panic";
        const char *found = memmem(text, length, panic, sizeof(panic) - 1);
        const char *newline = found ? memchr(found, '\n', length - (size_t)(found - text)) : NULL;

        return newline ? (size_t)(newline - text) : length;
}

/* The line in which a panic's kernel says first what has gone wrong; LENGTH if there is none. */
static size_t cause_of_panic(const char *text, size_t length) {
        static const char *const words[] = { "BUG: ", "kernel BUG at", "Oops: ", "general protection fault" };
        size_t first = length;

        for (size_t i = 0; i < ELEMENTS_OF(words); i++) {
                const char *found = memmem(text, first, words[i], strlen(words[i]));

                if (found)
                        first = (size_t)(found - text);
        }
        while (first > 0 && first < length && text[first - 1] != '\n')
                first--;
        return first;
}

/* Appends lines, each made printable, with bars between. */
static void put_lines(StrBuf *b, const char *text, size_t length) {
        size_t used = 0;

        while (used < length) {
                const char *newline = memchr(text + used, '\n', length - used);
                size_t n = newline ? (size_t)(newline - text) - used : length - used;
                size_t visible = n > 0 && text[used + n - 1] == '\r' ? n - 1 : n;

                if (visible > 0) {
                        cleanup_free char *line = str_printable(text + used, visible, TAIL_SIZE);

                        if (b->length > 0)
                                strbuf_puts(b, " | ");
                        strbuf_puts(b, line);
                }
                used += n + 1;
        }
}

char *console_tail(const Console *console, size_t max) {
        size_t length = console->tail_total < TAIL_SIZE ? console->tail_total : TAIL_SIZE;
        size_t start = console->tail_total - length, cause;
        cleanup_free char *text = xmalloc(TAIL_SIZE);
        StrBuf b = { 0 };

        for (size_t i = 0; i < length; i++)
                text[i] = console->tail[(start + i) % TAIL_SIZE];
        length = end_of_news(text, length);
        cause = cause_of_panic(text, length);
        if (length > max && cause < length - max) {
                put_lines(&b, text + cause, max / 2);
                strbuf_puts(&b, "…");
                max -= max / 2;
        }
        put_lines(&b, text + (length > max ? length - max : 0), length > max ? max : length);
        return strbuf_take(&b);
}
