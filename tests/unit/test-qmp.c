/* SPDX-License-Identifier: Apache-2.0 */

/* The QMP client against scripted peers: negotiation, answers by id, events, and peers that misbehave. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "shim/qmp.h"

/* How often the loop is gone round until all that can happen has: not a time, in which a busy machine may do nothing. */
#define ROUNDS 10

#define GREETING "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n"

typedef struct Fixture {
        Loop *loop;
        Qmp *qmp;
        int peer;
        bool ready, ended;
        char why[128], event[64], error[128];
        int64_t answer;
        int answers;
} Fixture;

static void on_ready(Qmp *qmp, void *user) {
        (void)qmp;
        ((Fixture *)user)->ready = true;
}

static void on_event(Qmp *qmp, const char *name, const Json *data, void *user) {
        (void)qmp;
        (void)data;
        snprintf(((Fixture *)user)->event, 64, "%s", name);
}

static void on_end(Qmp *qmp, const char *why, void *user) {
        Fixture *f = user;

        (void)qmp;
        f->ended = true;
        snprintf(f->why, sizeof(f->why), "%s", why ? why : "closed");
}

static void on_answer(Qmp *qmp, const Json *result, const char *error, void *user) {
        Fixture *f = user;

        (void)qmp;
        f->answers++;
        if (error)
                snprintf(f->error, sizeof(f->error), "%s", error);
        else
                json_int64(json_get(result, "n"), &f->answer);
}

static int set_up(void **state) {
        Fixture *f = xnew(Fixture, 1);
        QmpHandlers handlers = { on_ready, on_event, on_end, f };
        cleanup_error Error error = { 0 };
        int fds[2];

        assert_int_equal(loop_new(&f->loop, &error), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        f->peer = fds[1];
        assert_int_equal(qmp_new(f->loop, fds[0], &handlers, &f->qmp, &error), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        qmp_free(f->qmp);
        loop_free(f->loop);
        close(f->peer);
        free(f);
        return 0;
}

static void on_pause_over(LoopSource *source, void *user) {
        (void)source;
        loop_quit(user, 0);
}

static void say(Fixture *f, const char *text) {
        cleanup_error Error error = { 0 };

        if (*text)
                assert_int_equal(send(f->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
        for (int i = 0; i < ROUNDS; i++) {
                loop_add_timer(f->loop, 1000, on_pause_over, f->loop, NULL);
                assert_int_equal(loop_run(f->loop, &error), 0);
        }
}

/* What the client has written so far, which must be EXPECTED. */
static void hear(Fixture *f, const char *expected) {
        char buffer[1024];
        ssize_t n = recv(f->peer, buffer, sizeof(buffer) - 1, MSG_DONTWAIT);

        buffer[n > 0 ? n : 0] = '\0';
        assert_string_equal(buffer, expected);
}

static void test_negotiation_and_answers(void **state) {
        Fixture *f = *state;

        qmp_execute(f->qmp, "early", NULL, on_answer, f);
        hear(f, "");
        say(f, GREETING);
        hear(f, "{\"execute\":\"qmp_capabilities\"}\n");
        assert_false(f->ready);
        say(f, "{\"return\": {}}\r\n");
        assert_true(f->ready);
        hear(f, "{\"execute\":\"early\",\"id\":1}\n");
        qmp_execute(f->qmp, "later", NULL, on_answer, f);
        hear(f, "{\"execute\":\"later\",\"id\":2}\n");
        say(f, "{\"event\":\"STOP\",\"timestamp\":{}}\r\n{\"return\":{\"n\":22},\"id\":2}\r\n");
        assert_string_equal(f->event, "STOP");
        assert_int_equal(f->answer, 22);
        say(f, "{\"error\":{\"class\":\"GenericError\",\"desc\":\"not now\"},\"id\":1}\r\n");
        assert_string_equal(f->error, "not now");
        assert_int_equal(f->answers, 2);
        say(f, "{\"return\":{\"n\":5},\"id\":2}\r\n"); /* answered already: nobody is called */
        assert_int_equal(f->answers, 2);
        assert_false(f->ended);
}

static void test_pending_calls_fail_at_the_end(void **state) {
        Fixture *f = *state;

        say(f, GREETING);
        say(f, "{\"return\": {}}\n");
        qmp_execute(f->qmp, "stop", NULL, on_answer, f);
        shutdown(f->peer, SHUT_RDWR);
        say(f, "");
        assert_true(f->ended);
        assert_string_equal(f->why, "closed");
        assert_string_equal(f->error, "QEMU has ended");
        qmp_execute(f->qmp, "cont", NULL, on_answer, f);
        assert_int_equal(f->answers, 2);
}

static void test_garbage_ends_it(void **state) {
        Fixture *f = *state;

        say(f, "hello\n");
        assert_string_equal(f->why, "QEMU sent something on its QMP socket that is not JSON");
}

static void test_other_greeting_ends_it(void **state) {
        Fixture *f = *state;

        say(f, "{\"hello\":1}\n");
        assert_string_equal(f->why, "QEMU did not greet on its QMP socket");
}

static void test_endless_line_ends_it(void **state) {
        cleanup_free char *chunk = xmalloc(65537);
        Fixture *f = *state;

        memset(chunk, 'x', 65536);
        chunk[65536] = '\0';
        for (int i = 0; i < 20 && !f->ended; i++)
                say(f, chunk);
        assert_string_equal(f->why, "QEMU sent a QMP line beyond the limit");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_negotiation_and_answers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_pending_calls_fail_at_the_end, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_garbage_ends_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_other_greeting_ends_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_endless_line_ends_it, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
