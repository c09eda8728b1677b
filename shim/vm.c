/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/spawn.h"
#include "common/base/str.h"
#include "common/protocol/network.h"
#include "shim/disk.h"
#include "shim/jail.h"
#include "shim/qemu-words.h"
#include "shim/sandbox.h"
#include "shim/signals.h"

#define LAST_WORDS_MAX 2048U
#define END_GRACE_USEC 1000000U
#define DESCRIPTORS    1000000U

typedef struct Child {
        const char *name; /* for messages */
        Vm *vm;
        pid_t pid; /* 0: not running */
        int words_fd;
        LoopSource *words_source;
        StrBuf words; /* the last of what it said on standard error */
} Child;

struct Vm {
        Loop *loop;
        Child qemu, virtiofsd;
        bool told;
        LoopSource *grace; /* virtiofsd has left in peace; QEMU is expected to have ended */
        VmEndedFn ended;
        void *user;
};

uint64_t timeline_now(const LaunchPlan *plan) {
        uint64_t now = now_usec();

        return now > plan->created_usec ? now - plan->created_usec : 1;
}

/* ---- last words ---- */

static bool read_words(Child *child) {
        char buffer[1024];
        ssize_t n = read(child->words_fd, buffer, sizeof(buffer));

        if (n > 0) {
                strbuf_append(&child->words, buffer, (size_t)n);
                if (child->words.length > LAST_WORDS_MAX)
                        strbuf_consume(&child->words, child->words.length - LAST_WORDS_MAX);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                child->words_source = loop_source_free(child->words_source);
        }
        return n > 0;
}

static void on_words(LoopSource *source, int fd, uint32_t events, void *user) {
        (void)source;
        (void)fd;
        (void)events;
        read_words(user);
}

/* "QEMU ended with exit status 1: <last lines>". Owned by the caller. */
static char *describe_end(Child *child, int status) {
        cleanup_strv char **lines = NULL;
        cleanup_free char *joined = NULL, *clean = NULL, *how = NULL;
        const char *words, *meaning;

        while (child->words_source && read_words(child))
                ;
        words = child->words.data ? child->words.data : "";
        /* QEMU runs with -no-reboot: this is how it ends when the guest panics, resets or powers off, but also when
         * it is asked to with a signal, of which it says so */
        if (child == &child->vm->qemu && status == 0 && !strstr(words, "terminating on signal"))
                return xstrdup("the virtual machine has switched itself off");
        how = WIFSIGNALED(status) ? xasprintf("was killed by signal %d", WTERMSIG(status))
              : status == 0       ? xstrdup("ended")
                                  : xasprintf("ended with exit status %d", WEXITSTATUS(status));
        lines = strv_split(words, "\r\n");
        joined = strv_join(lines, " | ");
        clean = str_printable(joined, strlen(joined), LAST_WORDS_MAX);
        meaning = child == &child->vm->qemu ? qemu_words_explain(words) : NULL;
        if (meaning)
                return xasprintf("%s %s: %s: %s", child->name, how, meaning, clean);
        return *clean ? xasprintf("%s %s: %s", child->name, how, clean)
                      : xasprintf("%s %s", child->name, how);
}

/* ---- starting ---- */

static int start_child(Vm *vm, Child *child, SpawnSpec *spec, Error *err) {
        cleanup_close int words_write = -1;
        SpawnFd fds[8 + NETWORK_CARDS_MAX + DISKS_MAX];
        int words[2], r;

        if (pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0)
                return error_errno(err, "pipe");
        child->words_fd = words[0];
        words_write = words[1];
        if (fd_set_nonblocking(words_write, false, err) < 0)
                return -err->code;
        r = loop_add_fd(vm->loop, child->words_fd, EPOLLIN, on_words, child, &child->words_source, err);
        if (r < 0)
                return r;
        memcpy(fds, spec->fds, spec->n_fds * sizeof(SpawnFd));
        fds[spec->n_fds] = (SpawnFd){ .fd = words_write, .target = STDERR_FILENO };
        spec->fds = fds;
        spec->n_fds++;
        return spawn(spec, &child->pid, NULL, err);
}

