/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/dns-redirect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/bpf.h"
#include "common/base/cleanup.h"
#include "common/protocol/network.h"

#define DNS_PORT    53U
#define PROGRAM_MAX 48U /* instructions */

enum {
        R_ANSWER = BPF_REG_0,
        R_CONTEXT = BPF_REG_6, /* survives a call */
        R_FOUND = BPF_REG_7,
        R_PROTOCOL = BPF_REG_8,
        R_WANTED = BPF_REG_9,
};

static const struct {
        enum bpf_attach_type attach;
        bool ip6;  /* a socket of IPv6, with ::ffff:127.0.0.11 */
        bool back; /* a process is told of an address */
} redirects[DNS_REDIRECTS] = {
        { BPF_CGROUP_INET4_CONNECT, false, false },    { BPF_CGROUP_INET6_CONNECT, true, false },
        { BPF_CGROUP_UDP4_SENDMSG, false, false }, /* IPv6's too: it is IPv4 by then */
        { BPF_CGROUP_UDP4_RECVMSG, false, true },      { BPF_CGROUP_UDP6_RECVMSG, true, true },
        { BPF_CGROUP_INET4_GETPEERNAME, false, true }, { BPF_CGROUP_INET6_GETPEERNAME, true, true },
};

/* ---- the programs ---- */

/* Conditions jump to the end; where that is is filled in last. */
typedef struct Program {
        struct bpf_insn insns[PROGRAM_MAX];
        BpfCode code;
        size_t conditions[PROGRAM_MAX], n_conditions;
} Program;

static void load(Program *p, unsigned to, size_t offset) {
        bpf_add(&p->code, BPF_LDX | BPF_MEM | BPF_W, to, R_CONTEXT, (int)offset, 0);
}

static void set(Program *p, unsigned to, uint32_t value) {
        bpf_add(&p->code, BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, value);
}

static void go_on_if_equal(Program *p, unsigned a, uint32_t value) {
        p->conditions[p->n_conditions++] = p->code.n;
        bpf_add(&p->code, BPF_JMP32 | BPF_JNE | BPF_K, a, 0, 0, value);
}

static void go_on_if_same(Program *p, unsigned a, unsigned b) {
        p->conditions[p->n_conditions++] = p->code.n;
        bpf_add(&p->code, BPF_JMP | BPF_JNE | BPF_X, a, b, 0, 0);
}

static void check_address(Program *p, bool ip6) {
        const size_t words = offsetof(struct bpf_sock_addr, user_ip6);
        const uint32_t address = inet_addr(NETWORK_DNS_ADDRESS);
        const uint32_t mapped[] = { 0, 0, htonl(0xffff), address };

        if (!ip6) {
                load(p, R_FOUND, offsetof(struct bpf_sock_addr, user_ip4));
                go_on_if_equal(p, R_FOUND, address);
                return;
        }
        for (size_t i = 0; i < ELEMENTS_OF(mapped); i++) {
                load(p, R_FOUND, words + i * sizeof(uint32_t));
                go_on_if_equal(p, R_FOUND, mapped[i]);
        }
}

/* Another container in this one may have a name server of its own at this address. */
static void check_namespace(Program *p, uint64_t cookie) {
        bpf_add(&p->code, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, R_CONTEXT, 0, 0);
        bpf_add(&p->code, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_netns_cookie);
        bpf_add_wide(&p->code, R_FOUND, cookie);
        go_on_if_same(p, R_ANSWER, R_FOUND);
}

/* R_WANTED = our port, which depends on the protocol. */
static void choose_port(Program *p, const DnsPorts *ports) {
        load(p, R_PROTOCOL, offsetof(struct bpf_sock_addr, protocol));
        set(p, R_WANTED, htons(ports->udp));
        bpf_add(&p->code, BPF_JMP32 | BPF_JEQ | BPF_K, R_PROTOCOL, 0, 2, IPPROTO_UDP);
        set(p, R_WANTED, htons(ports->tcp));
        go_on_if_equal(p, R_PROTOCOL, IPPROTO_TCP);
}

static void build(Program *p, bool ip6, bool back, const DnsPorts *ports, uint64_t cookie) {
        const size_t port = offsetof(struct bpf_sock_addr, user_port);

        p->code.insns = p->insns;
        bpf_add(&p->code, BPF_ALU64 | BPF_MOV | BPF_X, R_CONTEXT, BPF_REG_1, 0, 0);
        check_address(p, ip6);
        check_namespace(p, cookie);
        choose_port(p, ports);
        load(p, R_FOUND, port);
        if (back) {
                go_on_if_same(p, R_FOUND, R_WANTED);
                set(p, R_WANTED, htons(DNS_PORT));
        } else {
                go_on_if_equal(p, R_FOUND, htons(DNS_PORT));
        }
        bpf_add(&p->code, BPF_STX | BPF_MEM | BPF_W, R_CONTEXT, R_WANTED, (int)port, 0);
        for (size_t i = 0; i < p->n_conditions; i++)
                p->insns[p->conditions[i]].off = (int16_t)(p->code.n - p->conditions[i] - 1);
        bpf_add_answer(&p->code, 1);
}

/* ---- the kernel ---- */

static int own_cookie(uint64_t *ret, Error *err) {
        cleanup_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t length = sizeof(*ret);

        if (sock < 0 || getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, ret, &length) < 0)
                return error_errno(err, "number of the network namespace");
        return 0;
}

int dns_redirect_start(DnsRedirect *redirect, int cgroup, const DnsPorts *ports, Error *err) {
        uint64_t cookie;

        if (own_cookie(&cookie, err) < 0)
                return -err->code;
        for (size_t i = 0; i < DNS_REDIRECTS; i++) {
                cleanup_close int program = -1;
                Program p = { 0 };

                build(&p, redirects[i].ip6, redirects[i].back, ports, cookie);
                program = bpf_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, redirects[i].attach, &p.code, err);
                if (program >= 0)
                        redirect->links[i] = bpf_link(cgroup, program, redirects[i].attach, err);
                if (program < 0 || redirect->links[i] < 0) {
                        redirect->links[i] = -1;
                        dns_redirect_stop(redirect);
                        return -err->code;
                }
        }
        return 0;
}

void dns_redirect_stop(DnsRedirect *redirect) {
        for (size_t i = 0; i < DNS_REDIRECTS; i++)
                if (redirect->links[i] >= 0)
                        close(TAKE_FD(redirect->links[i]));
}
