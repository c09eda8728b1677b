/* SPDX-License-Identifier: Apache-2.0
 *
 * A driver for one NVMe disk without a kernel driver, so that DMA through an IOMMU can be proven by any program that
 * sees the disk's sysfs folder: it maps the registers (resource0), finds out where its own pages lie (pagemap), and has
 * the disk read or write them. Commands of NVM Express 1.4, queues of two entries, polling.
 *
 *   nvme-dma SYSFS-FOLDER read FIRST-BLOCK BLOCKS >data
 *   nvme-dma SYSFS-FOLDER write FIRST-BLOCK BLOCKS <data
 *
 * A block has 512 bytes.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096U
#define BLOCK 512U

/* Registers, section 3.1. */
#define CC   0x14U
#define CSTS 0x1cU
#define AQA  0x24U
#define ASQ  0x28U
#define ACQ  0x30U

#define CC_ENABLE     1U
#define CC_SIZES      (6U << 16 | 4U << 20) /* entries: 64 and 16 bytes */
#define CSTS_READY    1U
#define CSTS_FATAL    2U
#define REGISTERS     0x2000U
#define DOORBELLS     0x1000U
#define QUEUE_ENTRIES 2U
#define LIMIT_SECONDS 20

enum { ADMIN_CREATE_SQ = 1, ADMIN_CREATE_CQ = 5, IO_WRITE = 1, IO_READ = 2 };

/* As many pages as one page of their addresses can name, or the disk takes at once (MDTS of QEMU's: 512 KiB). */
#define DATA_PAGES 128U

typedef struct Command {
        uint32_t head, nsid;
        uint64_t reserved, metadata, prp1, prp2;
        uint32_t words[6];
} Command;

typedef struct Completion {
        uint32_t result, reserved;
        uint16_t sq_head, sq_id, id, status; /* status: bit 0 is the phase */
} Completion;

typedef struct Queue {
        Command *commands;
        Completion *completions; /* the disk writes them */
        unsigned id, at, phase;
} Queue;

typedef struct Disk {
        volatile uint8_t *registers;
        Queue admin, io;
        uint8_t *data;
        uint64_t *addresses; /* of its pages behind the first */
} Disk;

static uint32_t get32(const Disk *d, unsigned at) {
        return *(volatile uint32_t *)(d->registers + at);
}

static void set32(Disk *d, unsigned at, uint32_t value) {
        *(volatile uint32_t *)(d->registers + at) = value;
}

static void set64(Disk *d, unsigned at, uint64_t value) {
        set32(d, at, (uint32_t)value);
        set32(d, at + 4, (uint32_t)(value >> 32));
}

/* Memory that stays where it is. */
static void *pages_new(unsigned count) {
        void *p = mmap(NULL, (size_t)count * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

        if (p == MAP_FAILED)
                err(1, "%u pages of memory", count);
        memset(p, 0, (size_t)count * PAGE);
        return p;
}

/* The address the disk has to use for a page. */
static uint64_t address_of(const void *page) {
        static int pagemap = -1;
        uint64_t entry;

        if (pagemap < 0)
                pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        if (pagemap < 0 || pread(pagemap, &entry, sizeof(entry),
                                 (off_t)((uintptr_t)page / PAGE * sizeof(entry))) != sizeof(entry))
                err(1, "/proc/self/pagemap");
        if (!(entry >> 63) || !(entry & ((1ULL << 55) - 1)))
                errx(1, "/proc/self/pagemap does not say where a page is: needs CAP_SYS_ADMIN");
        return (entry & ((1ULL << 55) - 1)) * PAGE;
}

static time_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec;
}

static void wait_ready(const Disk *d, uint32_t ready) {
        time_t end = now() + LIMIT_SECONDS;

        while ((get32(d, CSTS) & CSTS_READY) != ready)
                if (now() > end || get32(d, CSTS) & CSTS_FATAL)
                        errx(1, "the disk does not become %s (status %#x)", ready ? "ready" : "idle",
                             get32(d, CSTS));
}

/* One command, to its end. */
static void execute(Disk *d, Queue *q, const Command *command, const char *what) {
        volatile Completion *completion = &q->completions[q->at];
        time_t end = now() + LIMIT_SECONDS;

        q->commands[q->at] = *command;
        __sync_synchronize();
        set32(d, DOORBELLS + 8 * q->id, (q->at + 1) % QUEUE_ENTRIES);
        while ((le16toh(completion->status) & 1U) != q->phase)
                if (now() > end)
                        errx(1, "%s: no answer from the disk", what);
        __sync_synchronize();
        if (le16toh(completion->status) >> 1)
                errx(1, "%s: the disk says %#x", what, le16toh(completion->status) >> 1);
        q->at = (q->at + 1) % QUEUE_ENTRIES;
        if (q->at == 0)
                q->phase ^= 1U;
        set32(d, DOORBELLS + 8 * q->id + 4, q->at);
}

