/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/oci/state.h"
#include "common/protocol/launch.h"
#include "common/protocol/message.h"

#define ENDED "the connection ended"

struct Client {
        int fd;
        FrameDecoder decoder;
        uint32_t last_seq;
};

Client *client_new(int fd) {
        Client *client = xnew(Client, 1);

        client->fd = fd;
        return client;
}

Client *client_free(Client *client) {
        if (!client)
                return NULL;
        close(client->fd);
        frame_decoder_done(&client->decoder);
        free(client);
        return NULL;
}

int client_connect(int dir, Client **ret, Error *err) {
        cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0)
                return error_errno(err, "socket");
        /* through the descriptor: the path may be longer than an address takes */
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, STATE_CONTROL);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                if (errno == ENOENT || errno == ECONNREFUSED)
                        return oci_error_not_running(err);
                return error_errno(err, "control socket");
        }
        *ret = client_new(TAKE_FD(fd));
        return 0;
}

pid_t client_peer(const Client *client) {
        struct ucred peer = { 0 };
        socklen_t length = sizeof(peer);

        return getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ? 0 : peer.pid;
}

int client_send(Client *client, uint16_t type, uint32_t seq, const JsonField *fields, const void *object,
                Error *err) {
        cleanup_free char *text = fields ? json_to_text(fields, object, false) : xstrdup("{}");
        cleanup_strbuf StrBuf frame = { 0 };
        const char *p;

        if (strlen(text) > FRAME_MAX_CONTROL)
                return error_set(err, E2BIG, "%s request of more than %u bytes", frame_type_name(type),
                                 FRAME_MAX_CONTROL);
        frame_encode(&frame, type, 0, seq, text, (uint32_t)strlen(text));
        p = frame.data;
        for (size_t left = frame.length; left > 0;) {
                ssize_t n = send(client->fd, p, left, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                        return error_set(err, ECONNRESET, ENDED);
                if (n < 0)
                        return error_errno(err, "sending %s", frame_type_name(type));
                p += n;
                left -= (size_t)n;
        }
        return 0;
}

/* Waits until there is something to read. */
static int wait_readable(const Client *client, uint64_t end, Error *err) {
        struct pollfd p = { .fd = client->fd, .events = POLLIN };

        for (;;) {
                uint64_t now = now_usec();
                int n = poll(&p, 1, end == 0 ? -1 : now >= end ? 0 : (int)((end - now + 999) / 1000));

                if (n > 0)
                        return 0;
                if (n == 0)
                        return error_set(err, ETIMEDOUT, "no answer");
                if (errno != EINTR)
                        return error_errno(err, "poll");
        }
}

int client_receive(Client *client, int timeout_ms, Frame *ret, Error *err) {
        uint64_t end = timeout_ms < 0 ? 0 : now_usec() + (uint64_t)timeout_ms * 1000;

        for (;;) {
                char buffer[65536];
                ssize_t n;
                int r = frame_decoder_next(&client->decoder, ret, err);

                if (r != 0)
                        return r < 0 ? r : 0;
                r = wait_readable(client, end, err);
                if (r < 0)
                        return r;
                n = read(client->fd, buffer, sizeof(buffer));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != ECONNRESET)
                        return error_errno(err, "read");
                if (n <= 0)
                        return error_set(err, ECONNRESET, ENDED);
                frame_decoder_feed(&client->decoder, buffer, (size_t)n);
        }
}

int client_request(Client *client, uint16_t type, const JsonField *fields, const void *object, int timeout_ms,
                   Frame *ret, Error *err) {
        uint32_t seq = ++client->last_seq;
        int r;

        r = client_send(client, type, seq, fields, object, err);
        if (r < 0 && r != -ECONNRESET)
                return r;
        /* it may have said why before it went */
        error_clear(err);
        do {
                r = client_receive(client, timeout_ms, ret, err);
                if (r < 0)
                        return r;
        } while (ret->seq != seq);
        if (ret->type == FRAME_ERROR)
                return message_to_error(ret, err);
        if (ret->type != FRAME_REPLY)
                return error_set(err, EPROTO, "%s answered with %s", frame_type_name(type),
                                 frame_type_name(ret->type));
        return 0;
}
