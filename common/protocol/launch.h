/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What passes between runtime and shim besides frames: the launch plan (runtime → shim, through a memfd), and the
 * status file (shim → everybody, in the state folder). Descriptor numbers of the children are fixed here, so that
 * their arguments can be planned without touching the system.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json.h"
#include "common/oci/linux.h"
#include "common/protocol/network.h"

/* Files of a container's state folder. */
#define STATE_RECORD  "record.json"  /* written by the runtime at create */
#define STATE_STATUS  "status.json"  /* written by the shim: ShimStatus */
#define STATE_CONTROL "control.sock" /* the shim listens here for runtime commands */
#define STATE_CONSOLE "console.log"  /* the guest's console, bounded */
#define STATE_LOCK    "lock"
#define STATE_JOURNAL "journal"
#define STATE_PRIVATE "vm" /* folder; the shim's own tmpfs, seen in its mount namespace only */

/* Parent, below the root of a hierarchy, of the cgroups of containers that name none. */
#define CGROUP_DEFAULT_PARENT "/carrel"

/* Below STATE_PRIVATE in the shim's mount namespace. */
#define PRIVATE_SHARE "share" /* rootfs/ and mounts/N: what the guest sees */

/* Descriptors of carrel-shim: 0, 1, 2 are the container's. */
enum {
        SHIM_FD_PLAN = 3,    /* memfd with a LaunchPlan as JSON (monitor) */
        SHIM_FD_BOSS = 4,    /* stream socket to the runtime command that started it */
        SHIM_FD_LOG = 5,     /* log, or /dev/null */
        SHIM_FD_CONSOLE = 6, /* terminal slave when the process has a terminal */
        SHIM_FD_SHARE = 7,   /* mount namespace of virtiofsd, for a further container of a pod */
};

/* Descriptors of QEMU. */
enum {
        QEMU_FD_QMP = 3,      /* chardev socket */
        QEMU_FD_AGENT = 4,    /* chardev socket behind the virtio-serial port */
        QEMU_FD_CONSOLE = 5,  /* chardev socket behind the serial console */
        QEMU_FD_VIRTIOFS = 6, /* chardev socket to virtiofsd (only with a virtiofs share) */
        QEMU_FD_TAP = 7,      /* tap of the first network card; the others follow */
        QEMU_FD_DRIVER = QEMU_FD_TAP + NETWORK_CARDS_MAX, /* driver bundle, read-only */
        QEMU_FD_DISK,                                     /* the first block device; the others follow */
};

/* A block device of the host that the machine gets as a disk. */
typedef struct LaunchDisk {
        uint32_t major, minor; /* the host's */
        bool read_only;
} LaunchDisk;

#define DISKS_MAX 8U
/* Serial number of a disk, with the host's numbers: at most 20 bytes (virtio). */
#define DISK_SERIAL "carrel-%u-%u"

/* Descriptor of virtiofsd: its listening socket. */
enum {
        VIRTIOFSD_FD_SOCKET = 3,
};

/* One mount into the shared tree. */
typedef struct LaunchShare {
        char *source;      /* absolute host path */
        char *target;      /* below PRIVATE_SHARE: "rootfs", "mounts/0" */
        char *destination; /* where the container has it; NULL: in none of its shared folders */
        bool recursive;    /* with the mounts below it */
        bool read_only;    /* the host enforces it too */
        bool closed;       /* what the host mounts below it later does not show */
        OciIdMapping *uid_mappings, *gid_mappings; /* of an idmapped mount */
        size_t n_uid_mappings, n_gid_mappings;
        bool map_recursive; /* the mounts below it are mapped too */
} LaunchShare;

/* Why something of the host is not shared: said by the planner of paths, and by the shim of what it finds there. */
#define SHARE_NO_PROC    "/proc of the host cannot be shown inside a virtual machine"
#define SHARE_NO_SYS     "/sys of the host cannot be shown inside a virtual machine"
#define SHARE_NO_DEVICES "devices of the host do not exist inside a virtual machine"
#define SHARE_NO_HUGE    "huge pages of the host cannot be used inside a virtual machine"
#define SHARE_SOCKET     "a socket of the host cannot be connected to from inside a virtual machine"
#define SHARE_FIFO       "a named pipe leads to nobody outside of the virtual machine"

