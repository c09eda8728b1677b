/* SPDX-License-Identifier: Apache-2.0 */

/* What the agent and its children say to each other: steps in order, descriptors, errors of any length, both ends'
 * death. */

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/handshake.h"
#include "common/base/cleanup.h"
#include "common/base/mem.h"

typedef struct Ends {
        int agent, child;
} Ends;

static int setup(void **state) {
        cleanup_error Error error = { 0 };
        Ends *ends = xnew(Ends, 1);

        assert_int_equal(handshake_new(&ends->agent, &ends->child, &error), 0);
        *state = ends;
        return 0;
}

static int teardown(void **state) {
        Ends *ends = *state;

        close_descriptor(&ends->agent);
        close_descriptor(&ends->child);
        free(ends);
        return 0;
}

static void assert_nothing(const Ends *ends) {
        HandshakeMessage message;
        int fd;

        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_NOTHING);
        assert_int_equal(fd, -1);
}

static void assert_step(const Ends *ends, HandshakeStep step) {
        HandshakeMessage message;
        int fd;

        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_MESSAGE);
        assert_int_equal(message.step, step);
        assert_int_equal(fd, -1);
}

static void test_steps(void **state) {
        cleanup_error Error error = { 0 };
        Ends *ends = *state;

        assert_nothing(ends);
        assert_int_equal(handshake_send(ends->agent, HANDSHAKE_GO, -1, &error), 0);
        assert_int_equal(handshake_wait(ends->child, HANDSHAKE_GO, &error), 0);
        assert_int_equal(handshake_send(ends->child, HANDSHAKE_READY, -1, &error), 0);
        assert_step(ends, HANDSHAKE_READY);
        assert_nothing(ends);
}

static void test_wrong_step(void **state) {
        cleanup_error Error error = { 0 };
        Ends *ends = *state;

        assert_int_equal(handshake_send(ends->agent, HANDSHAKE_START, -1, &error), 0);
        assert_int_equal(handshake_wait(ends->child, HANDSHAKE_GO, &error), -EPROTO);
}

static void test_descriptor(void **state) {
        cleanup_error Error error = { 0 };
        HandshakeMessage message;
        Ends *ends = *state;
        int pipe_fds[2], fd;
        char c = 'x';

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_int_equal(handshake_send(ends->child, HANDSHAKE_TERMINAL, pipe_fds[1], &error), 0);
        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_MESSAGE);
        assert_int_equal(message.step, HANDSHAKE_TERMINAL);
        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(write(fd, &c, 1), 1);
        assert_int_equal(read(pipe_fds[0], &c, 1), 1);
        close(fd);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

static void test_errors(void **state) {
        cleanup_error Error error = { 0 };
        HandshakeMessage message;
        cleanup_free char *text = xmalloc(10000);
        Ends *ends = *state;
        int fd;

        error_set(&error, ENOENT, "exec: \"foo\": executable file not found in $PATH");
        handshake_send_error(ends->child, &error);
        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_MESSAGE);
        assert_int_equal(message.step, HANDSHAKE_ERROR);
        assert_int_equal(message.code, ENOENT);
        assert_string_equal(message.text, error.message);
        memset(text, 'x', 9999);
        text[9999] = '\0';
        error_set(&error, EIO, "%s", text);
        handshake_send_error(ends->child, &error);
        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_MESSAGE);
        assert_int_equal(strlen(message.text), sizeof(message.text) - 1);
        handshake_send_warning(ends->child, "what does not matter");
        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_MESSAGE);
        assert_int_equal(message.step, HANDSHAKE_WARNING);
        assert_string_equal(message.text, "what does not matter");
}

static void test_death(void **state) {
        cleanup_error Error error = { 0 };
        HandshakeMessage message;
        Ends *ends = *state;
        int fd;

        assert_int_equal(handshake_send(ends->child, HANDSHAKE_READY, -1, &error), 0);
        close(TAKE_FD(ends->child));
        /* what was said before counts */
        assert_step(ends, HANDSHAKE_READY);
        assert_int_equal(handshake_receive(ends->agent, &message, &fd), HANDSHAKE_CLOSED);
        assert_true(handshake_send(ends->agent, HANDSHAKE_START, -1, &error) < 0); /* and no SIGPIPE */
}

static void test_death_of_the_agent(void **state) {
        cleanup_error Error error = { 0 };
        Ends *ends = *state;

        close(TAKE_FD(ends->agent));
        assert_int_equal(handshake_wait(ends->child, HANDSHAKE_GO, &error), -ECANCELED);
        handshake_send_error(ends->child, &error);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
                cmocka_unit_test_setup_teardown(test_wrong_step, setup, teardown),
                cmocka_unit_test_setup_teardown(test_descriptor, setup, teardown),
                cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
                cmocka_unit_test_setup_teardown(test_death, setup, teardown),
                cmocka_unit_test_setup_teardown(test_death_of_the_agent, setup, teardown),
        };

        return cmocka_run_group_tests_name("agent/handshake", tests, NULL, NULL);
}
