/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The monitor: one container's life from launch plan to exit status. A state machine over events of the boss, the
 * agent, QEMU's processes, control connections, signals and timers.
 */

#include "common/base/loop.h"
#include "common/protocol/channel.h"
#include "common/protocol/launch.h"
#include "common/protocol/message.h"
#include "shim/console.h"
#include "shim/dns.h"
#include "shim/engine.h"
#include "shim/network.h"
#include "shim/qmp.h"
#include "shim/stdio.h"
#include "shim/vm.h"
#include "shim/signals.h"

typedef enum SessionState {
        SESSION_BOOTING,  /* QEMU runs; hello or the boss's go-ahead is missing */
        SESSION_CREATING, /* the agent makes the container */
        SESSION_CREATED,
        SESSION_STARTING,
        SESSION_RUNNING,
        SESSION_EXITED,  /* the program has ended: output is flushed, then the agent syncs */
        SESSION_STOPPED, /* the loop ends */
        _SESSION_STATE_MAX,
} SessionState;

typedef struct Control Control;
typedef struct Requests Requests;

typedef struct Session {
        Loop *loop;
        LaunchPlan *plan;
        int state_dir;
        SessionState state;
        bool paused;
        ShimStatus status;

        Channel *boss;
        uint32_t boss_seq; /* seq of its CREATE; 0: not asked yet */
        bool hooks_done;
        bool complete; /* its work is done: the container stays when it goes */
        bool hello;

        Channel *agent;
        Requests *requests; /* what the agent has still to answer */
        Control *control;
        Vm *vm;
        Qmp *qmp;
        Console *console;
        Network *network;
        Dns *dns;
        Engine *engine;
        Stdio *stdio;
        SignalTimes signals;
        LoopSource *boot_timer;
        LoopSource *end_timer;
        bool agent_clean; /* SHUTDOWN was answered, or is not waited for */
        bool orphaned;    /* the boss died before its work was done */
        int exit_status;
} Session;

/* Runs to the end; returns the exit status for the shim. PLAN is borrowed. *ret_orphaned: the boss died before its work
 * was done, so that what it made on the host (state folder, cgroups) is for the shim to remove. */
int session_run(LaunchPlan *plan, bool *ret_orphaned, Error *err);

/* Something broke: WHY becomes the error that `create` or the log shows, with the console's last lines. */
void session_fail(Session *session, const char *why);

/* The agent's answer to START: ERROR is NULL when the program runs. */
void session_started(Session *session, const Frame *reply, const Error *error);

/* Tells the world the state as it is (status.json). What is about to change it does so first: when there is no room for
 * the news, all stays as it is. */
int session_write_status(Session *session, Error *err);

/* Sets the state and tells the world. When a container that is created or runs cannot be told of, it ends. */
void session_set_state(Session *session, SessionState state);

/* The container is ended without asking the guest: SIGKILL for one that does not react, or an orphan. */
void session_kill(Session *session);
