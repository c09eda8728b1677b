/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finding firmware and virtiofsd through the descriptors that QEMU's packages install (runtime/qemu/firmware.h reads
 * one; this finds them below ROOT, see host-root.h). */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/plan/facts.h"

/* UEFI firmware for our machine whose code is there, in the order of preference. Each descriptor that cannot be used
 * although it is meant for such a machine adds one line to *PROBLEMS, a strv (may be NULL). */
void descriptors_collect_firmware(int root, FirmwareFact **ret, size_t *ret_count, char ***problems);

/* Through the descriptors, else in the usual places and the folders of SEARCH. Owned by the caller; NULL if none. */
char *descriptors_find_virtiofsd(int root, const char *search);

/* Whether it is the one in Rust. The .c file says how that is told; only a script is started for it (--version). */
bool virtiofsd_is_rust(int root, const char *path);
