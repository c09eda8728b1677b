/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The conversation with the host, from hello to the end of the channel: what is asked (requests.c) and what the
 * container's processes do of themselves (session.c). */

#include <stdbool.h>
#include <stdint.h>

#include "agent/container.h"
#include "agent/dns.h"
#include "agent/log-relay.h"
#include "agent/network.h"
#include "agent/process.h"
#include "agent/reaper.h"
#include "common/base/loop.h"
#include "common/protocol/channel.h"

typedef struct SessionOptions {
        int channel;          /* taken over */
        uint64_t kernel_usec; /* the kernel's start to our first instruction */
        bool test;            /* not in a guest: the clock and the share are left alone */
} SessionOptions;

typedef struct Session Session;

/* One container of the virtual machine. There is one, number 0, unless the machine is a pod's. */
typedef struct Member {
        struct Member *next;
        Session *session;
        uint32_t number;
        Container *container;
        bool starting; /* START was asked for, and the network is being made */
        bool leaving;  /* SHUTDOWN was asked for: it goes when its last process has gone */

        int memory_events; /* descriptor of the container's cgroup; -1 */
        LoopSource *memory_watch;
        uint64_t oom_kills; /* seen so far */

        bool init_done; /* the init ran, ended, and all of its output is sent */
        bool init_gone; /* and EXITED was sent */
        int init_status;
        LoopSource *linger_timer; /* how long EXITED of the init waits for the other processes */
} Member;

struct Session {
        Loop *loop;
        Channel *channel;
        Reaper reaper;
        LogRelay log;
        ProcessTable processes; /* numbered container << CONTAINER_SHIFT | process */
        Member *members;
        Network *network;
        Driver *driver; /* loaded with container 0; NULL: none */
        Dns *dns;
        bool asks_docker; /* the last network that was asked for has Docker's name server */
        bool test;
        bool ended; /* the host broke the protocol or is gone: nothing is done any more */
};

/* Runs until the channel ends; then nothing of the container is left. */
int session_run(const SessionOptions *options, Error *err);

/* For requests.c. */

/* One request; the answer is sent now or later. On error the caller sends ERROR. */
int request_handle(Session *session, const Frame *frame, Error *err);

Member *session_member(const Session *session, uint32_t number); /* NULL: none */
/* A new one, without a container yet. */
Member *session_add(Session *session, uint32_t number);
/* Takes it out of the session. */
void session_remove(Member *member);

/* SIGKILL to everything in the container. */
void session_kill_all(Member *member);
/* Watches for processes killed for lack of memory. */
void session_watch_memory(Member *member);
/* It is to leave: frees it, now or when its last process has gone. */
void session_let_go(Member *member);
