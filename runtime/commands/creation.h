/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Making a container, for `create` and `run`: bundle to plan without effects, then folder, cgroups, shim, hooks, and the
 * guest's half; undone as a whole when any of it fails. */

#include "runtime/commands/container.h"
#include "runtime/host/launch.h"
#include "runtime/host/terminal.h"
#include "runtime/plan/plan.h"

/* Options that `create` and `run` share. */
typedef struct CreateOptions {
        const char *bundle;         /* NULL: the current folder */
        const char *pid_file;       /* NULL: none */
        const char *console_socket; /* NULL: none */
        const char *pidfd_socket;   /* NULL: none */
        char **env;                 /* NAME=VALUE, besides the bundle's */
        bool no_pivot, no_new_keyring;
        uint32_t preserve_fds;
} CreateOptions;

#define CREATE_OPTIONS(type, member)                                                                         \
        { OPTION_FIELD(type, member.bundle, "bundle", 'b', OPTION_STRING), "DIR",                            \
          "Folder with config.json (default: the current one)" },                                            \
                { OPTION_FIELD(type, member.pid_file, "pid-file", 0, OPTION_STRING), "FILE",                 \
                  "Write the container's process id to FILE when all is done" },                             \
                { OPTION_FIELD(type, member.console_socket, "console-socket", 0, OPTION_STRING), "PATH",     \
                  "Send the terminal's master to this AF_UNIX socket" },                                     \
                { OPTION_FIELD(type, member.pidfd_socket, "pidfd-socket", 0, OPTION_STRING), "PATH",         \
                  "Send a pidfd of the container's process to this AF_UNIX socket" },                        \
                { OPTION_FIELD(type, member.env, "env", 'e', OPTION_LIST), "NAME=VALUE",                     \
                  "Set an environment variable of the program, besides the bundle's" },                      \
                { OPTION_FIELD(type, member.no_pivot, "no-pivot", 0, OPTION_FLAG), NULL,                     \
                  "Accepted for compatibility: the guest needs no pivot_root" },                             \
                { OPTION_FIELD(type, member.no_new_keyring, "no-new-keyring", 0, OPTION_FLAG), NULL,         \
                  "Accepted for compatibility: the guest's keyrings are its own" },                          \
        {                                                                                                    \
                OPTION_FIELD(type, member.preserve_fds, "preserve-fds", 0, OPTION_NUMBER), "N",              \
                        "Accepted for compatibility: descriptors cannot be passed into a virtual machine"    \
        }

/* What runc says with the pidfd it sends: of a container's first process, of an exec. */
#define PIDFD_NAME_INIT "standard"
#define PIDFD_NAME_EXEC "setns"

typedef struct ContainerRequest {
        const Globals *globals;
        const CreateOptions *options;
        const char *id;
        bool foreground;    /* the caller waits for the container and proxies its terminal */
        bool show_warnings; /* even when standard error may be the container's */
} ContainerRequest;

/* What the plan is made from; all of it without effects on the system. */
typedef struct Bundle {
        char *path; /* absolute */
        char *text; /* config.json */
        size_t text_length;
        Json *tree;
        OciSpec *spec;
        char *rootfs;          /* absolute */
        RuntimeConfig *config; /* with the bundle's annotations applied */
        GpuRequest gpu;        /* devices it asks for */
} Bundle;

/* PATH NULL: the current folder. CONFIG_FILE NULL: the system's configuration. */
int bundle_load(const char *path, const char *config_file, Bundle *ret, Error *err);
/* Adds variables ("NAME=VALUE") to those of the bundle's process. */
int bundle_add_env(Bundle *bundle, char *const *env, Error *err);
/* For bundle_load(): fills .gpu, and takes out of tree, spec and text what is wrong in a virtual machine (leftovers.h). */
int bundle_find_gpus(Bundle *bundle, Error *err);
/* config.json as it is kept, after its tree was changed. */
void bundle_text_from_tree(Bundle *bundle);
/* The container's root is there. */
int bundle_check_rootfs(const Bundle *bundle, Error *err);
/* Size of the tmpfs that the bundle binds onto /dev/shm; 0 when it binds none. */
uint64_t bundle_shm_bytes(const Bundle *bundle);
void bundle_done(Bundle *bundle);
#define cleanup_bundle cleanup(bundle_done)

typedef struct Created {
        Container *container; /* locked */
        Shim shim;            /* our child */
        Terminal terminal;    /* master of a foreground container's terminal */
} Created;

#define CREATED_NONE                                                                                         \
        { .shim = SHIM_NONE, .terminal = TERMINAL_NONE }

void created_done(Created *created);
#define cleanup_created cleanup(created_done)

int container_create(const ContainerRequest *request, Created *ret, Error *err);

/* Decimal and nothing else, written as a whole. */
int write_pid_file(const char *path, pid_t pid, Error *err);

/* `start`; the container is locked. */
int container_start(Container *container, Error *err);
