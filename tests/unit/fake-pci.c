/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake-pci.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/host-root.h"

#define PIPES_MAX 64
#define DRIVERS   "sys/bus/pci/drivers/"
#define DEVICES   "sys/bus/pci/devices/"
#define REAL      "sys/devices/pci0000:00/"

struct FakePci {
        char *path;
        int root;
        pid_t kernel;
};

/* ---- files ---- */

const char *fake_pci_path(const FakePci *fake) {
        return fake->path;
}

int fake_pci_root(const FakePci *fake) {
        return fake->root;
}

static char *below(const FakePci *fake, const char *path) {
        return path_join(fake->path, path);
}

static char *place(const FakePci *fake, const char *path) {
        cleanup_error Error error = { 0 };
        char *whole = below(fake, path), *slash = strrchr(whole, '/');

        *slash = '\0';
        assert_int_equal(path_make_directories(AT_FDCWD, whole, 0755, &error), 0);
        *slash = '/';
        return whole;
}

void fake_pci_write(const FakePci *fake, const char *path, const void *data, size_t length) {
        cleanup_free char *whole = place(fake, path);
        cleanup_error Error error = { 0 };

        assert_int_equal(file_write_atomic(AT_FDCWD, whole, data, length, 0644, &error), 0);
}

void fake_pci_put(const FakePci *fake, const char *path, const char *text) {
        fake_pci_write(fake, path, text, strlen(text));
}

void fake_pci_link(const FakePci *fake, const char *path, const char *target) {
        cleanup_free char *whole = place(fake, path);

        unlink(whole);
        assert_int_equal(symlink(target, whole), 0);
}

char *fake_pci_get(const FakePci *fake, const char *path) {
        cleanup_free char *whole = below(fake, path);
        cleanup_error Error error = { 0 };
        char *text = NULL;

        file_read(AT_FDCWD, whole, 1U << 16, &text, NULL, &error);
        return text;
}

static void make_pipe(const FakePci *fake, const char *path) {
        cleanup_free char *whole = place(fake, path);

        assert_true(mkfifo(whole, 0600) == 0 || errno == EEXIST);
}

static void forget(const FakePci *fake, const char *path) {
        cleanup_free char *whole = below(fake, path);

        unlink(whole);
}

static bool is_there(const FakePci *fake, const char *path) {
        cleanup_free char *whole = below(fake, path);

        return access(whole, F_OK) == 0;
}

/* ---- functions ---- */

void fake_pci_config(unsigned char ret[64]) {
        static const unsigned char begin[] = {
                0xde, 0x10, 0x30, 0x23, 0x02, 0x04, 0x10, 0x00, 0xa1, 0x00, 0x02, 0x03, 0x00,
                0x00, 0x80, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, /* BAR 0: prefetchable, 64 bits, at 8 GiB */
        };

        memset(ret, 0, 64);
        memcpy(ret, begin, sizeof(begin));
}

static void set_driver(const FakePci *fake, const char *address, const char *driver) {
        cleanup_free char *link = xasprintf(DEVICES "%s/driver", address);
        cleanup_free char *node = NULL, *group = xasprintf(DEVICES "%s/group", address);
        cleanup_free char *target = driver ? xasprintf("../../../bus/pci/drivers/%s", driver) : NULL;
        cleanup_free char *number = fake_pci_get(fake, group);

        node = xasprintf("dev/vfio/%s", number);
        if (streq(driver, VFIO_DRIVER))
                fake_pci_put(fake, node, "");
        else
                forget(fake, node);
        if (target)
                fake_pci_link(fake, link, target);
        else
                forget(fake, link);
}

