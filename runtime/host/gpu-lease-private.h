/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between gpu-lease.c and gpu-return.c. */

#include "runtime/host/gpu-lease-file.h"

/* Makes the lease one without a container, with the reason. */
int gpu_quarantine(const LeaseFolder *folder, const GpuLease *lease, const char *reason, Error *err);
