/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/message.h"

#include <errno.h>
#include <string.h>

const JsonField hello_fields[] = {
        { JSON_FIELD(Hello, version, "version", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(Hello, agent, "agent", JSON_KIND_STRING) },
        { JSON_FIELD(Hello, kernel, "kernel", JSON_KIND_STRING) },
        { JSON_FIELD(Hello, cpus, "cpus", JSON_KIND_UINT32) },
        { JSON_FIELD(Hello, memory, "memory", JSON_KIND_UINT64) },
        { JSON_FIELD(Hello, kernel_usec, "kernelUsec", JSON_KIND_UINT64) },
        { JSON_FIELD(Hello, ready_usec, "readyUsec", JSON_KIND_UINT64) },
        { JSON_FIELD(Hello, features, "features", JSON_KIND_STRV) },
        {},
};

const JsonField create_request_fields[] = {
        { JSON_FIELD(CreateRequest, config, "config", JSON_KIND_RAW), .flags = JSON_REQUIRED },
        { JSON_FIELD(CreateRequest, share_type, "shareType", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(CreateRequest, realtime, "realtime", JSON_KIND_UINT64) },
        { JSON_FIELD(CreateRequest, hostname, "hostname", JSON_KIND_STRING) },
        { JSON_FIELD(CreateRequest, domainname, "domainname", JSON_KIND_STRING) },
        { JSON_FIELD(CreateRequest, rows, "rows", JSON_KIND_UINT32) },
        { JSON_FIELD(CreateRequest, cols, "cols", JSON_KIND_UINT32) },
        { JSON_OBJECT_PTR_FIELD(CreateRequest, driver, "driver", driver_manifest_fields) },
        { JSON_FIELD(CreateRequest, id, "id", JSON_KIND_STRING) },
        { JSON_FIELD(CreateRequest, bundle, "bundle", JSON_KIND_STRING) },
        {},
};

const JsonField create_reply_fields[] = {
        { JSON_FIELD(CreateReply, ready_usec, "readyUsec", JSON_KIND_UINT64) },
        { JSON_FIELD(CreateReply, warnings, "warnings", JSON_KIND_STRV) },
        {},
};

const JsonField start_request_fields[] = {
        { JSON_OBJECT_PTR_FIELD(StartRequest, network, "network", network_config_fields) },
        {},
};

const JsonField start_reply_fields[] = {
        { JSON_FIELD(StartReply, started_usec, "startedUsec", JSON_KIND_UINT64) },
        {},
};

const JsonField exec_request_fields[] = {
        { JSON_FIELD(ExecRequest, process, "process", JSON_KIND_UINT32) },
        { JSON_FIELD(ExecRequest, spec, "spec", JSON_KIND_RAW), .flags = JSON_REQUIRED },
        { JSON_FIELD(ExecRequest, cgroup, "cgroup", JSON_KIND_STRING) },
        { JSON_FIELD(ExecRequest, rows, "rows", JSON_KIND_UINT32) },
        { JSON_FIELD(ExecRequest, cols, "cols", JSON_KIND_UINT32) },
        { JSON_FIELD(ExecRequest, proxy, "proxy", JSON_KIND_UINT32) },
        {},
};

const JsonField exec_reply_fields[] = {
        { JSON_FIELD(ExecReply, process, "process", JSON_KIND_UINT32) },
        { JSON_FIELD(ExecReply, pid, "pid", JSON_KIND_INT64) },
        {},
};

const JsonField signal_request_fields[] = {
        { JSON_FIELD(SignalRequest, process, "process", JSON_KIND_UINT32) },
        { JSON_FIELD(SignalRequest, signal, "signal", JSON_KIND_INT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(SignalRequest, all, "all", JSON_KIND_BOOL) },
        {},
};

const JsonField join_reply_fields[] = {
        { JSON_FIELD(JoinReply, container, "container", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        {},
};

const JsonField clock_request_fields[] = {
        { JSON_FIELD(ClockRequest, realtime, "realtime", JSON_KIND_UINT64), .flags = JSON_REQUIRED },
        {},
};

const JsonField resize_request_fields[] = {
        { JSON_FIELD(ResizeRequest, process, "process", JSON_KIND_UINT32) },
        { JSON_FIELD(ResizeRequest, rows, "rows", JSON_KIND_UINT32) },
        { JSON_FIELD(ResizeRequest, cols, "cols", JSON_KIND_UINT32) },
        {},
};

const JsonField exited_fields[] = {
        { JSON_FIELD(Exited, process, "process", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(Exited, status, "status", JSON_KIND_INT32), .flags = JSON_REQUIRED | JSON_WRITE_ZERO },
        { JSON_FIELD(Exited, oom_killed, "oomKilled", JSON_KIND_BOOL) },
        {},
};

static const JsonField process_info_fields[] = {
        { JSON_FIELD(ProcessInfo, pid, "pid", JSON_KIND_INT64), .flags = JSON_REQUIRED },
        { JSON_FIELD(ProcessInfo, parent, "parent", JSON_KIND_INT64), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(ProcessInfo, container_pid, "containerPid", JSON_KIND_INT64) },
        { JSON_FIELD(ProcessInfo, uid, "uid", JSON_KIND_UINT32), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(ProcessInfo, state, "state", JSON_KIND_STRING) },
        { JSON_FIELD(ProcessInfo, start_usec, "startUsec", JSON_KIND_UINT64) },
        { JSON_FIELD(ProcessInfo, cpu_usec, "cpuUsec", JSON_KIND_UINT64), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(ProcessInfo, command, "command", JSON_KIND_STRING) },
        {},
};

const JsonField process_list_fields[] = {
        { JSON_ARRAY_FIELD(ProcessList, processes, "processes", process_info_fields),
          .flags = JSON_WRITE_ZERO },
        {},
};

const JsonField log_message_fields[] = {
        { JSON_FIELD(LogMessage, level, "level", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(LogMessage, message, "message", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        {},
};

const JsonField event_message_fields[] = {
        { JSON_FIELD(EventMessage, event, "event", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        {},
};

const JsonField error_message_fields[] = {
        { JSON_FIELD(ErrorMessage, code, "code", JSON_KIND_INT32) },
        { JSON_FIELD(ErrorMessage, message, "message", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        {},
};

int message_read(const Frame *frame, const JsonField *fields, void *object, Error *err) {
        static const JsonLimits limits = { .bytes = FRAME_MAX_CONTROL };

        if (json_read_text(frame->data, frame->length, &limits, fields, object, err) < 0)
                return error_prefix(err, "%s message", frame_type_name(frame->type));
        return 0;
}

int message_to_error(const Frame *frame, Error *err) {
        ErrorMessage message = { 0 };
        cleanup_free char *text = NULL;
        int code, r;

        r = message_read(frame, error_message_fields, &message, err);
        if (r < 0)
                return r;
        code = message.code > 0 && message.code < 4096 ? message.code : EIO;
        text = str_printable(message.message, strlen(message.message), 4096);
        json_clear(error_message_fields, &message);
        return error_set(err, code, "%s", text);
}
