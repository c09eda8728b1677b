/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Names of the specification and of the kernel, and the numbers behind them. Nothing here asks the system: that a
 * name is known does not mean that the running kernel has it. */

#include <stdbool.h>

/* "RLIMIT_NOFILE" to RLIMIT_NOFILE; -1: unknown. */
int oci_rlimit_number(const char *name);

/* A type of linux.namespaces ("pid", "network", ...) to CLONE_NEWPID ...; 0: unknown. */
int oci_namespace_flag(const char *type);
/* And back; NULL: unknown. */
const char *oci_namespace_name(int flag);

/* "SIGTERM", "TERM", "term", "15", "RTMIN+3", "SIGRTMAX-1" to the number; "0" is 0. -1: unknown. */
int oci_signal_number(const char *name);
/* 15 to "SIGTERM", 37 to "SIGRTMIN+3"; NULL: no such signal, or one that the C library keeps to itself. */
const char *oci_signal_name(int number);

/* Capabilities, as the kernel numbers them. NULL if there is none of that number. */
const char *oci_capability_name(int number);
bool oci_is_capability(const char *name);

/* Names the specification enumerates; their numbers are in libseccomp and the kernel's headers. */
bool oci_is_seccomp_action(const char *name);
bool oci_is_seccomp_operator(const char *name);
bool oci_is_scheduler_policy(const char *name);
bool oci_is_io_priority_class(const char *name);
bool oci_is_propagation(const char *name);
