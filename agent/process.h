/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Processes the host knows about, by number: the container's init and what was executed beside it. A process is
 * born as a child of the agent that sets itself up (container.c, exec.c), runs its program, ends, and stays in the
 * table until the last of its output is sent.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/handshake.h"
#include "agent/stdio.h"
#include "common/base/loop.h"
#include "common/oci/spec.h"
#include "common/protocol/channel.h"

/* Four descriptors each, of the 1024 the agent may have. */
#define PROCESS_TABLE_MAX 240U

/* Descriptors in the child. */
#define CHILD_FD_HANDSHAKE 3
#define CHILD_FD_EXTRA     4 /* ProcessSpec.extra_fd */

typedef enum ProcessState {
        PROCESS_PREPARING, /* its child sets itself up */
        PROCESS_READY,     /* it waits to be told to run its program */
        PROCESS_STARTING,  /* it was told */
        PROCESS_RUNNING,
        PROCESS_EXITED, /* output is still being sent */
        PROCESS_FAILED, /* its program never ran; the child is about to end */
} ProcessState;

typedef struct ProcessTable ProcessTable;

typedef struct Process {
        struct Process *next;
        ProcessTable *table;
        uint32_t number;
        pid_t pid;
        int pidfd;
        bool reaped; /* its pid may be somebody else's by now */
        ProcessState state;
        int handshake;
        LoopSource *watch; /* of the handshake */
        uint32_t seq;      /* of the request that waits for an answer; 0: none */
        Stdio *stdio;
        OciProcess *program; /* of an exec; owned */
        char **warnings;     /* of the child while it set itself up */
        int status;          /* valid once exited: code, or 128 + signal */
} Process;

typedef struct ProcessHandlers {
        /* The child is set up and waits for process_run_program(). */
        void (*ready)(Process *process, void *user);
        /* The program runs. */
        void (*running)(Process *process, void *user);
        /* It does not, and never will; the child is about to end. */
        void (*failed)(Process *process, const Error *error, void *user);
        /* It ran, and ended; its output is being drained. */
        void (*exited)(Process *process, void *user);
        /* The last of its output was sent, or a failed child is gone. The process may be freed here. */
        void (*drained)(Process *process, void *user);
} ProcessHandlers;

struct ProcessTable {
        Loop *loop;
        Channel *channel;
        Process *first;
        unsigned count;
        ProcessHandlers handlers;
        void *user;
};

/* Runs in the child, with its standard streams (unless it is to have a terminal) and CHILD_FD_* in place, all other
 * descriptors closed, signals at their defaults, in a session of its own. Returns only on failure. */
typedef int (*ProcessChildFn)(void *user, Error *err);

typedef struct ProcessSpec {
        uint32_t number;
        uint32_t seq; /* of the request */
        bool terminal;
        uid_t owner;          /* of the pipes, in the guest's own ids */
        uint64_t clone_flags; /* new namespaces */
        int pid_namespace;    /* namespace file the child is put in; -1: none */
        int cgroup;           /* folder of the cgroup it is born in; -1: none */
        int extra_fd;         /* -1: none */
        ProcessChildFn child;
        void *user;
} ProcessSpec;

/* Starts the child. *ret stays owned by the table. */
int process_start(ProcessTable *table, const ProcessSpec *spec, Process **ret, Error *err);
/* Removes it from the table, kills nothing. */
Process *process_free(Process *process);

/* Its setup failed on the agent's side: the child is killed, nothing is reported but `drained`. */
void process_abandon(Process *process);

/* For a child that waits for its id maps. */
int process_go(Process *process, Error *err);
int process_run_program(Process *process, Error *err);
/* ESRCH when it is gone. */
int process_signal(const Process *process, int signal, Error *err);

Process *process_find(const ProcessTable *table, uint32_t number);
/* To be told of every child that was waited for; those that are none of the table's are ignored. */
void process_table_reaped(ProcessTable *table, pid_t pid, int status);
