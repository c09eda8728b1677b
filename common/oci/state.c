/* SPDX-License-Identifier: Apache-2.0 */
#include "common/oci/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

/* ---- states ---- */

static const char *const status_names[_OCI_STATUS_MAX] = {
        [OCI_CREATING] = "creating", [OCI_CREATED] = "created", [OCI_RUNNING] = "running",
        [OCI_PAUSED] = "paused",     [OCI_STOPPED] = "stopped",
};

const char *oci_status_name(OciStatus status) {
        return status >= 0 && status < _OCI_STATUS_MAX ? status_names[status] : NULL;
}

OciStatus oci_status_from_name(const char *name) {
        for (OciStatus s = 0; s < _OCI_STATUS_MAX; s++)
                if (streq(status_names[s], name))
                        return s;
        return _OCI_STATUS_INVALID;
}

/* ---- operations ---- */

#define NOT_RUNNING "container not running"
#define NOT_PAUSED  "container not paused"
#define NO_STATS    "container with id @ is not running"
#define NOT_STOPPED "cannot delete container @ that is not stopped: "

/* Operation by state: why not; NULL is "go ahead". '@' stands for the id. */
static const char *const refusals[_OCI_OPERATION_MAX][_OCI_STATUS_MAX] = {
        [OCI_START] = {
                [OCI_CREATING] = "cannot start a container in the creating state",
                [OCI_RUNNING] = "cannot start an already running container",
                [OCI_PAUSED] = "cannot start a container in the paused state",
                [OCI_STOPPED] = "cannot start a container that has stopped",
        },
        [OCI_KILL] = { [OCI_CREATING] = NOT_RUNNING, [OCI_STOPPED] = NOT_RUNNING },
        [OCI_KILL_ALL] = { [OCI_CREATING] = NOT_RUNNING },
        [OCI_DELETE] = {
                [OCI_CREATING] = NOT_STOPPED "creating",
                /* A created container is killed and deleted. */
                [OCI_RUNNING] = NOT_STOPPED "running",
                [OCI_PAUSED] = NOT_STOPPED "paused",
        },
        [OCI_DELETE_FORCE] = { NULL },
        [OCI_EXEC] = {
                [OCI_CREATING] = "cannot exec in a creating container",
                [OCI_PAUSED] = "cannot exec in a paused container (use --ignore-paused to override)",
                [OCI_STOPPED] = "cannot exec in a stopped container",
        },
        [OCI_EXEC_IGNORE_PAUSED] = {
                [OCI_CREATING] = "cannot exec in a creating container",
                [OCI_STOPPED] = "cannot exec in a stopped container",
        },
        [OCI_PAUSE] = {
                [OCI_CREATING] = NOT_RUNNING,
                /* A created container may be paused; resumed, it is created again. */
                [OCI_PAUSED] = NOT_RUNNING,
                [OCI_STOPPED] = NOT_RUNNING,
        },
        [OCI_RESUME] = {
                [OCI_CREATING] = NOT_PAUSED,
                [OCI_CREATED] = NOT_PAUSED,
                [OCI_RUNNING] = NOT_PAUSED,
                [OCI_STOPPED] = NOT_PAUSED,
        },
        [OCI_UPDATE] = { [OCI_CREATING] = NOT_RUNNING, [OCI_STOPPED] = NOT_RUNNING },
        [OCI_PS] = { [OCI_CREATING] = NOT_RUNNING },
        [OCI_EVENTS] = { [OCI_CREATING] = NO_STATS, [OCI_STOPPED] = NO_STATS },
};

int oci_check_operation(OciStatus status, OciOperation operation, const char *id, Error *err) {
        const char *refusal = refusals[operation][status], *at;
        int code;

        if (!refusal)
                return 0;
        code = strstr(refusal, "not running") ? ESRCH : EBUSY;
        at = strchr(refusal, '@');
        if (!at)
                return error_set(err, code, "%s", refusal);
        return error_set(err, code, "%.*s%s%s", (int)(at - refusal), refusal, id, at + 1);
}

int oci_error_not_found(Error *err) {
        return error_set(err, ENOENT, "container does not exist");
}

int oci_error_exists(Error *err) {
        return error_set(err, EEXIST, "container with given ID already exists");
}

int oci_error_not_running(Error *err) {
        return error_set(err, ESRCH, NOT_RUNNING);
}

int oci_error_already_finished(Error *err) {
        return error_set(err, ESRCH, "os: process already finished");
}

/* ---- the document ---- */

const JsonField oci_state_fields[] = {
        { JSON_FIELD(OciState, oci_version, "ociVersion", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciState, id, "id", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciState, pid, "pid", JSON_KIND_INT32), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(OciState, status, "status", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciState, bundle, "bundle", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciState, rootfs, "rootfs", JSON_KIND_STRING) },
        { JSON_FIELD(OciState, created, "created", JSON_KIND_STRING) },
        { JSON_FIELD(OciState, annotations, "annotations", JSON_KIND_STRING_MAP) },
        { JSON_FIELD(OciState, owner, "owner", JSON_KIND_STRING) },
        { 0 },
};

void oci_state_done(OciState *state) {
        json_clear(oci_state_fields, state);
}

char *oci_format_time(const struct timespec *when) {
        char fraction[16] = "";
        struct tm tm = { 0 };

        gmtime_r(&when->tv_sec, &tm);
        if (when->tv_nsec > 0) {
                int n = snprintf(fraction, sizeof(fraction), ".%09ld", when->tv_nsec);

                while (n > 0 && fraction[n - 1] == '0')
                        fraction[--n] = '\0';
        }
        return xasprintf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                         tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
}
