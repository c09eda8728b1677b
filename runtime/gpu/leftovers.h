/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What engines and NVIDIA's tools put into a bundle for containers that share the host's driver, and what is wrong in a
 * virtual machine, which has a driver of its own: hooks, files of the driver, device nodes. Pure.
 */

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/oci/spec.h"

/* A hook of NVIDIA's container toolkit, or of a CDI file that it wrote, or containerd's that calls it. ARGS: NULL for none. */
bool gpu_hook_is_nvidias(const char *path, char *const *args);

/* The value of --device of containerd's hook (ctr run --gpus); NULL: it is another. */
const char *gpu_hook_devices(const OciHook *hook);

/* The bundle has the hook that acts on NVIDIA_VISIBLE_DEVICES (docker adds it for --gpus). */
bool gpu_has_visible_devices_hook(const OciHooks *hooks);

/*
 * Takes the hooks out of TREE, a whole config.json, and, where a device is PASSED, files of the host's driver and the
 * nodes of GPUs. NOTES takes a line on each kind. True: something was taken out.
 */
bool gpu_leftovers_drop(Json *tree, bool passed, char ***notes);

/* A device node of GPUs, or of their drivers, or of vfio. */
bool gpu_node_is_of_gpu(const char *path);

/* What the two of them leave out, as lines of the table in docs/spec-support.md: KEY, VERDICT, why. */
void gpu_leftovers_describe(StrBuf *out, const char *verdict);
