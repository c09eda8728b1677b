/* SPDX-License-Identifier: Apache-2.0 */

/* The event loop: order of timers, sources that end themselves or each other, descriptors epoll refuses, signals. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/loop.h"

typedef struct Seen {
        Loop *loop;
        LoopSource *other;
        char order[16];
        size_t count;
        int signal;
} Seen;

static void note_a(LoopSource *source, void *user) {
        Seen *seen = user;

        (void)source;
        seen->order[seen->count++] = 'a';
}

static void note_b_and_quit(LoopSource *source, void *user) {
        Seen *seen = user;

        (void)source;
        seen->order[seen->count++] = 'b';
        loop_quit(seen->loop, 42);
}

static void test_timers_in_order(void **state) {
        cleanup(loop_freep) Loop *loop = NULL;
        cleanup_error Error error = { 0 };
        Seen seen = { 0 };

        (void)state;
        assert_int_equal(loop_new(&loop, &error), 0);
        seen.loop = loop;
        loop_add_timer(loop, 20000, note_b_and_quit, &seen, NULL);
        loop_add_timer(loop, 1000, note_a, &seen, NULL);
        assert_int_equal(loop_run(loop, &error), 42);
        assert_string_equal(seen.order, "ab");
}

static void free_other(LoopSource *source, int fd, uint32_t events, void *user) {
        Seen *seen = user;
        char byte;

        (void)events;
        assert_int_equal(read(fd, &byte, 1), 1);
        seen->order[seen->count++] = byte;
        /* whichever comes first ends both: the other must not be called any more */
        loop_source_free(seen->other);
        loop_source_free(source);
        loop_quit(seen->loop, 0);
}

static void test_source_freed_in_same_round(void **state) {
        cleanup(loop_freep) Loop *loop = NULL;
        cleanup_error Error error = { 0 };
        Seen first = { 0 }, second = { 0 };
        int a[2], b[2];

        (void)state;
        assert_int_equal(pipe2(a, O_CLOEXEC), 0);
        assert_int_equal(pipe2(b, O_CLOEXEC), 0);
        assert_int_equal(write(a[1], "x", 1), 1);
        assert_int_equal(write(b[1], "y", 1), 1);
        assert_int_equal(loop_new(&loop, &error), 0);
        first.loop = second.loop = loop;
        assert_int_equal(loop_add_fd(loop, a[0], EPOLLIN, free_other, &first, &second.other, &error), 0);
        assert_int_equal(loop_add_fd(loop, b[0], EPOLLIN, free_other, &second, &first.other, &error), 0);
        assert_int_equal(loop_run(loop, &error), 0);
        assert_int_equal(first.count + second.count, 1);
        for (int i = 0; i < 2; i++) {
                close(a[i]);
                close(b[i]);
        }
}

static void read_to_end(LoopSource *source, int fd, uint32_t events, void *user) {
        Seen *seen = user;
        char buffer[64];
        ssize_t n = read(fd, buffer, sizeof(buffer));

        (void)events;
        if (n > 0) {
                seen->count += (size_t)n;
                return;
        }
        loop_source_free(source);
        loop_quit(seen->loop, 7);
}

static void test_regular_file_is_always_ready(void **state) {
        cleanup(loop_freep) Loop *loop = NULL;
        cleanup_error Error error = { 0 };
        Seen seen = { 0 };
        LoopSource *source;
        char name[] = "/tmp/carrel-test-loop-XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC);

        (void)state;
        assert_true(fd >= 0);
        unlink(name);
        assert_int_equal(write(fd, "0123456789", 10), 10);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(loop_new(&loop, &error), 0);
        seen.loop = loop;
        assert_int_equal(loop_add_fd(loop, fd, EPOLLIN, read_to_end, &seen, &source, &error), 0);
        assert_int_equal(loop_run(loop, &error), 7);
        assert_int_equal(seen.count, 10);
        close(fd);
}

static void on_signal(LoopSource *source, const struct signalfd_siginfo *info, void *user) {
        Seen *seen = user;

        (void)source;
        seen->signal = (int)info->ssi_signo;
        loop_quit(seen->loop, 0);
}

static void test_signals(void **state) {
        cleanup(loop_freep) Loop *loop = NULL;
        cleanup_error Error error = { 0 };
        Seen seen = { 0 };
        sigset_t set;

        (void)state;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        assert_int_equal(loop_new(&loop, &error), 0);
        seen.loop = loop;
        assert_int_equal(loop_add_signals(loop, &set, on_signal, &seen, NULL, &error), 0);
        raise(SIGUSR1);
        assert_int_equal(loop_run(loop, &error), 0);
        assert_int_equal(seen.signal, SIGUSR1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_timers_in_order),
                cmocka_unit_test(test_source_freed_in_same_round),
                cmocka_unit_test(test_regular_file_is_always_ready),
                cmocka_unit_test(test_signals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
