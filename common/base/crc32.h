/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CRC-32 as of IEEE 802.3, zip and many others: finds damage, no malice. */

#include <stddef.h>
#include <stdint.h>

/* That of LENGTH bytes behind those whose sum is CRC (0: none). */
uint32_t crc32_add(uint32_t crc, const void *data, size_t length);
