/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/crc32.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0xedb88320U /* bits reversed */
#define SLICES     8U

/* tables[k][b]: what byte b does to the sum with k bytes behind it. Eight bytes a step: "slicing by 8" of Kounavis and
 * Berry, A Systematic Approach to Building High Performance Software-Based CRC Generators (2005). */
static uint32_t tables[SLICES][256];
static bool ready;

static void prepare(void) {
        for (uint32_t b = 0; b < 256; b++) {
                uint32_t sum = b;

                for (int bit = 0; bit < 8; bit++)
                        sum = sum & 1U ? sum >> 1 ^ POLYNOMIAL : sum >> 1;
                tables[0][b] = sum;
        }
        for (uint32_t b = 0; b < 256; b++)
                for (unsigned k = 1; k < SLICES; k++)
                        tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xffU];
        ready = true;
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t length) {
        const uint8_t *p = data;
        uint32_t sum = ~crc;

        if (!ready)
                prepare();
        for (; length >= SLICES; length -= SLICES, p += SLICES) {
                uint64_t word;

                memcpy(&word, p, sizeof(word));
                word = le64toh(word) ^ sum;
                sum = 0;
                for (unsigned k = 0; k < SLICES; k++)
                        sum ^= tables[SLICES - 1 - k][word >> 8 * k & 0xffU];
        }
        for (; length > 0; length--, p++)
                sum = sum >> 8 ^ tables[0][(sum ^ *p) & 0xffU];
        return ~sum;
}
