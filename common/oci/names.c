/* SPDX-License-Identifier: Apache-2.0 */
#include "common/oci/names.h"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "common/base/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

typedef struct Name {
        const char *name; /* NULL ends a table */
        int number;
} Name;

static int number_of(const Name *table, const char *name, int unknown) {
        for (; table->name; table++)
                if (strcmp(table->name, name) == 0)
                        return table->number;
        return unknown;
}

static const char *name_of(const Name *table, int number) {
        for (; table->name; table++)
                if (table->number == number)
                        return table->name;
        return NULL;
}

static bool is_listed(const char *const *names, const char *name) {
        for (; *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

/* ---- resource limits, namespaces ---- */

int oci_rlimit_number(const char *name) {
        static const Name names[] = {
                { "RLIMIT_AS", RLIMIT_AS },
                { "RLIMIT_CORE", RLIMIT_CORE },
                { "RLIMIT_CPU", RLIMIT_CPU },
                { "RLIMIT_DATA", RLIMIT_DATA },
                { "RLIMIT_FSIZE", RLIMIT_FSIZE },
                { "RLIMIT_LOCKS", RLIMIT_LOCKS },
                { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
                { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
                { "RLIMIT_NICE", RLIMIT_NICE },
                { "RLIMIT_NOFILE", RLIMIT_NOFILE },
                { "RLIMIT_NPROC", RLIMIT_NPROC },
                { "RLIMIT_RSS", RLIMIT_RSS },
                { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
                { "RLIMIT_RTTIME", RLIMIT_RTTIME },
                { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
                { "RLIMIT_STACK", RLIMIT_STACK },
                { NULL, 0 },
        };

        return number_of(names, name, -1);
}

static const Name namespaces[] = {
        { "pid", CLONE_NEWPID },   { "network", CLONE_NEWNET },   { "mount", CLONE_NEWNS },
        { "ipc", CLONE_NEWIPC },   { "uts", CLONE_NEWUTS },       { "user", CLONE_NEWUSER },
        { "time", CLONE_NEWTIME }, { "cgroup", CLONE_NEWCGROUP }, { NULL, 0 },
};

int oci_namespace_flag(const char *type) {
        return number_of(namespaces, type, 0);
}

const char *oci_namespace_name(int flag) {
        return name_of(namespaces, flag);
}

/* ---- signals ---- */

/* The C library's bounds are calls, since it may reserve some; engines and the guest mean these. */
#define RT_FIRST 34
#define RT_LAST  64

/* Where two names have one number, the usual one comes first. */
static const Name signals[] = {
        { "SIGHUP", SIGHUP },       { "SIGINT", SIGINT },       { "SIGQUIT", SIGQUIT },
        { "SIGILL", SIGILL },       { "SIGTRAP", SIGTRAP },     { "SIGABRT", SIGABRT },
        { "SIGBUS", SIGBUS },       { "SIGFPE", SIGFPE },       { "SIGKILL", SIGKILL },
        { "SIGUSR1", SIGUSR1 },     { "SIGSEGV", SIGSEGV },     { "SIGUSR2", SIGUSR2 },
        { "SIGPIPE", SIGPIPE },     { "SIGALRM", SIGALRM },     { "SIGTERM", SIGTERM },
        { "SIGSTKFLT", SIGSTKFLT }, { "SIGCHLD", SIGCHLD },     { "SIGCONT", SIGCONT },
        { "SIGSTOP", SIGSTOP },     { "SIGTSTP", SIGTSTP },     { "SIGTTIN", SIGTTIN },
        { "SIGTTOU", SIGTTOU },     { "SIGURG", SIGURG },       { "SIGXCPU", SIGXCPU },
        { "SIGXFSZ", SIGXFSZ },     { "SIGVTALRM", SIGVTALRM }, { "SIGPROF", SIGPROF },
        { "SIGWINCH", SIGWINCH },   { "SIGIO", SIGIO },         { "SIGPWR", SIGPWR },
        { "SIGSYS", SIGSYS },       { "SIGCLD", SIGCHLD },      { "SIGIOT", SIGABRT },
        { "SIGPOLL", SIGIO },       { "SIGRTMIN", RT_FIRST },   { "SIGRTMIN+1", 35 },
        { "SIGRTMIN+2", 36 },       { "SIGRTMIN+3", 37 },       { "SIGRTMIN+4", 38 },
        { "SIGRTMIN+5", 39 },       { "SIGRTMIN+6", 40 },       { "SIGRTMIN+7", 41 },
        { "SIGRTMIN+8", 42 },       { "SIGRTMIN+9", 43 },       { "SIGRTMIN+10", 44 },
        { "SIGRTMIN+11", 45 },      { "SIGRTMIN+12", 46 },      { "SIGRTMIN+13", 47 },
        { "SIGRTMIN+14", 48 },      { "SIGRTMIN+15", 49 },      { "SIGRTMAX-14", 50 },
        { "SIGRTMAX-13", 51 },      { "SIGRTMAX-12", 52 },      { "SIGRTMAX-11", 53 },
        { "SIGRTMAX-10", 54 },      { "SIGRTMAX-9", 55 },       { "SIGRTMAX-8", 56 },
        { "SIGRTMAX-7", 57 },       { "SIGRTMAX-6", 58 },       { "SIGRTMAX-5", 59 },
        { "SIGRTMAX-4", 60 },       { "SIGRTMAX-3", 61 },       { "SIGRTMAX-2", 62 },
        { "SIGRTMAX-1", 63 },       { "SIGRTMAX", RT_LAST },    { NULL, 0 },
};

/* "RTMIN+20" and "RTMAX-30" are as good as the names in the table. */
static int real_time_number(const char *name) {
        uint64_t n = 0;

        if (strncasecmp(name, "RTMIN+", 6) == 0 && str_to_u64(name + 6, 10, RT_LAST - RT_FIRST, &n))
                return RT_FIRST + (int)n;
        if (strncasecmp(name, "RTMAX-", 6) == 0 && str_to_u64(name + 6, 10, RT_LAST - RT_FIRST, &n))
                return RT_LAST - (int)n;
        return -1;
}

int oci_signal_number(const char *name) {
        uint64_t n;

        if (str_to_u64(name, 10, RT_LAST, &n))
                return (int)n;
        if (strncasecmp(name, "SIG", 3) == 0)
                name += 3;
        for (const Name *s = signals; s->name; s++)
                if (strcasecmp(s->name + 3, name) == 0)
                        return s->number;
        return real_time_number(name);
}

const char *oci_signal_name(int number) {
        return name_of(signals, number);
}

/* ---- capabilities ---- */

static const Name capabilities[] = {
        { "CAP_CHOWN", CAP_CHOWN },
        { "CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE },
        { "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH },
        { "CAP_FOWNER", CAP_FOWNER },
        { "CAP_FSETID", CAP_FSETID },
        { "CAP_KILL", CAP_KILL },
        { "CAP_SETGID", CAP_SETGID },
        { "CAP_SETUID", CAP_SETUID },
        { "CAP_SETPCAP", CAP_SETPCAP },
        { "CAP_LINUX_IMMUTABLE", CAP_LINUX_IMMUTABLE },
        { "CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE },
        { "CAP_NET_BROADCAST", CAP_NET_BROADCAST },
        { "CAP_NET_ADMIN", CAP_NET_ADMIN },
        { "CAP_NET_RAW", CAP_NET_RAW },
        { "CAP_IPC_LOCK", CAP_IPC_LOCK },
        { "CAP_IPC_OWNER", CAP_IPC_OWNER },
        { "CAP_SYS_MODULE", CAP_SYS_MODULE },
        { "CAP_SYS_RAWIO", CAP_SYS_RAWIO },
        { "CAP_SYS_CHROOT", CAP_SYS_CHROOT },
        { "CAP_SYS_PTRACE", CAP_SYS_PTRACE },
        { "CAP_SYS_PACCT", CAP_SYS_PACCT },
        { "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
        { "CAP_SYS_BOOT", CAP_SYS_BOOT },
        { "CAP_SYS_NICE", CAP_SYS_NICE },
        { "CAP_SYS_RESOURCE", CAP_SYS_RESOURCE },
        { "CAP_SYS_TIME", CAP_SYS_TIME },
        { "CAP_SYS_TTY_CONFIG", CAP_SYS_TTY_CONFIG },
        { "CAP_MKNOD", CAP_MKNOD },
        { "CAP_LEASE", CAP_LEASE },
        { "CAP_AUDIT_WRITE", CAP_AUDIT_WRITE },
        { "CAP_AUDIT_CONTROL", CAP_AUDIT_CONTROL },
        { "CAP_SETFCAP", CAP_SETFCAP },
        { "CAP_MAC_OVERRIDE", CAP_MAC_OVERRIDE },
        { "CAP_MAC_ADMIN", CAP_MAC_ADMIN },
        { "CAP_SYSLOG", CAP_SYSLOG },
        { "CAP_WAKE_ALARM", CAP_WAKE_ALARM },
        { "CAP_BLOCK_SUSPEND", CAP_BLOCK_SUSPEND },
        { "CAP_AUDIT_READ", CAP_AUDIT_READ },
        { "CAP_PERFMON", CAP_PERFMON },
        { "CAP_BPF", CAP_BPF },
        { "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE },
        { NULL, 0 },
};

const char *oci_capability_name(int number) {
        return name_of(capabilities, number);
}

bool oci_is_capability(const char *name) {
        return number_of(capabilities, name, -1) >= 0;
}

/* ---- lists of words ---- */

bool oci_is_seccomp_action(const char *name) {
        static const char *const names[] = {
                "SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",
                "SCMP_ACT_KILL",         "SCMP_ACT_LOG",
                "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
                "SCMP_ACT_TRAP",         "SCMP_ACT_TRACE",
                "SCMP_ACT_NOTIFY",       NULL,
        };

        return is_listed(names, name);
}

bool oci_is_seccomp_operator(const char *name) {
        static const char *const names[] = {
                "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",        "SCMP_CMP_EQ",
                "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
        };

        return is_listed(names, name);
}

bool oci_is_scheduler_policy(const char *name) {
        static const char *const names[] = {
                "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",       "SCHED_BATCH",
                "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE", NULL,
        };

        return is_listed(names, name);
}

bool oci_is_io_priority_class(const char *name) {
        static const char *const names[] = {
                "IOPRIO_CLASS_RT",
                "IOPRIO_CLASS_BE",
                "IOPRIO_CLASS_IDLE",
                NULL,
        };

        return is_listed(names, name);
}

bool oci_is_propagation(const char *name) {
        static const char *const names[] = {
                "shared", "slave",    "private",     "unbindable", "rshared",
                "rslave", "rprivate", "runbindable", NULL,
        };

        return is_listed(names, name);
}
