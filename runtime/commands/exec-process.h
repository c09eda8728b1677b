/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The OCI process object of an exec: from a file, or the container's own with what the command line changes. Pure. */

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/json.h"

typedef struct ExecChanges {
        char **args;            /* program and arguments */
        const char *cwd;        /* NULL: the container's */
        char **env;             /* added */
        const char *user;       /* "UID[:GID]"; NULL: the container's */
        char **additional_gids; /* numbers */
        char **caps;            /* added: "CAP_SYS_ADMIN" or "sys_admin" */
        bool tty;
        bool no_new_privs;
        const char *apparmor;
        const char *selinux_label;
} ExecChanges;

/* Puts variables ("NAME=VALUE", anything else is EINVAL) behind those of an OCI process object; of two with one name the
 * last counts. */
int exec_process_add_env(Json *process, char *const *env, Error *err);

/* CONFIG is the container's config.json. */
int exec_process_make(const Json *config, const ExecChanges *changes, Json **ret, Error *err);
