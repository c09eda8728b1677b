/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/store/process.h"

#define RECORD_MAX (8U << 20)

const JsonField record_fields[] = {
        { JSON_FIELD(Record, version, "version", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(Record, oci_version, "ociVersion", JSON_KIND_STRING) },
        { JSON_FIELD(Record, id, "id", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(Record, pid, "pid", JSON_KIND_INT64) },
        { JSON_FIELD(Record, pid_start, "pidStart", JSON_KIND_UINT64) },
        { JSON_FIELD(Record, complete, "complete", JSON_KIND_BOOL) },
        { JSON_FIELD(Record, bundle, "bundle", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(Record, rootfs, "rootfs", JSON_KIND_STRING) },
        { JSON_FIELD(Record, created, "created", JSON_KIND_STRING) },
        { JSON_FIELD(Record, owner, "owner", JSON_KIND_STRING) },
        { JSON_FIELD(Record, annotations, "annotations", JSON_KIND_STRING_MAP) },
        { JSON_FIELD(Record, terminal, "terminal", JSON_KIND_BOOL) },
        { JSON_FIELD(Record, pod, "pod", JSON_KIND_STRING) },
        { JSON_FIELD(Record, cgroups, "cgroups", JSON_KIND_STRV) },
        { JSON_FIELD(Record, scope, "scope", JSON_KIND_STRING) },
        { JSON_FIELD(Record, devices, "devices", JSON_KIND_STRV) },
        { JSON_FIELD(Record, warnings, "warnings", JSON_KIND_STRV) },
        { JSON_FIELD(Record, vcpus, "vcpus", JSON_KIND_UINT32) },
        { JSON_FIELD(Record, memory, "memory", JSON_KIND_UINT64) },
        { JSON_FIELD(Record, host_memory, "hostMemory", JSON_KIND_UINT64) },
        {},
};

Record *record_free(Record *record) {
        if (record)
                json_clear(record_fields, record);
        free(record);
        return NULL;
}

static int read_struct(int dir, const char *name, const JsonField *fields, void *object, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;

        if (file_read(dir, name, RECORD_MAX, &text, &length, err) < 0)
                return -err->code;
        if (json_read_text(text, length, NULL, fields, object, err) < 0)
                return error_prefix(err, "%s", name);
        return 0;
}

int record_read(int dir, Record **ret, Error *err) {
        cleanup(record_freep) Record *record = xnew(Record, 1);
        int r = read_struct(dir, STATE_RECORD, record_fields, record, err);

        if (r < 0)
                return r;
        if (record->version != RECORD_VERSION)
                return error_set(err, ENOTSUP, "%s: version %u, this program knows version %u", STATE_RECORD,
                                 record->version, RECORD_VERSION);
        *ret = TAKE_PTR(record);
        return 0;
}

int record_write(int dir, const Record *record, Error *err) {
        cleanup_free char *text = json_to_text(record_fields, record, true);

        return file_write_atomic(dir, STATE_RECORD, text, strlen(text), 0600, err);
}

int record_open_log(int dir) {
        return openat(dir, STATE_SHIM_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

bool record_is_whole(int dir) {
        cleanup_error Error ignored = { 0 };
        cleanup(record_freep) Record *record = NULL;
        ShimStatus status;
        bool created;

        if (record_read(dir, &record, &ignored) < 0 || !record->complete ||
            shim_status_read(dir, &status, &ignored) < 0)
                return false;
        created = status.status && !streq(status.status, "creating");
        json_clear(shim_status_fields, &status);
        return created || process_is_alive((pid_t)record->pid, record->pid_start);
}

int shim_status_read(int dir, ShimStatus *ret, Error *err) {
        int r;

        memset(ret, 0, sizeof(*ret));
        r = read_struct(dir, STATE_STATUS, shim_status_fields, ret, err);
        if (r == -ENOENT) {
                error_clear(err);
                return 0;
        }
        return r;
}
