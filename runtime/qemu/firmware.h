/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The descriptors QEMU's packages install beside firmware and vhost-user programs (QEMU's docs/interop/firmware.json
 * and vhost-user.json): parsed here, found by runtime/host. Pure.
 */

#include <stdbool.h>

#include "common/base/error.h"
#include "runtime/plan/facts.h"

/* Reads one firmware descriptor. 1: *ret is filled (cleared with firmware_fact_done()); 0: it is for another
 * architecture, machine or interface than x86_64 q35 UEFI; negative: it is no descriptor. PATH is the file's name. */
int firmware_parse(const char *path, const char *text, size_t length, FirmwareFact *ret, Error *err);
void firmware_fact_done(FirmwareFact *fact);

/* The first that starts a kernel given to QEMU by -kernel without asking who signed it; NULL if none does. */
const FirmwareFact *firmware_choose(const FirmwareFact *firmware, size_t n);

/* Reads one vhost-user descriptor: 1 and the program of a virtiofsd (owned by the caller), 0 for other types. */
int firmware_parse_virtiofsd(const char *text, size_t length, char **ret, Error *err);
