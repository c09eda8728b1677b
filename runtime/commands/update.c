/* SPDX-License-Identifier: Apache-2.0 */

/* New limits for a container that runs: in its guest, and for the machine as a whole on the host. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/protocol/message.h"
#include "runtime/commands/container.h"
#include "runtime/commands/warning.h"
#include "runtime/host/cgroup.h"
#include "runtime/host/client.h"
#include "runtime/host/scope.h"
#include "runtime/plan/update.h"

#define TIMEOUT_MS   30000 /* taking memory away may take the guest a while */
#define DIGITS_MAX   19U
#define CACHE_REASON "cache and memory bandwidth of the host cannot be assigned from here"

typedef struct Options {
        const char *resources;
        const char *blkio_weight;
        const char *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period, *cpu_rt_runtime,
                *cpu_idle;
        const char *cpuset_cpus, *cpuset_mems;
        const char *memory, *memory_reservation, *memory_swap, *kernel_memory, *kernel_memory_tcp;
        const char *pids_limit;
        const char *cache, *bandwidth;
} Options;

#define FIELD(member, name, letter) OPTION_FIELD(Options, member, name, letter, OPTION_STRING)

static const Option options[] = {
        { FIELD(resources, "resources", 'r'), "FILE",
          "Take the limits from FILE (an OCI resources object; -: standard input)" },
        { FIELD(memory, "memory", 0), "BYTES", "Memory, such as 512m; -1: no limit" },
        { FIELD(memory_reservation, "memory-reservation", 0), "BYTES", "Memory that is left to it" },
        { FIELD(memory_swap, "memory-swap", 0), "BYTES", "Memory and swap together; -1: no limit" },
        { FIELD(cpu_quota, "cpu-quota", 0), "USEC", "CPU time it may use in each period; -1: no limit" },
        { FIELD(cpu_period, "cpu-period", 0), "USEC", "Length of a period" },
        { FIELD(cpu_burst, "cpu-burst", 0), "USEC", "Unused quota that may be saved up" },
        { FIELD(cpu_share, "cpu-share", 0), "N", "Weight against others (1024 is usual)" },
        { FIELD(cpu_idle, "cpu-idle", 0), "0|1", "Run only when nobody else wants to" },
        { FIELD(cpu_rt_period, "cpu-rt-period", 0), "USEC", "Refused: a guest has no realtime guarantee" },
        { FIELD(cpu_rt_runtime, "cpu-rt-runtime", 0), "USEC", "Refused: a guest has no realtime guarantee" },
        { FIELD(cpuset_cpus, "cpuset-cpus", 0), "LIST", "CPUs of the host it may use, such as 0-3,6" },
        { FIELD(cpuset_mems, "cpuset-mems", 0), "LIST", "Memory nodes of the host it may use" },
        { FIELD(pids_limit, "pids-limit", 0), "N", "Processes and threads it may have; -1: no limit" },
        { FIELD(blkio_weight, "blkio-weight", 0), "N",
          "Without effect: block devices of the host are not in the virtual machine" },
        { FIELD(kernel_memory, "kernel-memory", 0), "BYTES",
          "Without effect: the guest's cgroups do not have it" },
        { FIELD(kernel_memory_tcp, "kernel-memory-tcp", 0), "BYTES",
          "Without effect: the guest's cgroups do not have it" },
        { FIELD(cache, "l3-cache-schema", 0), "TEXT", "Without effect: " CACHE_REASON },
        { FIELD(bandwidth, "mem-bw-schema", 0), "TEXT", "Without effect: " CACHE_REASON },
        {},
};

/* ---- options as the specification's document ---- */

typedef enum ValueKind { VALUE_NUMBER, VALUE_BYTES, VALUE_TEXT } ValueKind;

