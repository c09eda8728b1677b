/* SPDX-License-Identifier: Apache-2.0 */

/* Standard streams as the agent keeps them: nothing goes out before its time, input for a terminal that is not there
 * yet is kept within the credit, and the end comes after the last byte. The "program" is this test. */

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/stdio.h"
#include "agent/terminal.h"
#include "common/base/mem.h"

#define PROCESS 3U
#define ROUNDS  30

typedef struct Rig {
        Loop *loop;
        Channel *agent, *host;
        Stdio *stdio;
        StrBuf seen; /* what the host got, as text: "1:bytes" "1:close" "0:window" */
        bool drained;
        int program[3]; /* the program's ends */
} Rig;

static void on_host_frame(Channel *channel, const Frame *frame, void *user) {
        unsigned which = frame->stream & 3;
        Rig *rig = user;

        (void)channel;
        assert_int_equal(frame->stream >> 2, PROCESS);
        if (frame->type == FRAME_DATA)
                strbuf_printf(&rig->seen, "%u:%.*s ", which, (int)frame->length, frame->data);
        else
                strbuf_printf(&rig->seen, "%u:%s ", which, frame_type_name(frame->type));
}

static void on_agent_frame(Channel *channel, const Frame *frame, void *user) {
        (void)channel;
        (void)frame;
        (void)user;
        fail();
}

static void on_end(Channel *channel, const char *why, void *user) {
        (void)channel;
        (void)why;
        (void)user;
}

static void stop(LoopSource *source, void *user) {
        Rig *rig = user;

        (void)source;
        loop_quit(rig->loop, 0);
}

static void on_drained(void *user) {
        Rig *rig = user;

        rig->drained = true;
}

/* Lets happen what can happen now: in so many rounds of the loop, not in a time in which a busy machine may do nothing. */
static void turn(Rig *rig) {
        cleanup_error Error error = { 0 };

        for (int i = 0; i < ROUNDS; i++) {
                loop_add_timer(rig->loop, 1000, stop, rig, NULL);
                assert_int_equal(loop_run(rig->loop, &error), 0);
        }
}

static void assert_seen(Rig *rig, const char *text) {
        cleanup_free char *seen = NULL;

        turn(rig);
        seen = strbuf_take(&rig->seen);
        assert_string_equal(seen, text);
}

