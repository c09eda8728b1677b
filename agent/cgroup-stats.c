/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Statistics in the form of runc's `events --stats` ("data"): names and units are those of cgroup v1, which
 * its readers expect (nanoseconds, not microseconds). What the kernel does not count is left out.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroup-private.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define FILE_MAX    (1U << 20)
#define NET_FOLDER  "/sys/class/net"
#define NSEC_A_USEC 1000U

/* NULL: there is no such file. */
static char *read_text(int folder, const char *file) {
        cleanup_error Error ignored = { 0 };
        char *text = NULL;

        return file_read(folder, file, FILE_MAX, &text, NULL, &ignored) < 0 ? NULL : text;
}

/* False: no such file, or no number in it. "max" is the largest number, as v1 had it. */
static bool read_number(int folder, const char *file, uint64_t *ret) {
        cleanup_free char *text = read_text(folder, file);

        if (!text)
                return false;
        text[strcspn(text, "\n")] = '\0';
        if (streq(text, "max")) {
                *ret = UINT64_MAX;
                return true;
        }
        return str_to_u64(text, 10, UINT64_MAX, ret);
}

static uint64_t find(const char *text, const char *key) {
        uint64_t value = 0;

        if (text)
                cgroup_find_value(text, key, &value);
        return value;
}

static void put(JsonWriter *w, const char *key, uint64_t value) {
        json_write_key(w, key);
        json_write_uint64(w, value);
}

static void open_object(JsonWriter *w, const char *key) {
        json_write_key(w, key);
        json_begin_object(w);
}

static void write_cpu(int folder, JsonWriter *w) {
        cleanup_free char *text = read_text(folder, "cpu.stat");

        open_object(w, "cpu");
        open_object(w, "usage");
        put(w, "total", find(text, "usage_usec") * NSEC_A_USEC);
        put(w, "kernel", find(text, "system_usec") * NSEC_A_USEC);
        put(w, "user", find(text, "user_usec") * NSEC_A_USEC);
        json_end_object(w);
        open_object(w, "throttling");
        put(w, "periods", find(text, "nr_periods"));
        put(w, "throttledPeriods", find(text, "nr_throttled"));
        put(w, "throttledTime", find(text, "throttled_usec") * NSEC_A_USEC);
        json_end_object(w);
        json_end_object(w);
}

/* ---- memory ---- */

/* "KEY NUMBER" lines as members. */
static void write_raw(const char *text, JsonWriter *w) {
        cleanup_strv char **lines = strv_split(text, "\n");

        open_object(w, "raw");
        STRV_FOR_EACH (line, lines) {
                char *number = strchr(*line, ' ');
                uint64_t value;

                if (!number)
                        continue;
                *number++ = '\0';
                if (str_to_u64(number, 10, UINT64_MAX, &value))
                        put(w, *line, value);
        }
        json_end_object(w);
}

static void write_memory_entry(JsonWriter *w, const char *key, uint64_t limit, uint64_t usage, uint64_t max,
                               uint64_t failures) {
        open_object(w, key);
        put(w, "limit", limit);
        put(w, "usage", usage);
        put(w, "max", max);
        put(w, "failcnt", failures);
        json_end_object(w);
}

static uint64_t sum(uint64_t a, uint64_t b) {
        return a == UINT64_MAX || b == UINT64_MAX ? UINT64_MAX : a + b;
}

static void write_memory(int folder, JsonWriter *w) {
        cleanup_free char *stat = read_text(folder, "memory.stat"),
                          *events = read_text(folder, "memory.events");
        uint64_t usage = 0, limit = UINT64_MAX, peak = 0, swap = 0, swap_limit = UINT64_MAX;

        read_number(folder, "memory.current", &usage);
        read_number(folder, "memory.max", &limit);
        read_number(folder, "memory.peak", &peak);
        open_object(w, "memory");
        put(w, "cache", find(stat, "file"));
        write_memory_entry(w, "usage", limit, usage, peak, find(events, "max"));
        /* v1 counts memory and swap together. */
        if (read_number(folder, "memory.swap.current", &swap)) {
                read_number(folder, "memory.swap.max", &swap_limit);
                write_memory_entry(w, "swap", sum(limit, swap_limit), usage + swap, 0, 0);
        }
        write_memory_entry(w, "kernel", 0, find(stat, "kernel"), 0, 0);
        write_memory_entry(w, "kernelTCP", 0, find(stat, "sock"), 0, 0);
        if (stat)
                write_raw(stat, w);
        json_end_object(w);
}

static void write_pids(int folder, JsonWriter *w) {
        uint64_t current = 0, limit = 0;

        read_number(folder, "pids.current", &current);
        /* No limit is 0 here. */
        if (!read_number(folder, "pids.max", &limit) || limit == UINT64_MAX)
                limit = 0;
        open_object(w, "pids");
        put(w, "current", current);
        if (limit > 0)
                put(w, "limit", limit);
        json_end_object(w);
}

/* ---- block devices ---- */

