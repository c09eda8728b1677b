/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * Engines watch the container's cgroup on the host for out-of-memory kills (version 1: an eventfd on memory.oom_control,
 * version 2: oom_kill in memory.events). Here it is the guest's kernel that kills, in the guest's cgroup; on the host
 * nothing is short of memory, and nothing can make its cgroup say so but a real shortage of memory in the very cgroup
 * that QEMU is in. So the engine is told what it would have concluded, in the way in which its own watcher passes it on:
 *
 * containerd (under it docker, ctr, the CRI): its shims publish events with a call of ttrpc, Events.Forward, at a socket
 * whose path is in the environment of everything that they start. An event is a TaskOOM with the container's id.
 *
 * conmon (podman, CRI-O): a file "oom" in the bundle, which those look for when the container has ended.
 *
 * A call is one message, written at once; its answer is looked at before the next one, and waited for at the end, so that
 * "out of memory" comes before "ended". What cannot be delivered is tried once more at the end, and then said in the log.
 */
#include "shim/engine.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/loop.h"
#include "common/base/mem.h"

#define INTERVAL_USEC  1000000U
#define PATIENCE_MS    1000
#define ANSWER_MAX     4096U
#define CALL_NSEC      2000000000U /* what containerd may take for it */
#define TTRPC_REQUEST  1
#define TTRPC_RESPONSE 2

struct Engine {
        const LaunchPlan *plan;
        int call;           /* connection with a call that is not answered yet; -1: none */
        uint64_t told_usec; /* when the last news went out; 0: never */
        bool owed;          /* news that could not be delivered */
};

/* ---- a message of ttrpc: ten bytes of header, then protocol buffers ---- */

static void put_varint(StrBuf *b, uint64_t n) {
        for (; n >= 0x80; n >>= 7)
                strbuf_putc(b, (char)(n | 0x80));
        strbuf_putc(b, (char)n);
}

static void put_number(StrBuf *b, unsigned field, uint64_t n) {
        put_varint(b, field << 3);
        put_varint(b, n);
}

static void put_bytes(StrBuf *b, unsigned field, const void *data, size_t length) {
        put_varint(b, field << 3 | 2);
        put_varint(b, length);
        strbuf_append(b, data, length);
}

static void put_string(StrBuf *b, unsigned field, const char *s) {
        put_bytes(b, field, s, strlen(s));
}

/* Takes what PART holds. */
static void put_part(StrBuf *b, unsigned field, StrBuf *part) {
        put_bytes(b, field, part->data, part->length);
        strbuf_done(part);
}

/* ForwardRequest { Envelope { timestamp, namespace, topic, Any { TaskOOM { container_id } } } } */
static void put_oom(StrBuf *b, unsigned field, const LaunchPlan *plan) {
        StrBuf request = { 0 }, envelope = { 0 }, timestamp = { 0 }, any = { 0 }, oom = { 0 };
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        put_number(&timestamp, 1, (uint64_t)now.tv_sec);
        put_number(&timestamp, 2, (uint64_t)now.tv_nsec);
        put_part(&envelope, 1, &timestamp);
        put_string(&envelope, 2, plan->containerd_namespace);
        put_string(&envelope, 3, "/tasks/oom");
        put_string(&oom, 1, plan->id);
        put_string(&any, 1, "containerd.events.TaskOOM");
        put_part(&any, 2, &oom);
        put_part(&envelope, 4, &any);
        put_part(&request, 1, &envelope);
        put_part(b, field, &request);
}

static void put_call(StrBuf *b, const LaunchPlan *plan) {
        struct __attribute__((packed)) {
                uint32_t length, stream;
                uint8_t type, flags;
        } header = { .stream = htobe32(1), .type = TTRPC_REQUEST };
        StrBuf body = { 0 };

        put_string(&body, 1, "containerd.services.events.ttrpc.v1.Events");
        put_string(&body, 2, "Forward");
        put_oom(&body, 3, plan);
        put_number(&body, 4, CALL_NSEC);
        header.length = htobe32((uint32_t)body.length);
        strbuf_append(b, &header, sizeof(header));
        strbuf_append(b, body.data, body.length);
        strbuf_done(&body);
}

/* ---- containerd ---- */

static int connect_to(const char *path, Error *err) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        cleanup_close int target = open(path, O_PATH | O_CLOEXEC);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0 || target < 0)
                return error_errno(err, "%s", path);
        /* through the descriptor: the path may be longer than an address takes */
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", target);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return error_errno(err, "%s", path);
        return TAKE_FD(fd);
}

static int call(Engine *engine, Error *err) {
        cleanup_close int fd = connect_to(engine->plan->containerd_events, err);
        cleanup_strbuf StrBuf message = { 0 };

        if (fd < 0)
                return fd;
        put_call(&message, engine->plan);
        /* a few hundred bytes: a fresh socket takes them whole */
        if (send(fd, message.data, message.length, MSG_NOSIGNAL) != (ssize_t)message.length)
                return error_errno(err, "%s", engine->plan->containerd_events);
        engine->call = TAKE_FD(fd);
        return 0;
}

/* The answer to the call, if it comes within that time. A status (field 1) that is not empty is a refusal. */
static void finish_call(Engine *engine, int timeout_ms) {
        struct pollfd p = { .fd = engine->call, .events = POLLIN };
        unsigned char answer[ANSWER_MAX];
        ssize_t n;

        if (engine->call < 0 || (poll(&p, 1, timeout_ms) == 0 && timeout_ms == 0))
                return;
        n = recv(engine->call, answer, sizeof(answer), MSG_DONTWAIT);
        if (n < 10 || answer[8] != TTRPC_RESPONSE) {
                engine->owed = true;
        } else if (n > 12 && answer[10] == (1 << 3 | 2) && answer[11] != 0) {
                cleanup_free char *text = str_printable((char *)answer + 12, (size_t)n - 12, 200);

                log_warning("containerd does not take the news that the container ran out of memory: %s",
                            text);
        }
        close(TAKE_FD(engine->call));
}

static void tell_containerd(Engine *engine) {
        cleanup_error Error error = { 0 };

        engine->owed = call(engine, &error) < 0;
        if (engine->owed)
                log_warning("telling containerd that the container ran out of memory: %s", error.message);
}

/* ---- conmon ---- */

static void mark(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

        if (fd < 0)
                log_warning("%s: %s", path, strerror(errno));
        else
                close(fd);
}

/* ---- both ---- */

Engine *engine_new(const LaunchPlan *plan) {
        Engine *engine = xnew(Engine, 1);

        engine->plan = plan;
        engine->call = -1;
        return engine;
}

Engine *engine_free(Engine *engine) {
        if (!engine)
                return NULL;
        finish_call(engine, PATIENCE_MS);
        if (engine->owed) {
                tell_containerd(engine);
                finish_call(engine, PATIENCE_MS);
        }
        free(engine);
        return NULL;
}

void engine_tell_oom(Engine *engine) {
        const LaunchPlan *plan = engine->plan;
        uint64_t now = now_usec();

        if (plan->oom_mark && engine->told_usec == 0)
                mark(plan->oom_mark);
        finish_call(engine, 0);
        if (engine->call >= 0 || (engine->told_usec > 0 && now - engine->told_usec < INTERVAL_USEC))
                return;
        engine->told_usec = now;
        if (plan->containerd_events)
                tell_containerd(engine);
}