static void open_rig(Rig *rig, bool terminal) {
        ChannelHandlers agent = { on_agent_frame, on_end, rig }, host = { on_host_frame, on_end, rig };
        cleanup_error Error error = { 0 };
        int fds[2], kept[3];

        *rig = (Rig){ .program = { -1, -1, -1 } };
        assert_int_equal(loop_new(&rig->loop, &error), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(channel_new(rig->loop, fds[0], &agent, &rig->agent, &error), 0);
        assert_int_equal(channel_new(rig->loop, fds[1], &host, &rig->host, &error), 0);
        assert_int_equal(stdio_new(rig->loop, rig->agent, PROCESS, terminal, getuid(), &rig->stdio, &error),
                         0);
        if (terminal)
                return;
        /* the program's ends are had by becoming the program for a moment */
        for (int i = 0; i < 3; i++)
                kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
        assert_int_equal(stdio_install(rig->stdio, &error), 0);
        for (int i = 0; i < 3; i++) {
                rig->program[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
                dup2(kept[i], i);
                close(kept[i]);
        }
        stdio_close_child_ends(rig->stdio);
}

static void close_rig(Rig *rig) {
        stdio_free(rig->stdio);
        channel_free(rig->agent);
        channel_free(rig->host);
        loop_free(rig->loop);
        strbuf_done(&rig->seen);
        for (unsigned i = 0; i < 3; i++)
                close_descriptor(&rig->program[i]);
}

static void say(Rig *rig, int which, const char *text) {
        assert_int_equal(write(rig->program[which], text, strlen(text)), strlen(text));
}

static int frame_in(Rig *rig, FrameType type, unsigned which, const void *data, size_t length) {
        cleanup_error Error error = { 0 };
        Frame frame = { .type = type, .stream = stream_id(PROCESS, which), .data = data };

        frame.length = (uint32_t)length;
        return stdio_frame(rig->stdio, &frame, &error);
}

static void begin(Rig *rig) {
        cleanup_error Error error = { 0 };

        assert_int_equal(stdio_begin(rig->stdio, &error), 0);
}

static void test_output_waits_for_its_time(void **state) {
        Rig rig;

        (void)state;
        open_rig(&rig, false);
        say(&rig, 1, "early");
        assert_seen(&rig, "");
        begin(&rig);
        assert_seen(&rig, "1:early ");
        say(&rig, 2, "error");
        assert_seen(&rig, "2:error ");
        close_rig(&rig);
}

static void test_end(void **state) {
        Rig rig;

        (void)state;
        open_rig(&rig, false);
        begin(&rig);
        say(&rig, 1, "last");
        /* the ends stay open, as if some other process had them */
        stdio_drain(rig.stdio, on_drained, &rig);
        assert_false(rig.drained); /* not from within */
        assert_seen(&rig, "1:last 1:close 2:close ");
        assert_true(rig.drained);
        close_rig(&rig);
}

static void test_input(void **state) {
        char buffer[16];
        Rig rig;

        (void)state;
        open_rig(&rig, false);
        assert_int_equal(frame_in(&rig, FRAME_DATA, STREAM_STDIN, "word", 4), 0);
        assert_seen(&rig, "0:window ");
        assert_int_equal(read(rig.program[0], buffer, sizeof(buffer)), 4);
        assert_int_equal(frame_in(&rig, FRAME_CLOSE, STREAM_STDIN, NULL, 0), 0);
        turn(&rig);
        assert_int_equal(read(rig.program[0], buffer, sizeof(buffer)), 0);
        close_rig(&rig);
}

static void test_reader_gone_before_the_beginning(void **state) {
        Rig rig;

        (void)state;
        open_rig(&rig, false);
        assert_int_equal(frame_in(&rig, FRAME_RESET, STREAM_STDOUT, NULL, 0), 0);
        begin(&rig);
        assert_seen(&rig, "1:close ");
        close_rig(&rig);
}

static void test_nonsense(void **state) {
        Rig rig;

        (void)state;
        open_rig(&rig, false);
        begin(&rig);
        assert_int_equal(frame_in(&rig, FRAME_DATA, STREAM_STDOUT, "x", 1), -EPROTO);
        assert_int_equal(frame_in(&rig, FRAME_WINDOW, STREAM_STDIN, "\1\0\0", 4), -EPROTO);
        assert_int_equal(frame_in(&rig, FRAME_DATA, 3, "x", 1), -EPROTO);
        close_rig(&rig);
}

static int new_terminal(int *ret_slave) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

        if (master < 0)
                skip();
        assert_int_equal(unlockpt(master), 0);
        *ret_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(*ret_slave >= 0);
        return master;
}

static void test_terminal(void **state) {
        cleanup_free char *flood = xmalloc(STREAM_WINDOW);
        cleanup_error Error error = { 0 };
        struct winsize size;
        char buffer[16];
        int master;
        Rig rig;

        (void)state;
        open_rig(&rig, true);
        assert_int_equal(stdio_resize(rig.stdio, 7, 9, &error), 0); /* comes too early: no matter */
        assert_int_equal(frame_in(&rig, FRAME_DATA, STREAM_STDIN, "early\n", 6), 0);
        assert_int_equal(frame_in(&rig, FRAME_DATA, STREAM_STDIN, flood, STREAM_WINDOW), -EPROTO);
        master = new_terminal(&rig.program[1]);
        assert_int_equal(stdio_set_terminal(rig.stdio, master, &error), 0);
        begin(&rig);
        turn(&rig);
        assert_int_equal(read(rig.program[1], buffer, sizeof(buffer)), 6);
        assert_int_equal(stdio_resize(rig.stdio, 24, 80, &error), 0);
        assert_int_equal(ioctl(rig.program[1], TIOCGWINSZ, &size), 0);
        assert_int_equal(size.ws_row * 1000 + size.ws_col, 24080);
        assert_true(stdio_resize(rig.stdio, 1 << 20, 80, &error) < 0);
        assert_int_equal(frame_in(&rig, FRAME_CLOSE, STREAM_STDIN, NULL, 0), 0);
        assert_seen(&rig, "0:window 1:early\r\n ");
        say(&rig, 1, "hello");
        assert_seen(&rig, "1:hello ");
        /* the reader goes away: the terminal hangs up */
        assert_int_equal(frame_in(&rig, FRAME_RESET, STREAM_STDOUT, NULL, 0), 0);
        assert_int_equal(write(rig.program[1], "x", 1), -1);
        assert_int_equal(errno, EIO);
        close_rig(&rig);
}

static void test_no_terminal(void **state) {
        cleanup_error Error error = { 0 };
        int fd;
        Rig rig;

        (void)state;
        open_rig(&rig, true);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_false(terminal_is_master(fd));
        assert_int_equal(stdio_set_terminal(rig.stdio, fd, &error), -EPROTO);
        close_rig(&rig);
        open_rig(&rig, false);
        error_clear(&error);
        assert_int_equal(stdio_resize(rig.stdio, 24, 80, &error), -EINVAL);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert_int_equal(stdio_set_terminal(rig.stdio, fd, &error), -EPROTO);
        close_rig(&rig);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_output_waits_for_its_time),
                cmocka_unit_test(test_end),
                cmocka_unit_test(test_input),
                cmocka_unit_test(test_reader_gone_before_the_beginning),
                cmocka_unit_test(test_nonsense),
                cmocka_unit_test(test_terminal),
                cmocka_unit_test(test_no_terminal),
        };

        return cmocka_run_group_tests_name("agent/stdio", tests, NULL, NULL);
}
