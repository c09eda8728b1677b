/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/handshake.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union HandshakeControl {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
} HandshakeControl;

int handshake_new(int *ret_agent, int *ret_child, Error *err) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return error_errno(err, "socketpair");
        *ret_agent = fds[0];
        *ret_child = fds[1];
        return 0;
}

static int send_message(int sock, HandshakeMessage *message, size_t length, int fd) {
        HandshakeControl control = { 0 };
        struct iovec iov = { .iov_base = message, .iov_len = length };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (fd >= 0) {
                header.msg_control = &control;
                header.msg_controllen = sizeof(control);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        }
        do
                n = sendmsg(sock, &header, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -1 : 0;
}

int handshake_send(int sock, HandshakeStep step, int fd, Error *err) {
        HandshakeMessage message = { .step = step };

        if (send_message(sock, &message, offsetof(HandshakeMessage, text), fd) < 0)
                return error_errno(err, "handshake");
        return 0;
}

static void send_text(int sock, HandshakeStep step, int code, const char *text) {
        HandshakeMessage message = { .step = step, .code = code };

        if (text)
                strncpy(message.text, text, sizeof(message.text) - 1);
        send_message(sock, &message, sizeof(message), -1);
}

void handshake_send_warning(int sock, const char *text) {
        send_text(sock, HANDSHAKE_WARNING, 0, text);
}

void handshake_send_error(int sock, const Error *error) {
        send_text(sock, HANDSHAKE_ERROR, error->code, error->message);
}

/* The number of bytes, or as recvmsg(2); *ret_fd as in handshake_receive(). */
static ssize_t receive_message(int sock, HandshakeMessage *message, int *ret_fd, int flags) {
        HandshakeControl control = { 0 };
        struct iovec iov = { .iov_base = message, .iov_len = sizeof(*message) };
        struct msghdr header = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        struct cmsghdr *c;
        ssize_t n;

        memset(message, 0, sizeof(*message));
        *ret_fd = -1;
        do
                n = recvmsg(sock, &header, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        c = n >= 0 ? CMSG_FIRSTHDR(&header) : NULL;
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
        message->text[sizeof(message->text) - 1] = '\0';
        return n;
}

int handshake_wait(int sock, HandshakeStep step, Error *err) {
        HandshakeMessage message;
        int fd;
        ssize_t n = receive_message(sock, &message, &fd, 0);

        if (n < 0)
                return error_errno(err, "handshake");
        if (fd >= 0)
                close(fd);
        if (n == 0)
                return error_set(err, ECANCELED, "the agent gave up");
        if ((size_t)n < offsetof(HandshakeMessage, text) || message.step != step)
                return error_set(err, EPROTO, "handshake: step %u instead of %u", message.step, step);
        return 0;
}

HandshakeResult handshake_receive(int sock, HandshakeMessage *ret, int *ret_fd) {
        ssize_t n = receive_message(sock, ret, ret_fd, MSG_DONTWAIT);

        if (n < 0)
                return errno == EAGAIN ? HANDSHAKE_NOTHING : HANDSHAKE_CLOSED;
        return n == 0 ? HANDSHAKE_CLOSED : HANDSHAKE_MESSAGE;
}
