/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest useful PID 1: it shows how long a guest takes to get there. It
 * mounts nothing and powers the machine off. A word `floor.say` behind `--` on
 * the kernel command line (the kernel hands what follows `--` to init) makes it
 * write one line to the console first, for a watcher on the host to time; `floor.clock` one with the processor's
 * time stamp counter.
 *
 * Build: gcc -O2 -static -o floor-init floor-init.c
 */
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(int argc, char **argv) {
        static const char line[] = "floor: init\n";

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "floor.say") == 0 && write(STDOUT_FILENO, line, sizeof(line) - 1) < 0)
                        return 1;
                if (strcmp(argv[i], "floor.clock") == 0 &&
                    dprintf(STDOUT_FILENO, "floor: clock %llu\n", __builtin_ia32_rdtsc()) < 0)
                        return 1;
        }

        reboot(RB_POWER_OFF);
        return 1;
}
