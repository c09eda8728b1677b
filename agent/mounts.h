/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The mounts of config.json: planned and checked by the agent, made by the child.
 *
 * Every mount is first made detached (fsopen(2), open_tree(2)), given its attributes, and only then moved to
 * its place, which is a descriptor found by a look-up that cannot leave the root. So no path is looked up
 * twice, and nobody ever sees a mount without its attributes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/oci/spec.h"

typedef struct MountPlan MountPlan;

/* By the agent. SPEC is borrowed. CGROUP: the folder to show for a cgroup mount of a container without a cgroup
 * namespace. */
int mount_plan_new(const OciSpec *spec, const char *cgroup, MountPlan **ret, Error *err);
MountPlan *mount_plan_free(MountPlan *plan);
DEFINE_CLEANUP(MountPlan *, mount_plan_free);

/* A bind mount stands for /dev: it has its own devices and links. */
bool mount_plan_binds_dev(const MountPlan *plan);

/* By the child: makes all of them below *root, the descriptor of the new root, which is replaced when one
 * of them is for "/" itself. */
int mount_plan_apply(MountPlan *plan, int *root, Error *err);
/* By the child, after the root has got its propagation: that of single mounts. */
int mount_plan_apply_propagation(MountPlan *plan, Error *err);
/* By the child, in the new root, when the program is about to start: engines have changed files since they were mounted
 * (docker 28 writes /etc/hosts and /etc/resolv.conf between `create` and `start`), and for as long as the
 * attributes of the host's files are cached such a file would end where the old one did. */
void mount_plan_look_again(const MountPlan *plan);

/* ---- the parts, for other modules ---- */

/* A detached copy of what is at PATH (AT_FDCWD or a folder; "": DIR itself). */
int mount_copy(int dir, const char *path, bool recursive, Error *err);
/* Sets and clears MOUNT_ATTR_... of the mount FD. */
int mount_change(int fd, bool recursive, uint64_t set, uint64_t clear, Error *err);
int mount_set_propagation(int fd, bool recursive, unsigned long propagation, Error *err);
/* Moves a detached mount onto TARGET. */
int mount_attach(int fd, int target, Error *err);
/* A new, detached mount. SOURCE may be NULL. */
int mount_new(const char *type, const char *source, unsigned long superblock, char *const *data, uint64_t set,
              Error *err);
