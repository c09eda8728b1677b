/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked of virtiofsd, and why (tried with QEMU 7.2's and with versions 1.10.1, 1.13.2 and 1.14.0 of the one in Rust):
 *
 * - Its descriptor is a *listening* socket. The shim has connected QEMU to it before, so neither waits for the other.
 * - announce-submounts: the shared tree consists of mounts, and those below them come from anywhere. Without it the
 *   guest takes all of them for one file system, and two files of the same inode number for one file.
 * - xattr: capabilities of programs (ping) are extended attributes.
 * - sandbox=namespace: it has the tree for its root and sees neither the host's processes nor its network. That takes
 *   it some 2 ms; `chroot` would do without, but leaves the host's mounts within reach of an intruder.
 * - No pool of threads: requests are served as they come. A pool costs a wake-up for each of them, and QEMU 7.2's
 *   stalls with more than a few threads.
 * - No remote locks (the default): a lock that blocks would hold up every other request. Locks work inside the guest.
 * - The cache that is our "auto": what is known of a file counts for a second, then it is asked for anew, and what the guest
 *   has read of it is dropped when time or size have changed. virtiofsd's own "auto" drops it with every open(): each
 *   start of a program reads that program once more, which was half of what an exec costs. The one in Rust can be told no
 *   time, so there "auto" is its own.
 * - The limit of open files stays as the shim has raised it.
 * - No file handles in place of descriptors (the default of the one in Rust until 1.13.2, "prefer" since): for them it
 *   keeps CAP_DAC_READ_SEARCH, with which an intruder opens any file of a file system that has a folder in the tree.
 * - No write-back cache (the default): what a container writes is at once seen by others who have the folder.
 */
#include "runtime/qemu/virtiofsd.h"

#include "common/base/mem.h"

static void add_option(char ***argv, const char *option) {
        strv_append(argv, "-o");
        strv_append(argv, option);
}

/* Options are separated by commas and a backslash takes the next character as it is (libfuse's rule). */
static char *escape_option(const char *text) {
        StrBuf b = { 0 };

        for (; *text; text++) {
                if (*text == ',' || *text == '\\')
                        strbuf_putc(&b, '\\');
                strbuf_putc(&b, *text);
        }
        return strbuf_take(&b);
}

static char **argv_c(const VmPlan *vm) {
        cleanup_free char *path = escape_option(vm->share_path);
        cleanup_free char *source = xasprintf("source=%s", path);
        bool automatic = streq(vm->virtiofs_cache, "auto");
        cleanup_free char *cache = xasprintf("cache=%s", automatic ? "always" : vm->virtiofs_cache);
        char **argv = NULL;

        strv_append(&argv, vm->virtiofsd);
        strv_printf(&argv, "--fd=%d", VIRTIOFSD_FD_SOCKET);
        strv_append(&argv, "--thread-pool-size=0");
        add_option(&argv, source);
        add_option(&argv, cache);
        if (automatic)
                add_option(&argv, "timeout=1");
        add_option(&argv, "sandbox=namespace");
        add_option(&argv, "announce_submounts");
        add_option(&argv, "xattr");
        add_option(&argv, "log_level=warn");
        return argv;
}

static char **argv_rust(const VmPlan *vm) {
        char **argv = NULL;

        strv_append(&argv, vm->virtiofsd);
        strv_printf(&argv, "--fd=%d", VIRTIOFSD_FD_SOCKET);
        strv_append(&argv, "--thread-pool-size=0");
        strv_printf(&argv, "--shared-dir=%s", vm->share_path);
        strv_printf(&argv, "--cache=%s", streq(vm->virtiofs_cache, "none") ? "never" : vm->virtiofs_cache);
        strv_append(&argv, "--sandbox=namespace");
        strv_append(&argv, "--announce-submounts");
        strv_append(&argv, "--inode-file-handles=never");
        strv_append(&argv, "--rlimit-nofile=0");
        strv_append(&argv, "--xattr");
        strv_append(&argv, "--log-level=warn");
        return argv;
}

char **virtiofsd_argv(const VmPlan *vm) {
        return vm->virtiofsd_rust ? argv_rust(vm) : argv_c(vm);
}
