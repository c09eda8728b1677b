/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory behind a BAR, by the device's file in sysfs (.../resource2): a word of its own at the beginning and the end of
 * every GiB, so that a BAR which is mapped in part, or to a wrong place, is found out.
 *
 *   bar-memory FILE write SEED     says how large it is, in bytes
 *   bar-memory FILE check SEED     the same, if all words are there
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define GIB  (UINT64_C(1) << 30)

/* The word at OFFSET, which nothing else has. */
static uint64_t word(uint64_t seed, uint64_t offset) {
        return (seed * UINT64_C(0x9e3779b97f4a7c15)) ^ (offset * UINT64_C(0xbf58476d1ce4e5b9)) ^
               UINT64_C(0xca44e1);
}

static void visit(int fd, const char *path, uint64_t offset, uint64_t seed, int write) {
        volatile uint64_t *place =
                mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(offset / PAGE * PAGE));

        if (place == MAP_FAILED)
                err(1, "%s at %#llx", path, (unsigned long long)offset);
        place += offset % PAGE / sizeof(*place);
        if (write)
                *place = word(seed, offset);
        else if (*place != word(seed, offset))
                errx(1, "%s at %#llx: found %#llx, expected %#llx", path, (unsigned long long)offset,
                     (unsigned long long)*place, (unsigned long long)word(seed, offset));
        munmap((void *)((uintptr_t)place / PAGE * PAGE), PAGE);
}

int main(int argc, char **argv) {
        int write = argc == 4 && strcmp(argv[2], "write") == 0, fd;
        uint64_t seed, size;
        struct stat st;

        if (argc != 4 || (!write && strcmp(argv[2], "check") != 0))
                errx(2, "usage: bar-memory FILE write|check SEED");
        seed = strtoull(argv[3], NULL, 10);
        fd = open(argv[1], O_RDWR | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                err(1, "%s", argv[1]);
        size = (uint64_t)st.st_size;
        for (uint64_t at = 0; at < size; at += GIB) {
                uint64_t end = size - at < GIB ? size : at + GIB;

                visit(fd, argv[1], at, seed, write);
                visit(fd, argv[1], end - sizeof(uint64_t), seed, write);
        }
        printf("%llu\n", (unsigned long long)size);
        return fflush(stdout) ? 1 : 0;
}
