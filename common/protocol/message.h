/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The payloads of control frames as structs and tables. PROTOCOL.md says who sends which when. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json.h"
#include "common/protocol/driver.h"
#include "common/protocol/frame.h"
#include "common/protocol/network.h"

#define PROTOCOL_VERSION 1

/* Name of the virtio-serial port, and where the agent finds what the host shares. */
#define AGENT_PORT_NAME "carrel.agent"
/* OVMF has a virtio-fs driver of its own, whose session the guest's kernel would have to share (virtiofsd then announces no
 * mounts below the root, and all files seem to be of one device). It leaves alone what is not called in ASCII. */
#define SHARE_TAG   "\302\267carrel"
#define GUEST_SHARE "/run/carrel/share"
/* With the folder of the container ("", or SHARE_MEMBER) and the number of a bind in the plan. */
#define GUEST_SHARE_ROOTFS GUEST_SHARE "/%srootfs"
#define GUEST_SHARE_MOUNT  GUEST_SHARE "/%smounts/%zu"

/* Below the share, the folder of a further container of a pod, in which it has rootfs and mounts. With its id. */
#define SHARE_MEMBER "members/%s/"

/* In the guest's config.json the path of a namespace that is the pod's, that is, that of container 0. */
#define NAMESPACE_OF_POD "/pod"
/* That of another container of the pod, by its id; of the pid namespace only. */
#define NAMESPACE_OF_MEMBER NAMESPACE_OF_POD "/%s"

/* Source of a tmpfs that is one for all containers of the guest with such a mount (their shared memory). */
#define GUEST_POD_SHM "/run/carrel/shm"

typedef struct Hello {
        uint32_t version;
        char *agent;          /* its version */
        char *kernel;         /* uname -r */
        uint32_t cpus;        /* online */
        uint64_t memory;      /* bytes, MemTotal */
        uint64_t kernel_usec; /* from the kernel's start to the agent's first instruction */
        uint64_t ready_usec;  /* from the kernel's start to this hello */
        char **features;
} Hello;

typedef struct CreateRequest {
        Json *config; /* OCI config.json rewritten for the guest: paths below GUEST_SHARE, host parts removed */
        char *share_type;       /* "virtiofs" or "9p" */
        uint64_t realtime;      /* host's CLOCK_REALTIME, nanoseconds */
        char *hostname;         /* the host's: what shows where no uts namespace has another; may be absent */
        char *domainname;       /* the same for that of NIS */
        uint32_t rows, cols;    /* of the terminal; 0: unknown */
        DriverManifest *driver; /* of the bundle whose device the container gets; NULL: none */
        char *id, *bundle;      /* for the state that startContainer hooks read; may be absent */
} CreateRequest;

typedef struct CreateReply {
        uint64_t ready_usec; /* from the kernel's start to the container being ready for START */
        char **warnings;     /* lines about what does not work in this container; NULL: none */
} CreateReply;

typedef struct StartRequest {
        NetworkConfig *network; /* what to set up before the program starts; NULL: nothing */
} StartRequest;

typedef struct StartReply {
        uint64_t started_usec; /* from the kernel's start to the program's exec */
} StartReply;

typedef struct ExecRequest {
        uint32_t process; /* number chosen by the shim; 0 from the runtime */
        Json *spec;       /* OCI process object */
        char *cgroup; /* to run in, below the container's own; NULL: where the container's processes are */
        uint32_t rows, cols;
        uint32_t proxy; /* for the shim: number of the sender's process on the host; the agent gets 0 */
} ExecRequest;

typedef struct ExecReply {
        uint32_t process;
        int64_t pid; /* in the guest's root pid namespace */
} ExecReply;

typedef struct SignalRequest {
        uint32_t process; /* 0 or PROCESS_INIT: the container's init */
        int32_t signal;
        bool all; /* every process of the container */
} SignalRequest;

typedef struct JoinReply {
        uint32_t container; /* number of the container in the VM; for messages only */
} JoinReply;

typedef struct ClockRequest {
        uint64_t realtime; /* host's CLOCK_REALTIME, nanoseconds */
} ClockRequest;

typedef struct ResizeRequest {
        uint32_t process;
        uint32_t rows, cols;
} ResizeRequest;

typedef struct Exited {
        uint32_t process;
        int32_t status; /* exit code, or 128 + signal */
        bool oom_killed;
} Exited;

/* A process of the container, in the answer to `processes`. */
typedef struct ProcessInfo {
        int64_t pid, parent;   /* in the guest's root pid namespace */
        int64_t container_pid; /* in its own pid namespace */
        uint32_t uid;          /* real, as the guest counts */
        char *state;           /* one letter, as in /proc/PID/stat */
        uint64_t start_usec;   /* from the kernel's start */
        uint64_t cpu_usec;     /* user and system time */
        char *command; /* arguments with spaces between them, printable, cut; "[name]" without arguments */
} ProcessInfo;

typedef struct ProcessList {
        ProcessInfo *processes;
        size_t n_processes;
} ProcessList;

typedef struct LogMessage {
        char *level; /* error warning info debug */
        char *message;
} LogMessage;

/* agent → shim → whoever is connected: the guest's kernel has killed a process of the container */
#define EVENT_OOM "oom"

typedef struct EventMessage {
        char *event; /* EVENT_... */
} EventMessage;

typedef struct ErrorMessage {
        int32_t code; /* errno */
        char *message;
} ErrorMessage;

extern const JsonField hello_fields[];
extern const JsonField create_request_fields[];
extern const JsonField create_reply_fields[];
extern const JsonField start_request_fields[];
extern const JsonField start_reply_fields[];
extern const JsonField exec_request_fields[];
extern const JsonField exec_reply_fields[];
extern const JsonField signal_request_fields[];
extern const JsonField join_reply_fields[];
extern const JsonField clock_request_fields[];
extern const JsonField resize_request_fields[];
extern const JsonField exited_fields[];
extern const JsonField process_list_fields[];
extern const JsonField log_message_fields[];
extern const JsonField event_message_fields[];
extern const JsonField error_message_fields[];

/* Reads a control frame's payload into *object (zeroed by the caller, cleared with json_clear()). The error names the
 * frame's type. */
int message_read(const Frame *frame, const JsonField *fields, void *object, Error *err);
/* Turns a FRAME_ERROR into an Error; returns -err->code. Codes and text are bounded. */
int message_to_error(const Frame *frame, Error *err);
