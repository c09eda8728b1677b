/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The tree shared with the guest: a tmpfs in the shim's own mount namespace with rootfs/ and mounts/N as bind mounts.
 * It vanishes with the shim. */

#include "common/protocol/launch.h"

/* Puts the tree together below <state folder>/vm. The process must be in a mount namespace of its own. Mounts made
 * later on the host below a source still appear (slave propagation); nothing goes back to the host. */
int share_assemble(const LaunchPlan *plan, Error *err);

/* Puts the container's files in front of whoever enters this mount namespace: an engine that copies files (podman cp),
 * a person with nsenter. The process's own paths go on meaning the host's. */
int share_show(const LaunchPlan *plan, Error *err);

/* Lets go of the tree: virtiofsd and QEMU have it in mount namespaces of their own, the shim needs it no more. */
int share_release(const LaunchPlan *plan, Error *err);

/* For a further container of a pod: puts its files into the tree that the pod's guest sees already, below SHARE_MEMBER.
 * NAMESPACE is the mount namespace of the pod's virtiofsd. */
int share_join(const LaunchPlan *plan, int namespace, Error *err);