/* Which option is which key. */
static const struct {
        size_t offset;
        const char *object, *key;
        ValueKind kind;
} keys[] = {
        { offsetof(Options, memory), "memory", "limit", VALUE_BYTES },
        { offsetof(Options, memory_reservation), "memory", "reservation", VALUE_BYTES },
        { offsetof(Options, memory_swap), "memory", "swap", VALUE_BYTES },
        { offsetof(Options, kernel_memory), "memory", "kernel", VALUE_BYTES },
        { offsetof(Options, kernel_memory_tcp), "memory", "kernelTCP", VALUE_BYTES },
        { offsetof(Options, cpu_quota), "cpu", "quota", VALUE_NUMBER },
        { offsetof(Options, cpu_period), "cpu", "period", VALUE_NUMBER },
        { offsetof(Options, cpu_burst), "cpu", "burst", VALUE_NUMBER },
        { offsetof(Options, cpu_share), "cpu", "shares", VALUE_NUMBER },
        { offsetof(Options, cpu_idle), "cpu", "idle", VALUE_NUMBER },
        { offsetof(Options, cpu_rt_period), "cpu", "realtimePeriod", VALUE_NUMBER },
        { offsetof(Options, cpu_rt_runtime), "cpu", "realtimeRuntime", VALUE_NUMBER },
        { offsetof(Options, cpuset_cpus), "cpu", "cpus", VALUE_TEXT },
        { offsetof(Options, cpuset_mems), "cpu", "mems", VALUE_TEXT },
        { offsetof(Options, pids_limit), "pids", "limit", VALUE_NUMBER },
        { offsetof(Options, blkio_weight), "blockIO", "weight", VALUE_NUMBER },
};

static const char *option_name(size_t offset) {
        size_t i = 0;

        while (options[i].offset != offset)
                i++;
        return options[i].name;
}

/* "512m", "1.5GiB", "1024"; powers of 1024. */
static bool parse_bytes(const char *text, int64_t *ret) {
        static const char suffixes[] = "bkmgtp";
        size_t digits = strspn(text, "0123456789."), length;
        const char *unit = text + digits, *found = suffixes;
        double number;
        int used = 0;

        if (digits == 0 || digits > DIGITS_MAX || sscanf(text, "%lf%n", &number, &used) != 1 ||
            (size_t)used != digits)
                return false;
        length = strlen(unit);
        if (*unit)
                found = strchr(suffixes, *unit | 0x20);
        if (!found || (length > 1 && strcasecmp(unit + 1, "b") != 0 && strcasecmp(unit + 1, "ib") != 0))
                return false;
        for (; found > suffixes; found--)
                number *= 1024;
        if (number >= (double)INT64_MAX)
                return false;
        *ret = (int64_t)number;
        return true;
}

static bool parse_number(const char *text, int64_t *ret) {
        bool negative = *text == '-';
        uint64_t n;

        if (!str_to_u64(text + negative, 10, INT64_MAX, &n))
                return false;
        *ret = negative ? -(int64_t)n : (int64_t)n;
        return true;
}

static int parse_value(const char *text, size_t i, Json **ret, Error *err) {
        bool bytes = keys[i].kind == VALUE_BYTES;
        int64_t n;

        if (keys[i].kind == VALUE_TEXT) {
                *ret = json_new_string(text);
                return 0;
        }
        if (bytes && !streq(text, "-1") ? !parse_bytes(text, &n) : !parse_number(text, &n)) {
                cleanup_free char *shown = str_printable(text, strlen(text), 64);

                return error_set(err, EINVAL, "--%s: expected %s, found \"%s\"", option_name(keys[i].offset),
                                 bytes ? "a number of bytes such as 512m" : "a number", shown);
        }
        *ret = json_new_int64(n);
        return 0;
}

static int set_options(const Options *given, Json *resources, Error *err) {
        for (size_t i = 0; i < ELEMENTS_OF(keys); i++) {
                const char *text = *(const char *const *)(const void *)((const char *)given + keys[i].offset);
                const Json *old = json_get(resources, keys[i].object);
                Json *object, *value = NULL;

                if (!text)
                        continue;
                if (parse_value(text, i, &value, err) < 0)
                        return -err->code;
                object = json_type(old) == JSON_OBJECT ? json_copy(old) : json_new_object();
                json_set(object, keys[i].key, value);
                json_set(resources, keys[i].object, object);
        }
        return 0;
}

