/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/qmp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define QMP_MAX_LINE  (1U << 20)
#define QMP_MAX_CALLS 64U

typedef enum QmpState {
        QMP_GREETING,    /* waiting for {"QMP": ...} */
        QMP_NEGOTIATING, /* qmp_capabilities is sent */
        QMP_RUNNING,
        QMP_ENDED,
} QmpState;

typedef struct QmpCall {
        uint64_t id;
        QmpReplyFn fn;
        void *user;
} QmpCall;

struct Qmp {
        int fd;
        LoopSource *source;
        QmpState state;
        QmpHandlers handlers;
        StrBuf in, out, waiting; /* waiting: commands until capabilities are negotiated */
        uint64_t next_id;
        QmpCall calls[QMP_MAX_CALLS];
        size_t n_calls;
        bool *freed;
};

static void end(Qmp *qmp, const char *why) {
        if (qmp->state == QMP_ENDED)
                return;
        qmp->state = QMP_ENDED;
        qmp->source = loop_source_free(qmp->source);
        while (qmp->n_calls > 0) {
                QmpCall call = qmp->calls[--qmp->n_calls];

                if (call.fn)
                        call.fn(qmp, NULL, "QEMU has ended", call.user);
        }
        qmp->handlers.end(qmp, why, qmp->handlers.user);
}

static bool flush(Qmp *qmp) {
        while (qmp->out.length > 0) {
                ssize_t n = send(qmp->fd, qmp->out.data, qmp->out.length, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return false;
                if (n < 0)
                        break;
                strbuf_consume(&qmp->out, (size_t)n);
        }
        if (qmp->source)
                loop_source_set_events(qmp->source, EPOLLIN | (qmp->out.length > 0 ? EPOLLOUT : 0));
        return true;
}

static void on_return(Qmp *qmp, const Json *message) {
        const Json *error = json_get(message, "error");
        cleanup_free char *text = NULL;
        uint64_t id;
        QmpCall call;
        size_t i;

        if (qmp->state == QMP_NEGOTIATING) {
                if (error) {
                        end(qmp, "QEMU refused qmp_capabilities");
                        return;
                }
                qmp->state = QMP_RUNNING;
                strbuf_append(&qmp->out, qmp->waiting.data, qmp->waiting.length);
                strbuf_done(&qmp->waiting);
                flush(qmp);
                qmp->handlers.ready(qmp, qmp->handlers.user);
                return;
        }
        if (!json_uint64(json_get(message, "id"), &id))
                return;
        for (i = 0; i < qmp->n_calls && qmp->calls[i].id != id; i++)
                ;
        if (i == qmp->n_calls)
                return;
        call = qmp->calls[i];
        qmp->calls[i] = qmp->calls[--qmp->n_calls];
        if (error) {
                const char *words = json_string(json_get(error, "desc"));

                text = words ? str_printable(words, strlen(words), 1024) : xstrdup("unknown error");
        }
        if (call.fn)
                call.fn(qmp, json_get(message, "return"), text, call.user);
}

static void on_message(Qmp *qmp, const Json *message) {
        const char *event = json_string(json_get(message, "event"));

        if (qmp->state == QMP_GREETING) {
                if (!json_get(message, "QMP")) {
                        end(qmp, "QEMU did not greet on its QMP socket");
                        return;
                }
                qmp->state = QMP_NEGOTIATING;
                strbuf_puts(&qmp->out, "{\"execute\":\"qmp_capabilities\"}\n");
                flush(qmp);
        } else if (event) {
                qmp->handlers.event(qmp, event, json_get(message, "data"), qmp->handlers.user);
        } else {
                on_return(qmp, message);
        }
}

/* Handles the whole lines that have arrived; false when the client is no more. */
static bool handle_lines(Qmp *qmp) {
        bool freed = false;
        char *newline;

        while (qmp->in.length > 0 && (newline = memchr(qmp->in.data, '\n', qmp->in.length))) {
                cleanup_error Error error = { 0 };
                cleanup_json Json *message = NULL;
                size_t n = (size_t)(newline - qmp->in.data);

                if (json_parse(qmp->in.data, n, NULL, &message, &error) < 0) {
                        end(qmp, "QEMU sent something on its QMP socket that is not JSON");
                        return false;
                }
                strbuf_consume(&qmp->in, n + 1);
                qmp->freed = &freed;
                on_message(qmp, message);
                if (freed)
                        return false;
                qmp->freed = NULL;
                if (qmp->state == QMP_ENDED)
                        return false;
        }
        return true;
}

static void on_ready(LoopSource *source, int fd, uint32_t events, void *user) {
        char buffer[16384];
        Qmp *qmp = user;
        ssize_t n;

        (void)source;
        if ((events & EPOLLOUT) && !flush(qmp)) {
                end(qmp, NULL);
                return;
        }
        if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;
        n = read(fd, buffer, sizeof(buffer));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0) {
                end(qmp, NULL);
                return;
        }
        strbuf_append(&qmp->in, buffer, (size_t)n);
        if (handle_lines(qmp) && qmp->in.length > QMP_MAX_LINE)
                end(qmp, "QEMU sent a QMP line beyond the limit");
}

int qmp_new(Loop *loop, int fd, const QmpHandlers *handlers, Qmp **ret, Error *err) {
        Qmp *qmp = xnew(Qmp, 1);
        int r;

        qmp->handlers = *handlers;
        r = fd_set_nonblocking(fd, true, err);
        if (r >= 0)
                r = loop_add_fd(loop, fd, EPOLLIN, on_ready, qmp, &qmp->source, err);
        if (r < 0) {
                free(qmp);
                return error_prefix(err, "QMP");
        }
        qmp->fd = fd;
        *ret = qmp;
        return 0;
}

Qmp *qmp_free(Qmp *qmp) {
        if (!qmp)
                return NULL;
        if (qmp->freed)
                *qmp->freed = true;
        loop_source_free(qmp->source);
        close(qmp->fd);
        strbuf_done(&qmp->in);
        strbuf_done(&qmp->out);
        strbuf_done(&qmp->waiting);
        free(qmp);
        return NULL;
}

void qmp_execute(Qmp *qmp, const char *command, Json *arguments, QmpReplyFn fn, void *user) {
        cleanup_json Json *message = json_new_object();
        cleanup_free char *text = NULL;
        StrBuf *queue = qmp->state == QMP_RUNNING ? &qmp->out : &qmp->waiting;

        json_set(message, "execute", json_new_string(command));
        if (arguments)
                json_set(message, "arguments", arguments);
        if (qmp->state == QMP_ENDED || qmp->n_calls == QMP_MAX_CALLS) {
                if (fn)
                        fn(qmp, NULL, qmp->state == QMP_ENDED ? "QEMU has ended" : "too many calls", user);
                return;
        }
        qmp->calls[qmp->n_calls++] = (QmpCall){ .id = ++qmp->next_id, .fn = fn, .user = user };
        json_set(message, "id", json_new_uint64(qmp->next_id));
        text = json_tree_to_text(message, false);
        strbuf_puts(queue, text);
        strbuf_putc(queue, '\n');
        if (qmp->state == QMP_RUNNING && !flush(qmp))
                end(qmp, NULL);
}