typedef struct LaunchPlan {
        char *id;
        char *state_dir; /* absolute */
        char *pod;       /* control socket of the shim whose VM this container joins; NULL: its own VM */
        bool rootless;   /* in a user namespace, whose root is no root of the host */
        char *member; /* name of its folder in that VM's share: never used twice, since guests remember names */
        char **qemu;                 /* argv */
        char **virtiofsd;            /* argv; NULL: no virtiofs */
        uint32_t qemu_uid, qemu_gid; /* identity of QEMU; 0: stays root (9p share) */
        uint32_t *qemu_groups;       /* supplementary groups of QEMU (that of /dev/kvm) */
        size_t n_qemu_groups;
        char *driver;           /* driver bundle, absolute path; NULL: none */
        char **qemu_devices;    /* device nodes QEMU may open by path ("/dev/kvm", "/dev/vfio/42") */
        OptInt64 oom_score_adj; /* of shim, QEMU, virtiofsd on the host; not set: what they inherit */
        uint64_t memlock; /* bytes QEMU may pin (RLIMIT_MEMLOCK); UINT64_MAX: no limit; 0: left as it is */
        LaunchShare *shares;
        size_t n_shares;
        LaunchDisk *disks;
        size_t n_disks;
        Json *guest; /* CreateRequest for the agent, without what the shim adds (realtime, hostname, size) */
        bool terminal;     /* SHIM_FD_CONSOLE is the container's terminal */
        bool remove_state; /* foreground run: the state folder and cgroups go with the shim if its boss dies */
        char **cgroups;    /* absolute cgroup folders made for the container (removed in that case) */
        char **last_act; /* argv, run when nothing else is left to do in that case: gives devices back; NULL: none */
        uint32_t network_cards; /* each with a tap */
        bool network_joined;    /* the namespace is somebody else's */
        char *containerd_events; /* absolute path of the socket that takes containerd's events; NULL: no containerd */
        char *containerd_namespace; /* of the container there */
        char *oom_mark;             /* file that says to podman that memory ran out; NULL: no conmon */
        char *resolv_conf;          /* host path of what is bound to /etc/resolv.conf; NULL: nothing */
        uint64_t boot_timeout_ms;   /* QEMU's start to the agent's hello */
        uint64_t console_limit;     /* bytes of console log kept */
        uint64_t created_usec;      /* now_usec() when the runtime command began: zero of the timeline */
} LaunchPlan;

extern const JsonField launch_plan_fields[];

/* What an exec proxy (`carrel-shim --exec`) gets through SHIM_FD_PLAN. It answers on SHIM_FD_BOSS: REPLY with an
 * ExecReply, or ERROR, both with seq 1. Its exit status is that of the process. */
typedef struct ExecPlan {
        char *control;       /* path of the container's control socket */
        Json *spec;          /* OCI process object */
        char *cgroup;        /* see ExecRequest */
        bool terminal;       /* SHIM_FD_CONSOLE is the process's terminal */
        uint32_t rows, cols; /* of the terminal when it has no size of its own; 0: unknown */
} ExecPlan;

extern const JsonField exec_plan_fields[];

/* Frames on the boss connection besides REPLY and ERROR: runtime → shim CREATE ({}: hooks ran, go on), answered when
 * the container is created; shim → runtime EVENT "launched" when namespaces exist and QEMU runs. */
#define EVENT_LAUNCHED "launched"
/* runtime → shim, last of all: what the engine waits for (pid file, console) is out. A boss that ends before this has
 * left a container, or the process of an exec, that nobody knows of. */
#define EVENT_COMPLETE "complete"

/* The timeline: microseconds since created_usec of the plan; 0: not reached. */
typedef struct Timeline {
        uint64_t shim;      /* shim's first instruction */
        uint64_t share;     /* shared tree is mounted */
        uint64_t virtiofsd; /* virtiofsd takes connections */
        uint64_t qemu;      /* QEMU's program runs */
        uint64_t qmp;       /* QMP answers */
        uint64_t kernel;    /* guest kernel's first instruction (by the agent's clock) */
        uint64_t agent;     /* agent's first instruction */
        uint64_t hello;     /* agent's hello arrived */
        uint64_t hooks;     /* create hooks are done */
        uint64_t created;   /* container is ready for start */
        uint64_t start;     /* start was asked for */
        uint64_t started;   /* the program runs */
        uint64_t exited;    /* the program's exit arrived */
        uint64_t stopped;   /* QEMU is gone */
} Timeline;

extern const JsonField timeline_fields[];

typedef struct ShimStatus {
        char *status;        /* OCI: creating created running paused stopped */
        int32_t exit_status; /* valid when stopped */
        bool oom_killed;
        char *error;       /* why it stopped, when not by its own exit; NULL */
        char *accelerator; /* what QEMU runs with: kvm, tcg */
        uint32_t cpus;     /* on line when the guest reported, by its own word; 0: not known */
        Timeline timeline;
} ShimStatus;

extern const JsonField shim_status_fields[];