void fake_pci_add(FakePci *fake, const char *address, const char *driver, int group) {
        cleanup_free char *folder = xasprintf(REAL "%s/", address),
                          *device = xasprintf(DEVICES "%s", address);
        cleanup_free char *real = xasprintf("../../../devices/pci0000:00/%s", address);
        cleanup_free char *groups = xasprintf("../../../kernel/iommu_groups/%d", group);
        cleanup_free char *number = xasprintf("%d", group), *link = xasprintf("%siommu_group", folder);
        const struct {
                const char *name, *text;
        } files[] = {
                { "driver_override", "(null)\n" },
                { "power/control", "auto\n" },
                { "power_state", "D0\n" },
                { "reset", "" },
                { "reset_method", "flr bus\n" },
                { "class", "0x030200\n" },
                { "vendor", "0x10de\n" },
                { "device", "0x2330\n" },
                { "modalias", "pci:v000010DE\n" },
                { "group", number },
                { "resource", "0x0000000200000000 0x000000020fffffff 0x000000000014220c\n" },
        };
        unsigned char config[64];
        char *path;

        for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
                path = path_join(folder, files[i].name);
                fake_pci_put(fake, path, files[i].text);
                free(path);
        }
        fake_pci_config(config);
        path = path_join(folder, "config");
        fake_pci_write(fake, path, config, sizeof(config));
        free(path);
        path = path_join(folder, "remove");
        make_pipe(fake, path);
        free(path);
        path = path_join(folder,
                         "uevent"); /* whoever reads this one waits for ever, as behind a driver that hangs */
        make_pipe(fake, path);
        free(path);
        fake_pci_link(fake, link, groups);
        fake_pci_link(fake, device, real);
        if (driver) {
                path = xasprintf(DRIVERS "%s/bind", driver);
                make_pipe(fake, path);
                free(path);
                path = xasprintf(DRIVERS "%s/unbind", driver);
                make_pipe(fake, path);
                free(path);
        }
        set_driver(fake, address, driver);
}

/* ---- its kernel ---- */

typedef struct Kernel {
        const FakePci *fake;
        const FakeFaults *faults;
        struct pollfd pipes[PIPES_MAX];
        char *names[PIPES_MAX]; /* "drivers/X/bind", "remove ADDRESS" */
        size_t count;
} Kernel;

static void listen_to(Kernel *k, const char *path, char *name) {
        cleanup_free char *whole = below(k->fake, path);
        int fd = open(whole, O_RDWR | O_NONBLOCK | O_CLOEXEC);

        if (fd < 0 || k->count >= PIPES_MAX)
                _exit(1);
        k->pipes[k->count] = (struct pollfd){ .fd = fd, .events = POLLIN };
        k->names[k->count++] = name;
}

static char *override_of(const Kernel *k, const char *address) {
        cleanup_free char *path = xasprintf(DEVICES "%s/driver_override", address);
        char *text = fake_pci_get(k->fake, path);

        if (text)
                text[strcspn(text, "\n")] = '\0';
        if (text && (!*text || streq(text, "(null)"))) {
                free(text);
                return NULL;
        }
        return text;
}

static void attach(const Kernel *k, const char *address, const char *driver) {
        cleanup_free char *override = override_of(k, address), *folder = xasprintf(DRIVERS "%s", driver);

        if ((override && !streq(override, driver)) || (!override && streq(driver, VFIO_DRIVER)) ||
            !is_there(k->fake, folder))
                return;
        if (streq(address, k->faults->refused) && streq(driver, VFIO_DRIVER))
                return;
        if (streq(address, k->faults->kept_out) && !streq(driver, VFIO_DRIVER))
                return;
        set_driver(k->fake, address, driver);
}

static void remove_function(const Kernel *k, const char *address) {
        cleanup_free char *path = xasprintf(DEVICES "%s", address);

        /* not when it is found again: whoever waits for that looks at its driver next */
        set_driver(k->fake, address, NULL);
        forget(k->fake, path);
        fake_pci_put(k->fake, "removed", address);
}

static void find_again(const Kernel *k) {
        cleanup_free char *address = fake_pci_get(k->fake, "removed"), *path = NULL, *real = NULL,
                          *config = NULL;

        if (!address || k->faults->lost)
                return;
        config = xasprintf(REAL "%s/config", address);
        if (k->faults->found)
                fake_pci_write(k->fake, config, k->faults->found, 64);
        path = xasprintf(DEVICES "%s", address);
        real = xasprintf("../../../devices/pci0000:00/%s", address);
        fake_pci_link(k->fake, path, real);
}

