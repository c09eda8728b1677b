/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Takes devices as `carrel create` does, without a container, so that the lab can kill it anywhere:
 *
 *   gpu-lease take ROOT ID ADDRESS...   as container ID below ROOT: makes its state folder with a journal, and leaves it
 *                                       as a create that was killed would
 *   gpu-lease hide FILE                 holds FILE open where no process can be seen to (in a message that nobody has
 *                                       received), says "hidden", and waits for the end of standard input
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "runtime/commands/gpu-lease.h"
#include "runtime/host/host-root.h"
#include "runtime/host/pci.h"
#include "runtime/store/store.h"

static int choose(const PciDevice *devices, size_t count, char *const *addresses, GpuChoice *ret,
                  Error *err) {
        GpuSlot *slot = xnew(GpuSlot, 1);

        *ret = (GpuChoice){ .slots = slot, .n_slots = 1 };
        slot->functions = xnew(const PciDevice *, strv_length(addresses) + 1);
        STRV_FOR_EACH (address, addresses) {
                size_t i = 0;

                while (i < count && !streq(devices[i].address, *address))
                        i++;
                if (i == count)
                        return error_set(err, ENODEV, "%s: no such device", *address);
                slot->functions[slot->n_functions++] = &devices[i];
        }
        return 0;
}

static int take(const char *root, const char *id, char *const *addresses, Error *err) {
        cleanup(store_entry_freep) StoreEntry *entry = NULL;
        cleanup_gpu_choice GpuChoice choice = { 0 };
        cleanup_close int host = host_root_open("/", err);
        PciDevice *devices;
        size_t count;
        int r;

        gpu_reclaim_left();
        pci_collect(host, &devices, &count);
        r = choose(devices, count, addresses, &choice, err);
        if (r >= 0)
                r = store_create(root, id, &entry, err);
        return r < 0 ? r : gpu_take(&choice, root, id, entry->dir, err);
}

static int hide(const char *path, Error *err) {
        int pair[2], fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char byte;

        if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_errno(err, "%s", path);
        if (fd_send(pair[0], fd, "", 1, err) < 0)
                return -err->code;
        close(fd);
        printf("hidden\n");
        fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
                ;
        return 0;
}

int main(int argc, char **argv) {
        cleanup_error Error error = { 0 };
        int r;

        if (argc >= 5 && streq(argv[1], "take"))
                r = take(argv[2], argv[3], argv + 4, &error);
        else if (argc == 3 && streq(argv[1], "hide"))
                r = hide(argv[2], &error);
        else
                return 2;
        if (r >= 0)
                return 0;
        fprintf(stderr, "%s\n", error.message);
        return 1;
}