/* A listening socket for virtiofsd and a connection to it for QEMU: QEMU needs neither the path nor to wait. */
static int make_virtiofs_sockets(const LaunchPlan *plan, int *ret_listener, int *ret_connection, Error *err) {
        cleanup_free char *private = path_join(plan->state_dir, STATE_PRIVATE);
        cleanup_close int listener = -1, connection = -1, dir = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        /* through the folder's descriptor: the path may be longer than an address takes */
        dir = open(private, O_PATH | O_DIRECTORY | O_CLOEXEC);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (dir < 0 || listener < 0 || connection < 0)
                return error_errno(err, "virtiofsd's socket");
        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/virtiofs.sock", dir);
        if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
                return error_errno(err, "virtiofsd's socket");
        if (connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
                return error_errno(err, "virtiofsd's socket");
        *ret_listener = TAKE_FD(listener);
        *ret_connection = TAKE_FD(connection);
        return 0;
}

/* virtiofsd keeps the shared tree when the shim lets go of it. */
static int enter_own_mount_namespace(void *user, Error *err) {
        const bool *rootless = user;

        signals_block();
        if (unshare(CLONE_NEWNS) < 0)
                return error_errno(err, "unshare");
        /* it would give up if it could not leave the groups of the user, whose groups they are */
        return *rootless ? sandbox_keep_groups(err) : 0;
}

static int start_virtiofsd(Vm *vm, const LaunchPlan *plan, int *ret_connection, Error *err) {
        cleanup_close int listener = -1, connection = -1;
        SpawnFd fds[] = { { .target = VIRTIOFSD_FD_SOCKET } };
        bool rootless = plan->rootless;
        SpawnSpec spec = {
                .argv = plan->virtiofsd,
                .fds = fds,
                .n_fds = 1,
                .death_signal = SIGKILL,
                .setup = enter_own_mount_namespace,
                .user = &rootless,
        };
        int r;

        r = make_virtiofs_sockets(plan, &listener, &connection, err);
        if (r < 0)
                return r;
        fds[0].fd = listener;
        r = start_child(vm, &vm->virtiofsd, &spec, err);
        if (r < 0)
                return r;
        *ret_connection = TAKE_FD(connection);
        return 0;
}

/* What the shim opens and QEMU has. */
typedef struct Files {
        int driver, disks[DISKS_MAX]; /* -1: none */
} Files;

static void files_done(Files *files) {
        close_descriptor(&files->driver);
        for (size_t i = 0; i < DISKS_MAX; i++)
                close_descriptor(&files->disks[i]);
}

static int files_open(const LaunchPlan *plan, Files *ret, Error *err) {
        ret->driver = -1;
        for (size_t i = 0; i < DISKS_MAX; i++)
                ret->disks[i] = -1;
        if (plan->n_disks > DISKS_MAX)
                return error_set(err, EINVAL, "%zu disks: too many", plan->n_disks);
        if (plan->driver) {
                ret->driver = open(plan->driver, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
                if (ret->driver < 0)
                        return error_errno(err, "driver bundle %s", plan->driver);
        }
        return disks_open(plan, ret->disks, err);
}

/* The machine's cards, driver bundle and disks. */
static void add_parts(SpawnSpec *spec, SpawnFd *fds, const VmSpec *machine, const Files *files) {
        const LaunchPlan *plan = machine->plan;

        for (uint32_t i = 0; i < plan->network_cards; i++)
                fds[spec->n_fds++] = (SpawnFd){ .fd = machine->taps[i], .target = QEMU_FD_TAP + (int)i };
        if (files->driver >= 0)
                fds[spec->n_fds++] = (SpawnFd){ .fd = files->driver, .target = QEMU_FD_DRIVER };
        for (size_t i = 0; i < plan->n_disks; i++)
                fds[spec->n_fds++] = (SpawnFd){ .fd = files->disks[i], .target = QEMU_FD_DISK + (int)i };
}

static int start_qemu(Vm *vm, const VmSpec *machine, int virtiofs, VmSockets *ret, Error *err) {
        static const int targets[] = { QEMU_FD_QMP, QEMU_FD_AGENT, QEMU_FD_CONSOLE };
        const LaunchPlan *plan = machine->plan;
        SpawnFd fds[5 + NETWORK_CARDS_MAX + DISKS_MAX];
        cleanup(files_done) Files files;
        SpawnSpec spec = {
                .argv = plan->qemu,
                .fds = fds,
                .death_signal = SIGKILL,
                .set_identity = plan->qemu_uid != 0,
                .uid = plan->qemu_uid,
                .gid = plan->qemu_gid,
                .groups = plan->qemu_groups,
                .n_groups = plan->n_qemu_groups,
                .no_new_privs = true,
                .setup = jail_enter,
        };
        LaunchPlan copy = *plan; /* the callback takes a plain pointer */
        int ours[3] = { -1, -1, -1 }, r = files_open(plan, &files, err);

        if (r < 0)
                return r;
        spec.user = &copy;
        for (size_t i = 0; i < ELEMENTS_OF(targets); i++) {
                int pair[2];

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                        r = error_errno(err, "socketpair");
                        break;
                }
                ours[i] = pair[0];
                fds[spec.n_fds++] = (SpawnFd){ .fd = pair[1], .target = targets[i] };
        }
        add_parts(&spec, fds, machine, &files);
        if (virtiofs >= 0)
                fds[spec.n_fds++] = (SpawnFd){ .fd = virtiofs, .target = QEMU_FD_VIRTIOFS };
        if (r >= 0)
                r = start_child(vm, &vm->qemu, &spec, err);
        for (size_t i = 0; i < ELEMENTS_OF(targets); i++) {
                if (i < spec.n_fds && fds[i].target == targets[i])
                        close(fds[i].fd);
                if (r < 0 && ours[i] >= 0)
                        close(ours[i]);
        }
        if (r >= 0)
                *ret = (VmSockets){ .qmp = ours[0], .agent = ours[1], .console = ours[2] };
        return r;
}

/* virtiofsd holds a descriptor for each file the guest knows, so it needs all it may have; root may have more than it was
 * given. The one in Rust asks for as much, but has words for not getting it that would be taken for those of its end. */
static void raise_descriptor_limit(void) {
        const struct rlimit more = { DESCRIPTORS, DESCRIPTORS };
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        if (limit.rlim_max < DESCRIPTORS && setrlimit(RLIMIT_NOFILE, &more) == 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                log_warning("raising RLIMIT_NOFILE: %s", strerror(errno));
}

int vm_start(const VmSpec *spec, Vm **ret, VmSockets *ret_sockets, Error *err) {
        const LaunchPlan *plan = spec->plan;
        cleanup(vm_freep) Vm *vm = xnew(Vm, 1);
        cleanup_close int virtiofs = -1;
        int r;

        vm->loop = spec->loop;
        vm->ended = spec->ended;
        vm->user = spec->user;
        vm->qemu = (Child){ .name = "QEMU", .vm = vm, .words_fd = -1 };
        vm->virtiofsd = (Child){ .name = "virtiofsd", .vm = vm, .words_fd = -1 };
        raise_descriptor_limit();
        if (plan->virtiofsd && plan->virtiofsd[0]) {
                r = start_virtiofsd(vm, plan, &virtiofs, err);
                if (r < 0)
                        return r;
                spec->timeline->virtiofsd = timeline_now(plan);
        }
        r = start_qemu(vm, spec, virtiofs, ret_sockets, err);
        if (r < 0)
                return r;
        spec->timeline->qemu = timeline_now(plan);
        *ret = TAKE_PTR(vm);
        return 0;
}

/* ---- end ---- */

static void child_done(Child *child) {
        loop_source_free(child->words_source);
        if (child->words_fd >= 0)
                close(child->words_fd);
        strbuf_done(&child->words);
}

Vm *vm_free(Vm *vm) {
        if (!vm)
                return NULL;
        vm_kill(vm);
        loop_source_free(vm->grace);
        child_done(&vm->qemu);
        child_done(&vm->virtiofsd);
        free(vm);
        return NULL;
}

void vm_kill(Vm *vm) {
        vm->told = true;
        if (vm->qemu.pid > 0)
                kill(vm->qemu.pid, SIGKILL);
        if (vm->virtiofsd.pid > 0)
                kill(vm->virtiofsd.pid, SIGKILL);
        if (getpid() == 1)
                kill(-1, SIGKILL); /* virtiofsd's own children */
        while (vm->qemu.pid > 0 || vm->virtiofsd.pid > 0) {
                pid_t pid = waitpid(-1, NULL, 0);

                if (pid < 0 && errno == ECHILD)
                        break;
                if (pid == vm->qemu.pid)
                        vm->qemu.pid = 0;
                if (pid == vm->virtiofsd.pid)
                        vm->virtiofsd.pid = 0;
        }
}

static void tell_end(Vm *vm, Child *child, int status) {
        cleanup_free char *why = NULL;

        vm->told = true;
        vm->grace = loop_source_free(vm->grace);
        why = describe_end(child, status);
        vm->ended(vm, why, vm->user);
}

static void on_grace_over(LoopSource *source, void *user) {
        Vm *vm = user;

        (void)source;
        vm->grace = NULL;
        if (!vm->told)
                tell_end(vm, &vm->virtiofsd, 0);
}

void vm_reap(Vm *vm) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                Child *child = pid == vm->qemu.pid        ? &vm->qemu
                               : pid == vm->virtiofsd.pid ? &vm->virtiofsd
                                                          : NULL;

                if (!child)
                        continue;
                child->pid = 0;
                if (vm->told)
                        continue;
                if (child == &vm->virtiofsd && status == 0) {
                        /* it leaves when QEMU has closed the connection: QEMU's own end is the news */
                        loop_add_timer(vm->loop, END_GRACE_USEC, on_grace_over, vm, &vm->grace);
                        continue;
                }
                tell_end(vm, child, status);
                return; /* the rest is reaped by whoever handles the end */
        }
}