static void queue_init(Queue *q, unsigned id) {
        *q = (Queue){ .commands = pages_new(1), .completions = pages_new(1), .id = id, .phase = 1 };
}

/* Decoding of memory and bus mastering, by sysfs and configuration space. */
static void enable(const char *folder) {
        char path[512];
        uint16_t command;
        int fd;

        snprintf(path, sizeof(path), "%s/enable", folder);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "1", 1) != 1)
                err(1, "%s", path);
        close(fd);
        snprintf(path, sizeof(path), "%s/config", folder);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || pread(fd, &command, sizeof(command), 4) != sizeof(command))
                err(1, "%s", path);
        command = htole16(le16toh(command) | 6U);
        if (pwrite(fd, &command, sizeof(command), 4) != sizeof(command))
                err(1, "%s", path);
        close(fd);
}

static void disk_open(Disk *d, const char *folder) {
        char path[512];
        Command c;
        int fd;

        enable(folder);
        snprintf(path, sizeof(path), "%s/resource0", folder);
        fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
        if (fd < 0)
                err(1, "%s", path);
        d->registers = mmap(NULL, REGISTERS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (d->registers == MAP_FAILED)
                err(1, "%s", path);
        close(fd);
        set32(d, CC, 0);
        wait_ready(d, 0);
        queue_init(&d->admin, 0);
        queue_init(&d->io, 1);
        set32(d, AQA, (QUEUE_ENTRIES - 1) << 16 | (QUEUE_ENTRIES - 1));
        set64(d, ASQ, address_of(d->admin.commands));
        set64(d, ACQ, address_of(d->admin.completions));
        set32(d, CC, CC_SIZES | CC_ENABLE);
        wait_ready(d, CSTS_READY);

        c = (Command){ .head = ADMIN_CREATE_CQ,
                       .prp1 = address_of(d->io.completions),
                       .words = { (QUEUE_ENTRIES - 1) << 16 | 1, 1 } };
        execute(d, &d->admin, &c, "creating a completion queue");
        c = (Command){ .head = ADMIN_CREATE_SQ,
                       .prp1 = address_of(d->io.commands),
                       .words = { (QUEUE_ENTRIES - 1) << 16 | 1, 1 << 16 | 1 } };
        execute(d, &d->admin, &c, "creating a submission queue");

        d->data = pages_new(DATA_PAGES);
        d->addresses = pages_new(1);
        for (unsigned i = 1; i < DATA_PAGES; i++)
                d->addresses[i - 1] = htole64(address_of(d->data + (size_t)i * PAGE));
}

static void transfer(Disk *d, int operation, uint64_t block, uint32_t count) {
        uint32_t pages = (count * BLOCK + PAGE - 1) / PAGE;
        Command c = { .head = (uint32_t)operation,
                      .nsid = 1,
                      .prp1 = address_of(d->data),
                      .words = { (uint32_t)block, (uint32_t)(block >> 32), count - 1 } };

        if (pages == 2)
                c.prp2 = d->addresses[0];
        else if (pages > 2)
                c.prp2 = address_of(d->addresses);
        execute(d, &d->io, &c, operation == IO_READ ? "reading" : "writing");
}

static uint64_t number(const char *text) {
        char *end;
        uint64_t value;

        errno = 0;
        value = strtoull(text, &end, 0);
        if (errno || end == text || *end)
                errx(2, "%s: not a number", text);
        return value;
}

int main(int argc, char **argv) {
        int operation = argc == 5 && strcmp(argv[2], "write") == 0 ? IO_WRITE : IO_READ;
        uint64_t block, left;
        Disk d = { 0 };

        if (argc != 5 || (operation == IO_READ && strcmp(argv[2], "read") != 0))
                errx(2, "usage: nvme-dma SYSFS-FOLDER read|write FIRST-BLOCK BLOCKS");
        block = number(argv[3]);
        left = number(argv[4]);
        disk_open(&d, argv[1]);
        while (left > 0) {
                uint32_t count =
                        left < DATA_PAGES * PAGE / BLOCK ? (uint32_t)left : DATA_PAGES * PAGE / BLOCK;

                if (operation == IO_WRITE && fread(d.data, BLOCK, count, stdin) != count)
                        errx(1, "standard input ends early");
                transfer(&d, operation, block, count);
                if (operation == IO_READ && fwrite(d.data, BLOCK, count, stdout) != count)
                        err(1, "standard output");
                block += count;
                left -= count;
        }
        set32(&d, CC, 0);
        wait_ready(&d, 0);
        return fflush(stdout) ? 1 : 0;
}
