/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state of a container as the specification words it (`state`, `list`, the input of hooks), and which operation
 * is legal in which state. Pure: what the state of a container *is* is for the store and the shim to find out.
 *
 * The texts of refusals are an interface: containerd, podman and scripts look for them. They are runc's.
 */

#include <stdint.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/json.h"

typedef enum OciStatus {
        OCI_CREATING,
        OCI_CREATED,
        OCI_RUNNING,
        OCI_PAUSED,
        OCI_STOPPED,
        _OCI_STATUS_MAX,
        _OCI_STATUS_INVALID = -22,
} OciStatus;

const char *oci_status_name(OciStatus status);    /* "creating", "created", ...; NULL if there is none */
OciStatus oci_status_from_name(const char *name); /* _OCI_STATUS_INVALID if there is none */

typedef enum OciOperation {
        OCI_START,
        OCI_KILL,
        OCI_KILL_ALL, /* kill --all: also sweeps up behind a container that ended */
        OCI_DELETE,
        OCI_DELETE_FORCE,
        OCI_EXEC,
        OCI_EXEC_IGNORE_PAUSED, /* exec --ignore-paused */
        OCI_PAUSE,
        OCI_RESUME,
        OCI_UPDATE,
        OCI_PS,
        OCI_EVENTS,
        _OCI_OPERATION_MAX,
} OciOperation;

/* 0 when the operation is legal in that state; else the refusal (ESRCH where it says "not running", else EBUSY). */
int oci_check_operation(OciStatus status, OciOperation operation, const char *id, Error *err);

/* Refusals that do not depend on the state; error_set() with ENOENT, EEXIST, ESRCH. */
int oci_error_not_found(Error *err);        /* container does not exist */
int oci_error_exists(Error *err);           /* container with given ID already exists */
int oci_error_not_running(Error *err);      /* container not running */
int oci_error_already_finished(Error *err); /* os: process already finished */

typedef struct OciState {
        char *oci_version;
        char *id;
        int32_t pid; /* 0 when stopped */
        char *status;
        char *bundle;
        char *rootfs;  /* absolute; NULL in the input of hooks, like created and owner */
        char *created; /* oci_format_time() */
        StrMap annotations;
        char *owner;
} OciState;

/* In runc's order, which people see. */
extern const JsonField oci_state_fields[];

void oci_state_done(OciState *state); /* frees the members; safe on a zeroed one, and twice */
#define cleanup_oci_state cleanup(oci_state_done)

/* UTC, in the form of Go's RFC3339Nano: "2024-02-29T23:59:59.25Z". Owned by the caller. */
char *oci_format_time(const struct timespec *when);
