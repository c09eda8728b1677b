/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Streams over a real channel pair: everything arrives, in order, whatever the descriptors are; a slow reader holds the
 * writer at one window; a reader that goes away resets the writer; a peer that overruns its credit is caught.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/protocol/stream.h"

#define STREAM 5U
#define ROUNDS 50

/* One end of a channel with a source or a sink on it. */
typedef struct End {
        Loop *loop;
        Channel *channel;
        StreamSource *source;
        StreamSink *sink;
        bool done;
        bool quit_when_done;
        size_t max_outstanding; /* sink: most bytes that were queued at once */
        bool reset_seen;
} End;

static void on_frame(Channel *channel, const Frame *frame, void *user) {
        cleanup_error Error error = { 0 };
        End *e = user;
        uint32_t bytes;

        (void)channel;
        assert_int_equal(frame->stream, STREAM);
        switch (frame->type) {
        case FRAME_DATA:
                assert_int_equal(stream_sink_data(e->sink, frame->data, frame->length, &error), 0);
                break;
        case FRAME_CLOSE:
                stream_sink_close(e->sink);
                break;
        case FRAME_WINDOW:
                memcpy(&bytes, frame->data, 4);
                stream_source_add_credit(e->source, le32toh(bytes));
                break;
        case FRAME_RESET:
                e->reset_seen = true;
                stream_source_stop(e->source);
                break;
        default:
                fail();
        }
}

static void on_end(Channel *channel, const char *why, void *user) {
        (void)channel;
        (void)why;
        (void)user;
}

static void on_source_done(StreamSource *source, void *user) {
        End *e = user;

        (void)source;
        e->done = true;
        if (e->quit_when_done)
                loop_quit(e->loop, 0);
}

static void on_sink_done(StreamSink *sink, void *user) {
        End *e = user;

        (void)sink;
        e->done = true;
        if (e->quit_when_done)
                loop_quit(e->loop, 0);
}

typedef struct Pair {
        Loop *loop;
        End out, in; /* out: source; in: sink */
} Pair;

static void pair_open(Pair *p, int source_fd, int sink_fd) {
        ChannelHandlers out = { on_frame, on_end, &p->out }, in = { on_frame, on_end, &p->in };
        cleanup_error Error error = { 0 };
        int fds[2];

        memset(p, 0, sizeof(*p));
        assert_int_equal(loop_new(&p->loop, &error), 0);
        p->out.loop = p->in.loop = p->loop;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(channel_new(p->loop, fds[0], &out, &p->out.channel, &error), 0);
        assert_int_equal(channel_new(p->loop, fds[1], &in, &p->in.channel, &error), 0);
        assert_int_equal(stream_source_new(p->loop, p->out.channel, STREAM, source_fd, on_source_done,
                                           &p->out, &p->out.source, &error),
                         0);
        assert_int_equal(stream_sink_new(p->loop, p->in.channel, STREAM, sink_fd, on_sink_done, &p->in,
                                         &p->in.sink, &error),
                         0);
}

static void pair_close(Pair *p) {
        stream_source_free(p->out.source);
        stream_sink_free(p->in.sink);
        channel_free(p->out.channel);
        channel_free(p->in.channel);
        loop_free(p->loop);
}

