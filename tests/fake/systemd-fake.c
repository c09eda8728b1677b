/* SPDX-License-Identifier: Apache-2.0 */

/*
 * systemd-fake HIERARCHY...: stands in for systemd's manager on the system bus (DBUS_SYSTEM_BUS_ADDRESS).
 *
 * It starts transient scopes by making their folder in each hierarchy and moving their processes there, stops them by
 * removing it, and prints a line for each call with all properties. Words in the environment make it misbehave:
 * FAKE_SYSTEMD=failed (jobs fail), exists (a unit is there until it is reset), silent (jobs never end).
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"

typedef struct Fake {
        sd_bus *bus;
        char **hierarchies;
        char *unit, *folder; /* the one there is */
        uint32_t job;
        bool exists;
} Fake;

typedef struct Properties {
        char *slice;
        uint32_t pid;
} Properties;

static bool word(const char *w) {
        return streq(getenv("FAKE_SYSTEMD"), w);
}

/* ---- properties ---- */

static int show_number(sd_bus_message *m, const char *type) {
        uint64_t n = 0;
        int flag = 0, r;

        r = sd_bus_message_read(m, type, *type == 'b' ? (void *)&flag : (void *)&n);
        if (*type == 'b')
                printf("%s", flag ? "true" : "false");
        else
                printf("%" PRIu64, n);
        return r;
}

static int show_string(sd_bus_message *m, const char *name, Properties *ret) {
        const char *s;
        int r = sd_bus_message_read(m, "s", &s);

        if (r < 0)
                return r;
        printf("\"%s\"", s);
        if (streq(name, "Slice")) {
                free(ret->slice);
                ret->slice = xstrdup(s);
        }
        return 0;
}

static int show_array(sd_bus_message *m, const char *type, Properties *ret) {
        const void *data;
        size_t size;
        int r = sd_bus_message_read_array(m, type[1], &data, &size);

        if (r < 0)
                return r;
        for (size_t i = 0; type[1] == 'y' && i < size; i++)
                printf("%02x", ((const uint8_t *)data)[i]);
        if (type[1] == 'u' && size >= sizeof(ret->pid)) {
                memcpy(&ret->pid, data, sizeof(ret->pid));
                printf("%zu", size / sizeof(ret->pid));
        }
        return 0;
}

