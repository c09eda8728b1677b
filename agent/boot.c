/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Theory of operation.
 *
 * The kernel starts us from an initrd: one file, one console node and a few empty folders. Nothing else runs, there
 * is no udev and nothing to wait for but one device, whose port the kernel may find a moment after it started us.
 * So this is a list of system calls, in an order with two reasons:
 *
 *  - The initrd's root cannot be left with pivot_root(2), which every container does later. It is therefore
 *    bind-mounted over itself first; everything else is mounted on that. The bind mount is read-only: what runs as
 *    root in the container and gets hold of /proc/PID/exe of one of our children still cannot write to the agent.
 *  - The port is opened last, when everything a request may need is there.
 *
 * An error here is the end of the virtual machine: the caller prints it on the console, which the host shows in its
 * own error message, and switches off. PID 1 never exits, since that would only show as a kernel panic.
 */
#include "agent/boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/protocol/message.h"

#define RESERVE_LARGE_KIB (16ULL << 20) /* guests from here up can afford khugepaged's reserve */
#define PORTS_FOLDER      "/sys/class/virtio-ports"

/* Descriptors a process of a container may have unless its config.json says otherwise; the kernel's own hard limit
 * for PID 1 is 4096. */
#define OPEN_FILES_SOFT 1024U
#define OPEN_FILES_HARD (1U << 20)

static const struct {
        const char *target;
        const char *type;
        unsigned long flags;
        const char *options;
} boot_mounts[] = {
        { "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
        { "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
        { "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755" },
        { "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666" },
        { "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777" },
        { "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755" },
        { "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate" },
};

static int make_root(Error *err) {
        if (mkdir("/newroot", 0755) < 0 && errno != EEXIST)
                return error_errno(err, "making /newroot");
        if (mount("/", "/newroot", NULL, MS_BIND, NULL) < 0)
                return error_errno(err, "binding / to /newroot");
        if (chdir("/newroot") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
            chdir("/") < 0)
                return error_errno(err, "moving /newroot to /");
        return 0;
}

static int mount_all(Error *err) {
        for (size_t i = 0; i < ELEMENTS_OF(boot_mounts); i++) {
                const char *target = boot_mounts[i].target;

                if (mkdir(target, 0755) < 0 && errno != EEXIST)
                        return error_errno(err, "making %s", target);
                if (mount(boot_mounts[i].type, target, boot_mounts[i].type, boot_mounts[i].flags,
                          boot_mounts[i].options) < 0)
                        return error_errno(err, "mounting %s on %s", boot_mounts[i].type, target);
        }
        if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
                return error_errno(err, "making / read-only");
        return 0;
}

/* What a distribution sets on its hosts and programs in containers have come to count on. */
static const struct {
        const char *path;
        const char *value;
} boot_settings[] = {
        { "/proc/sys/kernel/pid_max", "4194304" }, /* 32768 may be fewer than the container is allowed */
        { "/proc/sys/fs/protected_hardlinks", "1" },
        { "/proc/sys/fs/protected_symlinks", "1" },
};

static int apply_settings(Error *err) {
        for (size_t i = 0; i < ELEMENTS_OF(boot_settings); i++)
                if (file_write(AT_FDCWD, boot_settings[i].path, boot_settings[i].value, err) < 0)
                        return -err->code;
        return 0;
}

/*
 * The kernel keeps a reserve of the square root of 16 × memory (KiB; mm/page_alloc.c, Documentation/admin-guide/sysctl/vm.rst),
 * and khugepaged raises it several times over to have whole huge pages to hand out: tens of MiB, which a small guest
 * has better uses for. Back to the kernel's own figure; a guest of 16 GiB and more keeps what khugepaged wants.
 */
static int shrink_reserve(Error *err) {
        cleanup_free char *text = NULL;
        struct sysinfo info;
        uint64_t kib, reserve = 1;

        if (sysinfo(&info) < 0)
                return error_errno(err, "sysinfo");
        kib = (uint64_t)info.totalram * info.mem_unit / 1024;
        if (kib >= RESERVE_LARGE_KIB)
                return 0;
        while (reserve * reserve < 16 * kib)
                reserve++;
        text = xasprintf("%llu", (unsigned long long)reserve);
        return file_write(AT_FDCWD, "/proc/sys/vm/min_free_kbytes", text, err);
}

static int bring_up_loopback(Error *err) {
        cleanup_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

        if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &request) < 0)
                return error_errno(err, "bringing up lo");
        return 0;
}

static int raise_limits(Error *err) {
        struct rlimit files = { .rlim_cur = OPEN_FILES_SOFT, .rlim_max = OPEN_FILES_HARD };
        struct rlimit tasks = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
                return error_errno(err, "setting the limit of open files");
        if (setrlimit(RLIMIT_NPROC, &tasks) < 0)
                return error_errno(err, "setting the limit of processes");
        return 0;
}

int boot_prepare(Error *err) {
        int r;

        umask(0022);
        r = make_root(err);
        if (r >= 0)
                r = mount_all(err);
        if (r >= 0)
                r = apply_settings(err);
        if (r >= 0)
                r = shrink_reserve(err);
        if (r >= 0)
                r = bring_up_loopback(err);
        if (r >= 0)
                r = raise_limits(err);
        return r;
}

/* ---- the port ---- */

static void nap(unsigned *usec) {
        struct timespec ts = { .tv_nsec = (long)*usec * 1000 };

        nanosleep(&ts, NULL);
        *usec = *usec < 500 ? *usec * 2 : 1000;
}

/* Finds the port by its name and opens it: the descriptor, or -1 when it is not there yet. */
static int try_port(void) {
        DIR *folder = opendir(PORTS_FOLDER);
        struct dirent *entry;
        int fd = -1;

        if (!folder)
                return -1;
        while (fd < 0 && (entry = readdir(folder))) {
                cleanup_free char *path = xasprintf("%s/name", entry->d_name), *name = NULL;
                cleanup_free char *node = xasprintf("/dev/%s", entry->d_name);
                cleanup_error Error ignored = { 0 };

                if (entry->d_name[0] != '.' && file_read_line(dirfd(folder), path, &name, &ignored) >= 0 &&
                    streq(name, AGENT_PORT_NAME))
                        fd = open(node, O_RDWR | O_CLOEXEC | O_NOCTTY);
        }
        closedir(folder);
        return fd;
}

/* Reads return "end of file" until the host has said that it is there. */
static bool host_is_connected(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };

        return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

int boot_open_port(uint64_t timeout_usec, Error *err) {
        uint64_t deadline = now_usec() + timeout_usec;
        cleanup_close int fd = -1;
        unsigned wait = 50;

        while ((fd = try_port()) < 0) {
                if (now_usec() > deadline)
                        return error_set(err, ENODEV, "no virtio-serial port is called " AGENT_PORT_NAME);
                nap(&wait);
        }
        while (!host_is_connected(fd)) {
                if (now_usec() > deadline)
                        return error_set(err, ENOTCONN, "nobody is connected to the port " AGENT_PORT_NAME);
                nap(&wait);
        }
        return TAKE_FD(fd);
}

/* ---- the end ---- */

void boot_power_off(void) {
        sync();
        tcdrain(STDERR_FILENO);
        reboot(RB_POWER_OFF);
        reboot(RB_AUTOBOOT); /* a machine that cannot switch itself off: QEMU runs with -no-reboot */
        for (;;)
                pause();
}
