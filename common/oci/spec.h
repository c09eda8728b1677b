/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config.json of the OCI runtime specification 1.2 as C structs: what it says, not what we make of it.
 *
 * Both the runtime and the agent read it through the tables in spec.c and linux.c (one parser, one schema). Names
 * are the specification's in snake_case. Strings are NULL when absent. Sizes and counts have the units of the
 * specification (config.md, config-linux.md).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/oci/linux.h"

typedef struct OciRlimit {
        char *type; /* "RLIMIT_NOFILE" */
        uint64_t soft, hard;
} OciRlimit;

typedef struct OciCapabilities {
        char **bounding, **effective, **inheritable, **permitted, **ambient; /* "CAP_CHOWN" */
} OciCapabilities;

typedef struct OciUser {
        uint32_t uid, gid;
        OptUint32 umask;
        uint32_t *additional_gids;
        size_t n_additional_gids;
} OciUser;

typedef struct OciConsoleSize {
        uint32_t height, width; /* characters */
} OciConsoleSize;

typedef struct OciScheduler {
        char *policy; /* "SCHED_OTHER" ... */
        int32_t nice;
        int32_t priority;
        char **flags;
        uint64_t runtime, deadline, period; /* nanoseconds */
} OciScheduler;

typedef struct OciIoPriority {
        char *class; /* "IOPRIO_CLASS_BE" */
        int32_t priority;
} OciIoPriority;

typedef struct OciExecCpuAffinity {
        char *initial, *final; /* cpu lists */
} OciExecCpuAffinity;

typedef struct OciProcess {
        bool terminal;
        OciConsoleSize *console_size;
        OciUser user;
        char **args;
        char **env;
        char *cwd;
        OciCapabilities *capabilities;
        OciRlimit *rlimits;
        size_t n_rlimits;
        bool no_new_privileges;
        char *apparmor_profile;
        OptInt64 oom_score_adj;
        OciScheduler *scheduler;
        char *selinux_label;
        OciIoPriority *io_priority;
        OciExecCpuAffinity *exec_cpu_affinity;
} OciProcess;

typedef struct OciRoot {
        char *path;
        bool readonly;
} OciRoot;

typedef struct OciMount {
        char *destination;
        char *type;
        char *source;
        char **options;
        OciIdMapping *uid_mappings;
        size_t n_uid_mappings;
        OciIdMapping *gid_mappings;
        size_t n_gid_mappings;
} OciMount;

typedef struct OciHook {
        char *path;
        char **args;
        char **env;
        OptInt64 timeout; /* seconds, > 0 */
} OciHook;

typedef struct OciHooks {
        OciHook *prestart, *create_runtime, *create_container, *start_container, *poststart, *poststop;
        size_t n_prestart, n_create_runtime, n_create_container, n_start_container, n_poststart, n_poststop;
} OciHooks;

typedef struct OciSpec {
        char *oci_version;
        OciProcess *process;
        OciRoot *root;
        char *hostname;
        char *domainname;
        OciMount *mounts;
        size_t n_mounts;
        OciHooks *hooks;
        StrMap annotations;
        OciLinux *linux_;
} OciSpec;

extern const JsonField oci_spec_fields[];
extern const JsonField oci_process_fields[];
extern const JsonField oci_hook_fields[];
extern const JsonField oci_hooks_fields[];
extern const JsonField oci_mount_fields[];

/*
 * Reads a whole config.json and checks what the specification demands of it irrespective of the system: version
 * 1.x; root and process present and sane (args non-empty, cwd absolute); absolute mount destinations, hook paths and
 * device paths; well-formed names of capabilities, known names of limits, namespaces, seccomp actions and policies;
 * id mappings non-empty, and there for a new user namespace; no limit or namespace twice. Errors name the key,
 * without the file.
 */
int oci_spec_parse(const char *text, size_t length, OciSpec **ret, Error *err);
int oci_spec_from_tree(const Json *v, OciSpec **ret, Error *err);
OciSpec *oci_spec_free(OciSpec *spec);
DEFINE_CLEANUP(OciSpec *, oci_spec_free);

/* A process.json as `exec --process` takes it; the same checks as for config.json's process. */
int oci_process_parse(const char *text, size_t length, OciProcess **ret, Error *err);
int oci_process_from_tree(const Json *v, OciProcess **ret, Error *err);
OciProcess *oci_process_free(OciProcess *process);
DEFINE_CLEANUP(OciProcess *, oci_process_free);
/* Value of a variable of the environment, NAME with its "=" ("PATH="): of equal names the last counts, since an engine puts its own
 * behind those of the image. NULL: not set, or PROCESS is NULL. */
const char *oci_process_variable(const OciProcess *process, const char *name);

#define OCI_ID_MAX 255U /* NAME_MAX: state folder and cgroup are named so */

/* Ids of containers: 1 to 255 characters of [A-Za-z0-9_+.-], not "." or ".." (runc's rule but for the length). */
int oci_check_id(const char *id, Error *err);
