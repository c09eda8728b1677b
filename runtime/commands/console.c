/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/commands/container.h"

#define STEP_MS 100

typedef struct Options {
        bool follow;
} Options;

static const Option options[] = {
        { OPTION_FIELD(Options, follow, "follow", 'f', OPTION_FLAG), NULL,
          "Go on until the container has stopped" },
        {},
};

typedef struct Reader {
        int fd;
        ino_t inode; /* a log at its limit is replaced by one with its newer half */
} Reader;

/* The bytes are the guest's: what a terminal would take for more than text is shown as its number. */
static void print_harmless(const char *data, size_t length) {
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)data[i];

                if (c == '\n' || c == '\t' || (c >= ' ' && c < 127))
                        putchar(c);
                else if (c != '\r')
                        printf("\\x%02x", c);
        }
}

static int print_new(Reader *reader, int dir, Error *err) {
        char buffer[16384];
        struct stat st;
        ssize_t n;

        if (reader->fd >= 0 && fstatat(dir, STATE_CONSOLE, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
            st.st_ino != reader->inode) {
                close(TAKE_FD(reader->fd));
                printf("[the older part of the log was dropped]\n");
        }
        if (reader->fd < 0) {
                reader->fd = openat(dir, STATE_CONSOLE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
                if (reader->fd < 0)
                        return errno == ENOENT ? 0 : error_errno(err, "console log");
                if (fstat(reader->fd, &st) < 0)
                        return error_errno(err, "console log");
                reader->inode = st.st_ino;
        }
        while ((n = read(reader->fd, buffer, sizeof(buffer))) > 0)
                print_harmless(buffer, (size_t)n);
        fflush(stdout);
        return n < 0 ? error_errno(err, "console log") : 0;
}

static int follow(Reader *reader, Container *container, Error *err) {
        int r;

        for (;;) {
                struct pollfd out = { .fd = STDOUT_FILENO };
                bool last;

                r = container_refresh(container, err);
                if (r == -ENOENT) {
                        /* deleted: there is nothing more to come */
                        error_clear(err);
                        return 0;
                }
                last = r >= 0 && container->status == OCI_STOPPED;
                if (r >= 0)
                        r = print_new(reader, container->entry->dir, err);
                if (r < 0 || last)
                        return r;
                /* nobody reads any more, and perhaps there will never be anything to write */
                if (poll(&out, 1, STEP_MS) > 0)
                        return 0;
        }
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(container_freep) Container *container = NULL;
        Reader reader = { .fd = -1 };
        int r;

        r = container_open(call->globals, call->args[0], &container, err);
        if (r < 0)
                return r;
        r = given->follow ? follow(&reader, container, err) : print_new(&reader, container->entry->dir, err);
        if (reader.fd >= 0)
                close(reader.fd);
        return r;
}

const Command command_console = {
        .name = "console",
        .args = "ID",
        .summary = "Show what the guest's kernel wrote on its console",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