static int read_document(const char *path, Json **ret, Error *err) {
        cleanup_free char *text = NULL;
        size_t length;
        int r;

        r = streq(path, "-") ? fd_read(STDIN_FILENO, JSON_MAX_BYTES, &text, &length, err)
                             : file_read(AT_FDCWD, path, JSON_MAX_BYTES, &text, &length, err);
        if (r >= 0)
                r = json_parse(text, length, NULL, ret, err);
        if (r >= 0 && json_type(*ret) != JSON_OBJECT)
                r = error_set(err, EINVAL, "expected an object, found %s", json_type_name(json_type(*ret)));
        return r < 0 ? error_prefix(err, "--resources %s", path) : 0;
}

/* ---- doing it ---- */

typedef struct Update {
        Container *container;
        Json *tree;
        OciResources *resources;
        UpdatePlan plan;
} Update;

static void update_done(Update *update) {
        container_free(update->container);
        json_free(update->tree);
        oci_resources_free(update->resources);
        update_plan_done(&update->plan);
}

static int read_resources(const Options *given, Update *update, Error *err) {
        cleanup_free char *text = NULL;
        int r = 0;

        if (given->resources)
                r = read_document(given->resources, &update->tree, err);
        else
                update->tree = json_new_object();
        if (r >= 0)
                r = set_options(given, update->tree, err);
        if (r < 0)
                return r;
        text = json_tree_to_text(update->tree, false);
        r = oci_resources_parse(text, strlen(text), &update->resources, err);
        return r < 0 ? error_prefix(err, "linux.resources") : 0;
}

static int update_guest(const Update *update, Error *err) {
        OciResources *inside = xnew(OciResources, 1);
        cleanup(client_freep) Client *client = NULL;
        Frame reply;
        int r;

        r = json_read(update->plan.guest, oci_resources_fields, inside, err);
        if (r >= 0)
                r = client_connect(update->container->entry->dir, &client, err);
        if (r >= 0)
                r = client_request(client, FRAME_UPDATE, oci_resources_fields, inside, TIMEOUT_MS, &reply,
                                   err);
        oci_resources_free(inside);
        return container_check_answer(r, err);
}

static int apply(Update *update, Error *err) {
        const Record *record = update->container->record;
        uint64_t memory = update->plan.host_memory == HOST_MEMORY_LIMIT       ? record->host_memory
                          : update->plan.host_memory == HOST_MEMORY_UNLIMITED ? CGROUP_UNLIMITED
                                                                              : 0;
        ScopeLimits limits = { .memory = memory, .cpu = update->resources->cpu };
        int r;

        /* numbers of CPUs are the host's: if they are wrong, nothing has been changed yet */
        r = cgroup_limit_cpu(record->cgroups, update->resources->cpu, &update->plan.warnings, err);
        if (r >= 0)
                r = update_guest(update, err);
        if (r >= 0)
                r = cgroup_limit_memory(record->cgroups, memory, err);
        /* or it would set them back some day */
        if (r >= 0 && record->scope && (limits.memory || limits.cpu))
                r = scope_limit(record->scope, &limits, err);
        return r;
}

static int run(const CommandCall *call, Error *err) {
        const Options *given = call->options;
        cleanup(update_done) Update update = { 0 };
        MachineSize machine;
        int r;

        r = container_open_locked(call->globals, call->args[0], OCI_UPDATE, &update.container, err);
        if (r >= 0)
                r = read_resources(given, &update, err);
        if (r < 0)
                return r;
        machine.vcpus = update.container->record->vcpus;
        machine.memory = update.container->record->memory;
        machine.host_memory = update.container->record->host_memory;
        r = plan_update(update.resources, update.tree, &machine, &update.plan, err);
        if (r >= 0)
                r = apply(&update, err);
        if (r < 0)
                return r;
        if (given->cache)
                strv_append(&update.plan.warnings, "--l3-cache-schema: " CACHE_REASON);
        if (given->bandwidth)
                strv_append(&update.plan.warnings, "--mem-bw-schema: " CACHE_REASON);
        show_warnings(update.plan.warnings, true);
        keep_warnings(update.plan.warnings, update.container->entry->dir);
        return 0;
}

const Command command_update = {
        .name = "update",
        .args = "ID",
        .summary = "Change the limits of a container",
        .options = options,
        .options_size = sizeof(Options),
        .min_args = 1,
        .max_args = 1,
        .run = run,
};