static int show_property(sd_bus_message *m, Properties *ret) {
        const char *name, *type;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, NULL, &type);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'v', type);
        if (r < 0)
                return r;
        printf(" %s=", name);
        r = *type == 'a'   ? show_array(m, type, ret)
            : *type == 's' ? show_string(m, name, ret)
                           : show_number(m, type);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int show_properties(sd_bus_message *m, Properties *ret) {
        int r = sd_bus_message_enter_container(m, 'a', "(sv)");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sv")) > 0) {
                r = show_property(m, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        printf("\n");
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ---- units ---- */

/* What this program needs of slices: "a.slice" and "a-b.slice". */
static char *folder_of(const char *slice, const char *unit) {
        const char *dash = strchr(slice, '-');

        return dash ? xasprintf("/%.*s.slice/%s/%s", (int)(dash - slice), slice, slice, unit)
                    : xasprintf("/%s/%s", slice, unit);
}

static void make_unit(Fake *fake, const char *unit, const Properties *properties) {
        cleanup_free char *pid = xasprintf("%u", properties->pid);

        fake->unit = xstrdup(unit);
        fake->folder = folder_of(properties->slice, unit);
        STRV_FOR_EACH (hierarchy, fake->hierarchies) {
                cleanup_free char *folder = xasprintf("%s%s", *hierarchy, fake->folder);
                cleanup_free char *procs = path_join(folder, "cgroup.procs");
                cleanup_error Error error = { 0 };

                if (path_make_directories(AT_FDCWD, folder, 0755, &error) < 0 ||
                    file_write(AT_FDCWD, procs, pid, &error) < 0)
                        printf("fault: %s\n", error.message);
        }
}

static void remove_unit(Fake *fake) {
        STRV_FOR_EACH (hierarchy, fake->hierarchies) {
                cleanup_free char *folder = xasprintf("%s%s", *hierarchy, fake->folder);

                /* and the slices, which are nobody else's in a test */
                for (char *slash; strlen(folder) > strlen(*hierarchy) && (slash = strrchr(folder, '/'));
                     *slash = '\0')
                        if (rmdir(folder) < 0 && errno != ENOENT)
                                break;
        }
        free(TAKE_PTR(fake->unit));
        free(TAKE_PTR(fake->folder));
}

static int answer_job(Fake *fake, sd_bus_message *m, const char *unit) {
        cleanup_free char *path = xasprintf(PATH "/job/%u", ++fake->job);
        int r = 0;

        /* another's job in between, which is not to be taken for ours */
        sd_bus_emit_signal(fake->bus, PATH, NAME ".Manager", "JobRemoved", "uoss", 9999, PATH "/job/9999",
                           unit, "canceled");
        if (!word("silent"))
                r = sd_bus_emit_signal(fake->bus, PATH, NAME ".Manager", "JobRemoved", "uoss", fake->job,
                                       path, unit, word("failed") ? "failed" : "done");
        return r < 0 ? r : sd_bus_reply_method_return(m, "o", path);
}

/* ---- methods ---- */

static int on_start(sd_bus_message *m, void *user, sd_bus_error *error) {
        Properties properties = { 0 };
        Fake *fake = user;
        const char *unit, *mode;
        int r;

        r = sd_bus_message_read(m, "ss", &unit, &mode);
        if (r < 0)
                return r;
        printf("StartTransientUnit %s %s", unit, mode);
        r = show_properties(m, &properties);
        if (r >= 0 && fake->exists)
                r = sd_bus_error_setf(error, NAME ".UnitExists", "Unit %s already exists.", unit);
        if (r >= 0 && !properties.slice)
                r = sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "no slice");
        if (r >= 0 && !word("failed"))
                make_unit(fake, unit, &properties);
        free(properties.slice);
        return r < 0 ? r : answer_job(fake, m, unit);
}

static int on_stop(sd_bus_message *m, void *user, sd_bus_error *error) {
        const char *unit, *mode;
        Fake *fake = user;
        int r;

        r = sd_bus_message_read(m, "ss", &unit, &mode);
        if (r < 0)
                return r;
        printf("StopUnit %s %s\n", unit, mode);
        if (!streq(fake->unit, unit))
                return sd_bus_error_setf(error, NAME ".NoSuchUnit", "Unit %s not loaded.", unit);
        remove_unit(fake);
        return answer_job(fake, m, unit);
}

static int on_reset(sd_bus_message *m, void *user, sd_bus_error *error) {
        const char *unit;
        Fake *fake = user;
        int r;

        (void)error;
        r = sd_bus_message_read(m, "s", &unit);
        if (r < 0)
                return r;
        printf("ResetFailedUnit %s\n", unit);
        fake->exists = false;
        return sd_bus_reply_method_return(m, "");
}

static int on_set(sd_bus_message *m, void *user, sd_bus_error *error) {
        Properties properties = { 0 };
        const char *unit;
        int runtime, r;

        (void)user;
        (void)error;
        r = sd_bus_message_read(m, "sb", &unit, &runtime);
        if (r < 0)
                return r;
        printf("SetUnitProperties %s %s", unit, runtime ? "runtime" : "for ever");
        r = show_properties(m, &properties);
        free(properties.slice);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

static int on_subscribe(sd_bus_message *m, void *user, sd_bus_error *error) {
        (void)user;
        (void)error;
        return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable manager[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", on_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StopUnit", "ss", "o", on_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ResetFailedUnit", "s", "", on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", on_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
        SD_BUS_VTABLE_END,
};

int main(int argc, char **argv) {
        Fake fake = { .hierarchies = argv + 1, .exists = word("exists") };
        int r;

        (void)argc;
        setvbuf(stdout, NULL, _IOLBF, 0);
        r = sd_bus_open_system(&fake.bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(fake.bus, NULL, PATH, NAME ".Manager", manager, &fake);
        if (r >= 0)
                r = sd_bus_request_name(fake.bus, NAME, 0);
        if (r >= 0)
                printf("ready\n");
        while (r >= 0) {
                r = sd_bus_process(fake.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(fake.bus, UINT64_MAX);
        }
        fprintf(stderr, "systemd-fake: %s\n", strerror(-r));
        return 1;
}
