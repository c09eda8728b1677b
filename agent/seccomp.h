/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * linux.seccomp as a BPF program: compiled by the agent, where errors can be told and memory is at hand;
 * loaded by the child in one system call.
 *
 * As with runc, names of system calls unknown to libseccomp are skipped, and system calls that are newer than
 * every one the filter names fail with ENOSYS rather than with the default action, so that programs fall back
 * to older ones.
 */

#include <linux/filter.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/oci/linux.h"

typedef struct Seccomp {
        struct sock_filter *code;
        unsigned short n_code;
        unsigned flags; /* SECCOMP_FILTER_FLAG_... */
} Seccomp;

/* SCMP_ACT_NOTIFY, listenerPath and SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV are refused. *ret is NULL for a
 * filter that allows everything. */
int seccomp_new(const OciSeccomp *spec, Seccomp **ret, Error *err);
Seccomp *seccomp_free(Seccomp *seccomp);
DEFINE_CLEANUP(Seccomp *, seccomp_free);

/* Needs no_new_privs or CAP_SYS_ADMIN in the caller's user namespace. NULL: does nothing. */
int seccomp_apply(const Seccomp *seccomp, Error *err);
