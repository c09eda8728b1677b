/* SPDX-License-Identifier: Apache-2.0
 *
 * PID 1 of the smoke test of the guest kernel (see smoke/run). It tries what the
 * runtime needs of the kernel, one console line for each: "ok NAME" or
 * "FAIL NAME: why". What follows `--` on the kernel command line asks for more:
 *
 *   virtiofs=TAG  9p=TAG   mount the share, read `hello`, write `answer`
 *   module=PATH            load a module (from the virtio-fs share)
 *   watch                  report CPUs, memory and network cards as they change
 *   kmsg                   print the kernel log
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHARE         "/run/share"
#define WATCH_SECONDS 20

static void result(const char *name, int r) {
        if (r < 0)
                printf("FAIL %s: %s\n", name, strerror(errno));
        else
                printf("ok %s\n", name);
}

static void require(const char *name, int good, const char *format, ...) {
        va_list ap;

        if (good) {
                printf("ok %s\n", name);
                return;
        }
        printf("FAIL %s: ", name);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        putchar('\n');
}

static const char *slurp(const char *path, char *buffer, size_t size) {
        ssize_t n;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        n = fd < 0 ? -1 : read(fd, buffer, size - 1);
        if (fd >= 0)
                close(fd);
        buffer[n < 0 ? 0 : n] = '\0';
        return buffer;
}

static void check_lists(void) {
        static const char *const filesystems[] = { "proc",   "sysfs",    "tmpfs", "devtmpfs", "cgroup2",
                                                   "mqueue", "devpts",   "ext4",  "erofs",    "overlay",
                                                   "fuse",   "virtiofs", "9p",    "nfs",      "nfs4",
                                                   "autofs", "hugetlbfs" };
        static const char *const controllers[] = { "cpuset",  "cpu",  "io",   "memory",
                                                   "hugetlb", "pids", "rdma", "misc" };
        char text[8192];

        slurp("/proc/filesystems", text, sizeof(text));
        for (size_t i = 0; i < sizeof(filesystems) / sizeof(*filesystems); i++) {
                char word[32];

                snprintf(word, sizeof(word), "\t%s\n", filesystems[i]);
                require(filesystems[i], strstr(text, word) != NULL, "not in /proc/filesystems");
        }
        slurp("/run/cgroup/cgroup.controllers", text, sizeof(text));
        for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++)
                require(controllers[i], strstr(text, controllers[i]) != NULL, "not in cgroup.controllers: %s",
                        text);
}

static void check_namespaces(void) {
        static const struct {
                const char *name;
                int flag;
        } kinds[] = { { "mnt", CLONE_NEWNS },        { "uts", CLONE_NEWUTS }, { "ipc", CLONE_NEWIPC },
                      { "pid", CLONE_NEWPID },       { "net", CLONE_NEWNET }, { "user", CLONE_NEWUSER },
                      { "cgroup", CLONE_NEWCGROUP }, { "time", 0x00000080 } };

        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
                char name[32];

                snprintf(name, sizeof(name), "namespace-%s", kinds[i].name);
                fflush(stdout);
                if (fork() == 0) {
                        result(name, unshare(kinds[i].flag));
                        fflush(stdout);
                        _exit(0);
                }
                wait(NULL);
        }
}

static void try_share(const char *type, const char *tag, const char *options) {
        char path[256], text[64];
        int fd;

        snprintf(path, sizeof(path), SHARE "-%s", type);
        mkdir(path, 0755);
        if (mount(tag, path, type, 0, options) < 0) {
                result(type, -1);
                return;
        }
        snprintf(path, sizeof(path), SHARE "-%s/hello", type);
        require(type, strcmp(slurp(path, text, sizeof(text)), "hello\n") == 0, "read \"%s\"", text);
        snprintf(path, sizeof(path), SHARE "-%s/answer-%s", type, type);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        result("write to the share", fd < 0 ? -1 : (int)write(fd, "answer\n", 7));
}

static void load_module(const char *path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        result("module", fd < 0 ? -1 : (int)syscall(SYS_finit_module, fd, "", 0));
}

static long memory_mib(void) {
        char text[256];
        long kib = 0;

        sscanf(slurp("/proc/meminfo", text, sizeof(text)), "MemTotal: %ld", &kib);
        return kib / 1024;
}

/* The kernel brings memory on line by itself; CPUs wait to be asked. */
static void online_cpus(void) {
        for (int i = 1; i < 512; i++) {
                char path[64];
                int fd;

                snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", i);
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd < 0)
                        return;
                if (write(fd, "1", 1) < 0)
                        printf("FAIL %s: %s\n", path, strerror(errno));
                close(fd);
        }
}

static void watch(void) {
        long seen_cpus = -1, seen_mib = -1;
        int seen_nic = -1;

        for (int i = 0; i < WATCH_SECONDS * 10; i++) {
                long cpus = sysconf(_SC_NPROCESSORS_ONLN), mib = memory_mib();
                int nic = access("/sys/class/net/eth0", F_OK) == 0;

                if (cpus != seen_cpus || mib != seen_mib || nic != seen_nic)
                        printf("state cpus=%ld memory=%ld nic=%d\n", cpus, mib, nic);
                seen_cpus = cpus;
                seen_mib = mib;
                seen_nic = nic;
                online_cpus();
                nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        }
}

static void print_kmsg(void) {
        char record[8192];
        ssize_t n;
        int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        while (fd >= 0 && (n = read(fd, record, sizeof(record) - 1)) > 0) {
                unsigned long long microseconds = 0;
                char *message;

                record[n] = '\0';
                sscanf(record, "%*u,%*u,%llu", &microseconds);
                message = strchr(record, ';');
                printf("kmsg %llu %.*s\n", microseconds, (int)strcspn(message + 1, "\n"), message + 1);
        }
}

static const char *value(const char *argument, const char *name) {
        size_t n = strlen(name);

        return strncmp(argument, name, n) == 0 ? argument + n : NULL;
}

int main(int argc, char **argv) {
        const char *v;

        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("smoke: init, tsc %llu\n", (unsigned long long)__builtin_ia32_rdtsc());
        result("proc", mount("proc", "/proc", "proc", 0, NULL));
        result("sysfs", mount("sysfs", "/sys", "sysfs", 0, NULL));
        result("devtmpfs", mount("devtmpfs", "/dev", "devtmpfs", 0, NULL));
        result("tmpfs", mount("tmpfs", "/run", "tmpfs", 0, NULL));
        mkdir("/run/cgroup", 0755);
        result("cgroup2", mount("cgroup2", "/run/cgroup", "cgroup2", 0, NULL));
        check_lists();
        check_namespaces();
        printf("cpus %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
        printf("firmware %s\n", access("/sys/firmware/efi", F_OK) == 0 ? "efi" : "bios");
        printf("memory %ld\n", memory_mib());

        for (int i = 1; i < argc; i++)
                if ((v = value(argv[i], "virtiofs=")))
                        try_share("virtiofs", v, NULL);
                else if ((v = value(argv[i], "9p=")))
                        try_share("9p", v, "trans=virtio,version=9p2000.L");
                else if ((v = value(argv[i], "module=")))
                        load_module(v);
                else if (strcmp(argv[i], "watch") == 0)
                        watch();
                else if (strcmp(argv[i], "kmsg") == 0)
                        print_kmsg();

        printf("smoke: end\n");
        reboot(RB_POWER_OFF);
        return 1;
}