/* One entry of "8:0 rbytes=1 wbytes=2 rios=3 ..." */
static void write_io_entry(JsonWriter *w, const char *device, const char *fields, const char *name,
                           const char *op) {
        const char *found = strstr(fields, name), *minor = strchr(device, ':');
        cleanup_free char *major = xstrndup(device, (size_t)(minor - device)), *value = NULL;
        uint64_t number;

        if (!found)
                return;
        found += strlen(name);
        value = xstrndup(found, strcspn(found, " "));
        json_begin_object(w);
        if (str_to_u64(major, 10, UINT32_MAX, &number))
                put(w, "major", number);
        if (str_to_u64(minor + 1, 10, UINT32_MAX, &number))
                put(w, "minor", number);
        json_write_key(w, "op");
        json_write_string(w, op);
        if (str_to_u64(value, 10, UINT64_MAX, &number))
                put(w, "value", number);
        json_end_object(w);
}

static void write_io_list(JsonWriter *w, const char *key, char *const *lines, const char *const names[3]) {
        static const char *const ops[] = { "Read", "Write", "Discard" };

        json_write_key(w, key);
        json_begin_array(w);
        STRV_FOR_EACH (line, lines) {
                size_t length = strcspn(*line, " ");
                cleanup_free char *device = xstrndup(*line, length);

                for (size_t i = 0; strchr(device, ':') && i < ELEMENTS_OF(ops); i++)
                        write_io_entry(w, device, *line + length, names[i], ops[i]);
        }
        json_end_array(w);
}

static void write_block_io(int folder, JsonWriter *w) {
        static const char *const bytes[] = { " rbytes=", " wbytes=", " dbytes=" };
        static const char *const operations[] = { " rios=", " wios=", " dios=" };
        cleanup_free char *text = read_text(folder, "io.stat");
        cleanup_strv char **lines = text ? strv_split(text, "\n") : NULL;

        open_object(w, "blkio");
        write_io_list(w, "ioServiceBytesRecursive", lines, bytes);
        write_io_list(w, "ioServicedRecursive", lines, operations);
        json_end_object(w);
}

/* ---- huge pages, interfaces ---- */

static void write_hugetlb_size(int folder, const char *size, JsonWriter *w) {
        cleanup_free char *current = xasprintf("hugetlb.%s.current", size);
        cleanup_free char *events = xasprintf("hugetlb.%s.events", size), *text = read_text(folder, events);
        uint64_t usage = 0;

        read_number(folder, current, &usage);
        open_object(w, size);
        put(w, "usage", usage);
        put(w, "failcnt", find(text, "max"));
        json_end_object(w);
}

static void write_hugetlb(int folder, JsonWriter *w) {
        int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = own >= 0 ? fdopendir(own) : NULL;
        struct dirent *entry;

        open_object(w, "hugetlb");
        while (d && (entry = readdir(d))) {
                const char *rest = str_after(entry->d_name, "hugetlb.");
                const char *dot = rest ? strchr(rest, '.') : NULL;

                if (dot && streq(dot, ".current")) {
                        cleanup_free char *size = xstrndup(rest, (size_t)(dot - rest));

                        write_hugetlb_size(folder, size, w);
                }
        }
        if (d)
                closedir(d);
        json_end_object(w);
}

static void write_interface(const char *name, JsonWriter *w) {
        static const struct {
                const char *key, *file;
        } counters[] = {
                { "RxBytes", "rx_bytes" },     { "RxPackets", "rx_packets" }, { "RxErrors", "rx_errors" },
                { "RxDropped", "rx_dropped" }, { "TxBytes", "tx_bytes" },     { "TxPackets", "tx_packets" },
                { "TxErrors", "tx_errors" },   { "TxDropped", "tx_dropped" },
        };

        json_begin_object(w);
        json_write_key(w, "Name");
        json_write_string(w, name);
        for (size_t i = 0; i < ELEMENTS_OF(counters); i++) {
                cleanup_free char *file = xasprintf(NET_FOLDER "/%s/statistics/%s", name, counters[i].file);
                uint64_t value = 0;

                read_number(AT_FDCWD, file, &value);
                put(w, counters[i].key, value);
        }
        json_end_object(w);
}

static void write_interfaces(JsonWriter *w) {
        DIR *d = opendir(NET_FOLDER);
        struct dirent *entry;

        json_write_key(w, "network_interfaces");
        json_begin_array(w);
        while (d && (entry = readdir(d)))
                if (entry->d_name[0] != '.' && !streq(entry->d_name, "lo"))
                        write_interface(entry->d_name, w);
        if (d)
                closedir(d);
        json_end_array(w);
}

int cgroup_write_stats(const Cgroup *cgroup, JsonWriter *w, Error *err) {
        if (faccessat(cgroup->fd, "cgroup.procs", F_OK, 0) < 0)
                return error_errno(err, "%s", cgroup->path);
        json_begin_object(w);
        write_cpu(cgroup->fd, w);
        write_memory(cgroup->fd, w);
        write_pids(cgroup->fd, w);
        write_block_io(cgroup->fd, w);
        write_hugetlb(cgroup->fd, w);
        write_interfaces(w);
        json_end_object(w);
        return 0;
}
