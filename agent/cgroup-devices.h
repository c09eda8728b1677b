/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * linux.resources.devices as a BPF program of a cgroup.
 *
 * For each kind of access (read, write, mknod) the last rule that speaks of it and of the device decides;
 * what no rule speaks of is denied. Behind the container's rules come those for the devices every container
 * has, as with runc.
 */

#include <linux/bpf.h>
#include <stddef.h>

#include "common/oci/linux.h"

/* Pure. EINVAL for a rule that cannot be understood. *ret is owned by the caller. */
int cgroup_device_program(const OciDeviceRule *rules, size_t n, struct bpf_insn **ret, size_t *ret_n,
                          Error *err);

/* Loads and attaches it to the cgroup's folder, in place of the program *attached (-1: none), which is
 * replaced by the new one's descriptor. */
int cgroup_set_devices(int cgroup, const OciDeviceRule *rules, size_t n, int *attached, Error *err);
