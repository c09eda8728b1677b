/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Namespaces of the container, and what is set in them: ids, host name, sysctls, clocks.
 *
 * The virtual machine is the container's alone. So its network namespace is the guest's, a mount namespace is
 * made always, and a setting that belongs to no namespace is one of the guest as a whole.
 */

#include <stdint.h>
#include <sys/types.h>

#include "common/oci/spec.h"

/* CLONE_NEW... for clone3(2). Cgroup and time namespaces are not among them: the former would be rooted in
 * the agent's cgroup, and the offsets of the latter could not be set any more. A namespace with a path is
 * refused. */
int namespaces_clone_flags(const OciLinux *linux_, uint64_t *ret, Error *err);

/* CLONE_NEW... of the namespaces that are those of the pod (NAMESPACE_OF_POD). */
int namespaces_pod_flags(const OciLinux *linux_);
/* The container whose pid namespace is meant (NAMESPACE_OF_MEMBER); NULL: the pod's, or none of the pod's. Borrowed. */
const char *namespaces_pid_of(const OciLinux *linux_);

/* CLONE_NEW... for setns(2) with a pidfd of the container's process: all of its namespaces. */
int namespaces_join_flags(const OciLinux *linux_);

/* By the agent: uid_map and gid_map of CHILD, which was cloned with CLONE_NEWUSER. */
int namespaces_write_maps(const OciLinux *linux_, pid_t child, Error *err);

/* By the child: root of its user namespace, if it has one, with no supplementary groups. */
int namespaces_become_root(const OciLinux *linux_, Error *err);

/* By the child, once it is in its cgroup and before its ids change: unshares cgroup and time namespaces,
 * and writes the offsets. The program is in the time namespace from its execve(2) on. */
int namespaces_unshare(const OciLinux *linux_, Error *err);

/* By the agent, for itself and so for all that it clones: linux.personality. */
int namespaces_set_personality(const OciLinux *linux_, Error *err);

/* What a setting belongs to. */
typedef enum SettingScope {
        SETTING_GUEST,     /* by the agent */
        SETTING_NAMESPACE, /* by the child, in its namespaces */
        SETTING_NETWORK,   /* by the agent, once the interfaces have their names */
} SettingScope;

/* Hostname, domainname and sysctls of that scope. Needs /proc. */
int namespaces_write_settings(const OciSpec *spec, SettingScope scope, Error *err);

/* "net.ipv4.ip_forward" or "net/ipv4/ip_forward" → "net/ipv4/ip_forward"; the first separator decides
 * which one it is ("net/ipv4/conf/eth0.100/..." keeps its dot, "net.ipv4.conf.eth0/100" gets it back).
 * EINVAL for a name that leads elsewhere. */
int namespaces_sysctl_path(const char *name, char **ret, Error *err);
