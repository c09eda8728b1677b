/* SPDX-License-Identifier: Apache-2.0 */

/* What the runtime can do, as the specification's features.md words it. Engines ask before they count on it. */

#include <stdio.h>

#include <config.h>

#include "common/base/str.h"
#include "common/oci/names.h"
#include "common/oci/spec.h"
#include "runtime/commands/command.h"
#include "runtime/host/scope.h"

static const char *const namespaces[] = { "cgroup", "ipc",  "mount", "network", "pid",
                                          "time",   "user", "uts",   NULL };

/* What the agent knows to do with the options of a mount; others go to the file system. */
static const char *const mount_options[] = {
        "acl",
        "async",
        "atime",
        "bind",
        "defaults",
        "dev",
        "diratime",
        "dirsync",
        "exec",
        "iversion",
        "lazytime",
        "loud",
        "mand",
        "noacl",
        "noatime",
        "nodev",
        "nodiratime",
        "noexec",
        "noiversion",
        "nolazytime",
        "nomand",
        "norelatime",
        "nostrictatime",
        "nosuid",
        "nosymfollow",
        "private",
        "ratime",
        "rbind",
        "rdev",
        "rdiratime",
        "relatime",
        "remount",
        "rexec",
        "rnoatime",
        "rnodev",
        "rnodiratime",
        "rnoexec",
        "rnorelatime",
        "rnostrictatime",
        "rnosuid",
        "rnosymfollow",
        "ro",
        "rprivate",
        "rrelatime",
        "rro",
        "rrw",
        "rshared",
        "rslave",
        "rstrictatime",
        "rsuid",
        "rsymfollow",
        "runbindable",
        "rw",
        "shared",
        "silent",
        "slave",
        "strictatime",
        "suid",
        "symfollow",
        "sync",
        "tmpcopyup",
        "unbindable",
        NULL,
};

static const char *const seccomp_actions[] = {
        "SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
        "SCMP_ACT_TRACE",        "SCMP_ACT_TRAP",        NULL,
};

static const char *const seccomp_operators[] = {
        "SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
        "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};

static const char *const seccomp_archs[] = { "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", NULL };

static void write_list(JsonWriter *w, const char *key, const char *const *list) {
        json_write_key(w, key);
        json_begin_array(w);
        for (; *list; list++)
                json_write_string(w, *list);
        json_end_array(w);
}

static void write_flag(JsonWriter *w, const char *key, bool value) {
        json_write_key(w, key);
        json_write_bool(w, value);
}

static void begin(JsonWriter *w, const char *key) {
        json_write_key(w, key);
        json_begin_object(w);
}

/* Their names are the keys of the table that reads them. */
static void write_hooks(JsonWriter *w) {
        json_write_key(w, "hooks");
        json_begin_array(w);
        for (const JsonField *field = oci_hooks_fields; field->key; field++)
                json_write_string(w, field->key);
        json_end_array(w);
}

static void write_capabilities(JsonWriter *w) {
        json_write_key(w, "capabilities");
        json_begin_array(w);
        for (int cap = 0; oci_capability_name(cap); cap++)
                json_write_string(w, oci_capability_name(cap));
        json_end_array(w);
}

static void write_enabled(JsonWriter *w, const char *key, bool value) {
        begin(w, key);
        write_flag(w, "enabled", value);
        json_end_object(w);
}

static void write_linux(JsonWriter *w) {
        begin(w, "linux");
        write_list(w, "namespaces", namespaces);
        write_capabilities(w);
        begin(w, "cgroup");
        write_flag(w, "v1", true);
        write_flag(w, "v2", true);
        write_flag(w, "systemd", scope_is_supported());
        write_flag(w, "systemdUser", false);
        write_flag(w, "rdma", false);
        json_end_object(w);
        begin(w, "seccomp");
        write_flag(w, "enabled", true);
        write_list(w, "actions", seccomp_actions);
        write_list(w, "operators", seccomp_operators);
        write_list(w, "archs", seccomp_archs);
        json_end_object(w);
        write_enabled(w, "apparmor", false);
        write_enabled(w, "selinux", false);
        write_enabled(w, "intelRdt", false);
        begin(w, "mountExtensions");
        write_enabled(w, "idmap", true);
        json_end_object(w);
        json_end_object(w);
}

static int run(const CommandCall *call, Error *err) {
        JsonWriter w = { .pretty = true };
        cleanup_free char *text = NULL;

        (void)call;
        (void)err;
        json_begin_object(&w);
        json_write_key(&w, "ociVersionMin");
        json_write_string(&w, "1.0.0");
        json_write_key(&w, "ociVersionMax");
        json_write_string(&w, "1.2.0");
        write_hooks(&w);
        write_list(&w, "mountOptions", mount_options);
        write_linux(&w);
        begin(&w, "annotations");
        json_write_key(&w, "io.carrel.version");
        json_write_string(&w, CARREL_VERSION);
        json_write_key(&w, "io.carrel.commit");
        json_write_string(&w, CARREL_COMMIT);
        json_end_object(&w);
        json_end_object(&w);
        text = strbuf_take(&w.out);
        printf("%s\n", text);
        return 0;
}

const Command command_features = {
        .name = "features",
        .only_looks = true,
        .summary = "Show what this runtime can do as JSON",
        .run = run,
};
