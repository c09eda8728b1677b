/* SPDX-License-Identifier: Apache-2.0
 *
 * What tools/bench runs in a guest: as PID 1 of a plain one ("init-..."), or as a container's program.
 *
 *   init-net ADDRESS    eth0 gets the address, then as net
 *   net                 answers connections to port 5201, one after the other, as their first byte wants it:
 *                       s takes all and says how much it was, r N sends N bytes, p sends back byte for byte
 *   init-fs TAG         mounts the virtio-fs TAG, enters its rootfs, then as fs, then the machine goes off
 *   fs                  runs the commands of /bench.list ("NAME COMMAND"), prints "bench NAME NANOSECONDS" of each
 *
 * Build: gcc -O2 -static -o bench-guest bench-guest.c
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 5201

static void die(const char *what) {
        printf("bench-guest: %s: %s\n", what, strerror(errno));
        fflush(stdout);
        if (getpid() == 1)
                reboot(RB_POWER_OFF);
        exit(1);
}

/* ---- network ---- */

static void set_up(const char *name, const char *address) {
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct ifreq request = { 0 };
        struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;

        strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        in->sin_family = AF_INET;
        if (inet_pton(AF_INET, address, &in->sin_addr) != 1 || ioctl(fd, SIOCSIFADDR, &request) < 0)
                die("address");
        inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
        if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
                die("netmask");
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
                die("flags");
        request.ifr_flags |= IFF_UP;
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                die("flags");
        close(fd);
}

static void answer(int fd) {
        static char buffer[1 << 18];
        uint64_t count = 0;
        ssize_t n;
        char how;

        if (read(fd, &how, 1) != 1)
                return;
        if (how == 's') {
                while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                        count += (uint64_t)n;
                if (write(fd, &count, sizeof(count)) < 0)
                        return;
        } else if (how == 'r' && read(fd, &count, sizeof(count)) == sizeof(count)) {
                while (count > 0) {
                        n = write(fd, buffer, count < sizeof(buffer) ? count : sizeof(buffer));
                        if (n <= 0)
                                return;
                        count -= (uint64_t)n;
                }
        } else {
                while (how == 'p' && read(fd, buffer, 1) == 1)
                        if (write(fd, buffer, 1) != 1)
                                return;
        }
}

static void serve(void) {
        struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 16) < 0)
                die("listen");
        for (;;) {
                int fd = accept(listener, NULL, NULL);

                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
                answer(fd);
                close(fd);
        }
}

/* ---- files ---- */

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void run_list(void) {
        FILE *list = fopen("/bench.list", "re");
        char line[4096];

        if (!list)
                die("/bench.list");
        setenv("PATH", "/bin:/usr/bin", 1);
        setenv("HOME", "/", 1);
        while (fgets(line, sizeof(line), list)) {
                char *command = strchr(line, ' ');
                uint64_t begin = now();
                int status;

                if (!command)
                        continue;
                *command++ = '\0';
                status = system(command);
                printf("bench %s %" PRIu64 "\n", line, status == 0 ? now() - begin : 0);
                fflush(stdout);
        }
        fclose(list);
}

static void enter_share(const char *tag) {
        mkdir("/mnt", 0755);
        if (mount(tag, "/mnt", "virtiofs", 0, NULL) < 0)
                die("virtiofs");
        if (chroot("/mnt/rootfs") < 0 || chdir("/") < 0)
                die("rootfs");
        if (mount("proc", "/proc", "proc", 0, NULL) < 0 || mount("dev", "/dev", "devtmpfs", 0, NULL) < 0)
                die("proc, dev");
        mkdir("/dev/shm", 01777);
        if (mount("shm", "/dev/shm", "tmpfs", 0, NULL) < 0)
                die("/dev/shm");
}

int main(int argc, char **argv) {
        const char *mode = argc > 1 ? argv[1] : "", *word = argc > 2 ? argv[2] : "";

        if (strcmp(mode, "init-net") == 0)
                set_up("eth0", word);
        if (strcmp(mode, "init-net") == 0 || strcmp(mode, "net") == 0)
                serve();
        if (strcmp(mode, "init-fs") == 0)
                enter_share(word);
        run_list();
        if (getpid() == 1 && strcmp(mode, "init-fs") == 0)
                reboot(RB_POWER_OFF);
        return 0;
}