static int temporary_file(const void *data, size_t length) {
        char name[] = "/tmp/carrel-test-stream-XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC);

        assert_true(fd >= 0);
        unlink(name);
        assert_int_equal(write(fd, data, length), length);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void test_file_to_file(void **state) {
        size_t size = 3 * STREAM_WINDOW + 12345;
        char *data = xmalloc(size), *copy = xmalloc(size);
        cleanup_error Error error = { 0 };
        int from, to, keep;
        Pair p;

        (void)state;
        for (size_t i = 0; i < size; i++)
                data[i] = (char)(i * 31 + (i >> 12));
        from = temporary_file(data, size);
        to = temporary_file("", 0);
        keep = fcntl(to, F_DUPFD_CLOEXEC, 3);
        pair_open(&p, from, to);
        p.in.quit_when_done = true;
        assert_int_equal(loop_run(p.loop, &error), 0);
        assert_int_equal(pread(keep, copy, size, 0), size);
        assert_memory_equal(data, copy, size);
        assert_int_equal(lseek(keep, 0, SEEK_END), size);
        close(keep);
        pair_close(&p);
        free(data);
        free(copy);
}

static void on_pause_over(LoopSource *source, void *user) {
        (void)source;
        loop_quit(user, 1);
}

/* Runs the loop until it has nothing left to do: so many rounds, not a time in which a busy machine may do nothing. */
static void settle(Pair *p) {
        cleanup_error Error error = { 0 };

        for (int i = 0; i < ROUNDS; i++) {
                loop_add_timer(p->loop, 1000, on_pause_over, p->loop, NULL);
                assert_true(loop_run(p->loop, &error) >= 0);
        }
}

static void test_slow_reader_holds_one_window(void **state) {
        size_t size = 4 * STREAM_WINDOW, total = 0;
        cleanup_error Error error = { 0 };
        char *data = xcalloc(size, 1);
        char buffer[65536];
        int from, pipes[2];
        off_t taken;
        Pair p;

        (void)state;
        from = temporary_file(data, size);
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pair_open(&p, fcntl(from, F_DUPFD_CLOEXEC, 3), pipes[1]);
        settle(&p);
        /* nobody reads: what left the file is at most a window and what the pipe holds */
        taken = lseek(from, 0, SEEK_CUR);
        assert_true(taken >= STREAM_WINDOW && taken <= STREAM_WINDOW + 65536);
        fcntl(pipes[0], F_SETFL, O_NONBLOCK);
        while (total < size) {
                ssize_t n = read(pipes[0], buffer, sizeof(buffer));

                if (n > 0)
                        total += (size_t)n;
                else
                        settle(&p);
        }
        settle(&p);
        assert_int_equal(total, size);
        assert_int_equal(read(pipes[0], buffer, 1), 0);
        assert_true(p.in.done);
        assert_true(p.out.done);
        (void)error;
        close(pipes[0]);
        close(from);
        pair_close(&p);
        free(data);
}

static void test_reader_gone_resets_the_writer(void **state) {
        int in[2], out[2];
        Pair p;

        (void)state;
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        signal(SIGPIPE, SIG_IGN);
        pair_open(&p, in[0], out[1]);
        close(out[0]);
        settle(&p);
        assert_true(p.in.done);
        assert_true(p.out.reset_seen);
        assert_true(p.out.done);
        /* the source let go of its pipe: the writer sees it */
        assert_int_equal(write(in[1], "x", 1), -1);
        assert_int_equal(errno, EPIPE);
        close(in[1]);
        pair_close(&p);
}

static void test_drain_ends_without_end_of_file(void **state) {
        char buffer[16] = "";
        int in[2], out[2];
        Pair p;

        (void)state;
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        pair_open(&p, in[0], out[1]);
        assert_int_equal(write(in[1], "last", 4), 4); /* and in[1] stays open, as with a daemon left behind */
        stream_source_drain(p.out.source);
        assert_true(p.out.done);
        settle(&p);
        assert_true(p.in.done);
        assert_int_equal(read(out[0], buffer, sizeof(buffer)), 4);
        assert_string_equal(buffer, "last");
        close(in[1]);
        close(out[0]);
        pair_close(&p);
}

static void test_overrun_is_caught(void **state) {
        cleanup_error Error error = { 0 };
        char *data = xcalloc(65536, 1);
        int in[2], out[2], r = 0;
        Pair p;

        (void)state;
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        pair_open(&p, in[0], out[1]);
        for (size_t i = 0; i <= STREAM_WINDOW / 65536 && r == 0; i++)
                r = stream_sink_data(p.in.sink, data, 65536, &error);
        assert_int_equal(r, -EPROTO);
        assert_string_equal(error.message, "stream 5: 65536 bytes beyond the credit");
        close(in[1]);
        close(out[0]);
        pair_close(&p);
        free(data);
}

static void test_shared_open_file_keeps_its_mode(void **state) {
        int in[2], out[2], keep;
        Pair p;

        (void)state;
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        keep = fcntl(out[1], F_DUPFD_CLOEXEC, 3);
        pair_open(&p, in[0], out[1]);
        /* whoever else holds the pipe (a shell, an engine) must not find it non-blocking */
        assert_int_equal(fcntl(keep, F_GETFL) & O_NONBLOCK, 0);
        close(keep);
        close(in[1]);
        close(out[0]);
        pair_close(&p);
}

static void test_numbers_of_execs_come_round(void **state) {
        static const uint32_t in_use[] = { 2, PROCESS_MAX, 0, 3, 7 };

        (void)state;
        assert_int_equal(process_number_after(PROCESS_INIT, NULL, 0), 2);
        assert_int_equal(process_number_after(4, in_use, 5), 5);
        assert_int_equal(process_number_after(6, in_use, 5), 8);
        assert_int_equal(process_number_after(PROCESS_MAX, NULL, 0), 2);
        /* an exec that runs since long keeps its number */
        assert_int_equal(process_number_after(PROCESS_MAX - 1, in_use, 5), 4);
}

static void test_numbers_of_containers_come_round(void **state) {
        static const uint32_t in_use[] = { 0, 1, CONTAINER_MAX, 2, 0 };

        (void)state;
        assert_int_equal(container_number_after(0, NULL, 0), 1);
        assert_int_equal(container_number_after(2, in_use, 5), 3);
        assert_int_equal(container_number_after(CONTAINER_MAX, NULL, 0), 1);
        /* those that have run since long keep their numbers */
        assert_int_equal(container_number_after(CONTAINER_MAX - 1, in_use, 5), 3);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_file_to_file),
                cmocka_unit_test(test_slow_reader_holds_one_window),
                cmocka_unit_test(test_reader_gone_resets_the_writer),
                cmocka_unit_test(test_drain_ends_without_end_of_file),
                cmocka_unit_test(test_overrun_is_caught),
                cmocka_unit_test(test_shared_open_file_keeps_its_mode),
                cmocka_unit_test(test_numbers_of_execs_come_round),
                cmocka_unit_test(test_numbers_of_containers_come_round),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
