/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a filter says about system calls that are newer than itself.
 *
 * A profile lists what it knows; all else gets its default action, often EPERM. C libraries try new system
 * calls first and fall back to old ones only at ENOSYS. So, as runc does, a few instructions in front of the
 * filter answer ENOSYS to numbers above every one that the profile names.
 */

#include <linux/filter.h>
#include <stddef.h>

#include "common/oci/linux.h"

#define SECCOMP_MAX_ARCHITECTURES 32U

/* ARCHITECTURES: SCMP_ARCH_... that the filter CODE holds for. *ret is a new program, with or without
 * instructions in front; owned by the caller. */
int seccomp_refuse_newer(const OciSeccomp *spec, const uint32_t *architectures, size_t n_architectures,
                         const struct sock_filter *code, size_t n_code, struct sock_filter **ret,
                         unsigned short *ret_n, Error *err);
