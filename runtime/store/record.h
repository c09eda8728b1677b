/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the runtime remembers of a container (record.json in its state folder), and what its status is: that follows
 * from the record, from whether the shim lives, and from what the shim last said of itself (status.json).
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/protocol/launch.h"

#define RECORD_VERSION 1

/* The bundle's config.json as it was at create: hooks at delete and the defaults of exec come from it. */
#define STATE_CONFIG "config.json"
/* What the shim and exec proxies log. Not the engine's log: engines take that for the words of a failed command. */
#define STATE_SHIM_LOG "shim.log"

typedef struct Record {
        uint32_t version;
        char *oci_version;
        char *id;
        int64_t pid;        /* the shim's; 0: not started */
        uint64_t pid_start; /* see process.h */
        bool complete;      /* all that the runtime makes is made: what there is now, the shim says */
        char *bundle;       /* absolute */
        char *rootfs;       /* absolute */
        char *created;      /* RFC 3339, nanoseconds */
        char *owner;        /* name of the user who made it */
        StrMap annotations;
        bool terminal;
        char *pod;            /* id of the container whose VM it shares; NULL: it has its own */
        char **cgroups;       /* absolute folders */
        char *scope;          /* systemd's unit for it; NULL: none */
        char **devices;       /* PCI addresses of the functions it has */
        char **warnings;      /* of the plan */
        uint32_t vcpus;       /* of the machine */
        uint64_t memory;      /* its RAM, bytes */
        uint64_t host_memory; /* what it may cost the host, with all that surrounds it, bytes */
} Record;

extern const JsonField record_fields[];

/* DIR is the state folder. ENOENT when there is none yet. */
int record_read(int dir, Record **ret, Error *err);
int record_write(int dir, const Record *record, Error *err);
Record *record_free(Record *record);
DEFINE_CLEANUP(Record *, record_free);

/* STATE_SHIM_LOG for writing at its end; -1 when that cannot be. */
int record_open_log(int dir);

/* Whether there is a container, and not only what an interrupted create left in the folder. */
bool record_is_whole(int dir);

/* status.json; *ret is zeroed first, and stays so when there is none (json_clear() with shim_status_fields). */
int shim_status_read(int dir, ShimStatus *ret, Error *err);