static void handle(const Kernel *k, const char *name, const char *text) {
        cleanup_strv char **words = strv_split(name, "/ ");

        if (streq(words[0], "probe")) {
                cleanup_free char *override = override_of(k, text);

                if (override)
                        attach(k, text, override);
        } else if (streq(words[0], "rescan")) {
                find_again(k);
        } else if (streq(words[0], "remove")) {
                remove_function(k, words[1]);
        } else if (streq(words[1], "bind")) {
                attach(k, text, words[0]);
        } else {
                set_driver(k->fake, text, NULL);
        }
}

static void listen_to_all(Kernel *k) {
        cleanup_free char *command = xasprintf("cd '%s' && find . -type p", k->fake->path);
        char line[256];
        FILE *list = popen(command, "r"); /* NOLINT(cert-env33-c) */

        while (list && fgets(line, sizeof(line), list)) {
                const char *rest;

                line[strcspn(line, "\n")] = '\0';
                if (str_ends_with(line, "/uevent"))
                        continue;
                if ((rest = str_after(line, "./" DRIVERS))) {
                        cleanup_free char *hangs =
                                xasprintf("%s/unbind", k->faults->hangs ? k->faults->hangs : "");

                        if (!streq(rest, hangs))
                                listen_to(k, line, xstrdup(rest));
                } else if (str_ends_with(line, "/remove")) {
                        cleanup_strv char **parts = strv_split(line, "/");

                        listen_to(k, line, xasprintf("remove %s", parts[strv_length(parts) - 2]));
                } else {
                        listen_to(k, line, xstrdup(str_ends_with(line, "rescan") ? "rescan" : "probe"));
                }
        }
        if (list)
                pclose(list);
}

static __attribute__((noreturn)) void play(const FakePci *fake, const FakeFaults *faults, int ready) {
        Kernel k = { .fake = fake, .faults = faults };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        listen_to_all(&k);
        if (write(ready, "", 1) != 1)
                _exit(1);
        close(ready);
        while (poll(k.pipes, k.count, -1) > 0)
                for (size_t i = 0; i < k.count; i++) {
                        char text[64];
                        ssize_t n = k.pipes[i].revents ? read(k.pipes[i].fd, text, sizeof(text) - 1) : 0;

                        if (n <= 0)
                                continue;
                        text[n] = '\0';
                        handle(&k, k.names[i], text);
                }
        _exit(0);
}

void fake_pci_start(FakePci *fake, const FakeFaults *faults) {
        static const FakeFaults none;
        int ready[2];
        char byte;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        fake->kernel = fork();
        assert_true(fake->kernel >= 0);
        if (fake->kernel == 0)
                play(fake, faults ? faults : &none, ready[1]);
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
}

static void stop(FakePci *fake) {
        if (fake->kernel <= 0)
                return;
        kill(fake->kernel, SIGKILL);
        waitpid(fake->kernel, NULL, 0);
        fake->kernel = 0;
}

void fake_pci_restart(FakePci *fake, const FakeFaults *faults) {
        stop(fake);
        fake_pci_start(fake, faults);
}

/* ---- all of it ---- */

FakePci *fake_pci_new(void) {
        FakePci *fake = xnew(FakePci, 1);
        cleanup_error Error error = { 0 };

        fake->path = xstrdup("/tmp/carrel-pci-XXXXXX");
        assert_non_null(mkdtemp(fake->path));
        fake->root = host_root_open(fake->path, &error);
        assert_true(fake->root >= 0);
        fake_pci_put(fake, "proc/sys/kernel/osrelease", "6.1.0-test\n");
        make_pipe(fake, DRIVERS VFIO_DRIVER "/bind");
        make_pipe(fake, DRIVERS VFIO_DRIVER "/unbind");
        make_pipe(fake, "sys/bus/pci/drivers_probe");
        make_pipe(fake, "sys/bus/pci/rescan");
        return fake;
}

void fake_pci_free(FakePci *fake) {
        cleanup_error Error error = { 0 };

        stop(fake);
        close(fake->root);
        path_remove_tree(AT_FDCWD, fake->path, &error);
        free(fake->path);
        free(fake);
}
