/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/program.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/caps.h"
#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define PASSWD_MAX    (4U << 20) /* bytes; a longer file is not read */
#define DEFAULT_UMASK 0022
#define PTY_MAJOR     136U /* first major number of terminals' slaves, of eight */

struct Program {
        const OciProcess *process;
        const Seccomp *seccomp;
        CapSets caps;
        char **env;
};

/* Words for errno as runc prints them: engines look for "permission denied". */
static char *words(int code) {
        char *text = xstrdup(strerror(code));

        *text = (char)tolower((unsigned char)*text);
        return text;
}

/* ---- environment ---- */

/* Index of the variable NAME (LENGTH bytes) in ENV, or its length. */
static size_t find_variable(char *const *env, const char *name, size_t length) {
        size_t i = 0;

        while (env && env[i] && (strncmp(env[i], name, length) != 0 || env[i][length] != '='))
                i++;
        return i;
}

static void set_variable(char ***env, const char *entry) {
        size_t i = find_variable(*env, entry, strcspn(entry, "="));

        if (i == strv_length(*env)) {
                strv_append(env, entry);
        } else {
                free((*env)[i]);
                (*env)[i] = xstrdup(entry);
        }
}

static const char *get_variable(char *const *env, const char *name) {
        size_t i = find_variable(env, name, strlen(name));

        return env && env[i] ? env[i] + strlen(name) + 1 : NULL;
}

int program_environment(char *const *env, const char *home, char ***ret, Error *err) {
        cleanup_strv char **result = xnew(char *, 1);
        const char *old_home;

        STRV_FOR_EACH (entry, env) {
                if (!strchr(*entry, '='))
                        return error_set(err, EINVAL, "invalid environment variable: \"%s\"", *entry);
                if (**entry == '=')
                        return error_set(err, EINVAL, "environment variable name can't be empty: \"%s\"",
                                         *entry);
                set_variable(&result, *entry);
        }
        old_home = get_variable(result, "HOME");
        if (!old_home || !*old_home) {
                cleanup_free char *entry = xasprintf("HOME=%s", home && *home ? home : "/");

                set_variable(&result, entry);
        }
        *ret = TAKE_PTR(result);
        return 0;
}

/* name:password:uid:gid:text:home:shell */
static char *parse_home(const char *line, size_t length, uid_t uid) {
        const char *fields[7] = { line };
        size_t n = 1;
        cleanup_free char *number = NULL;
        uint64_t value;

        for (size_t i = 0; i < length && n < ELEMENTS_OF(fields); i++)
                if (line[i] == ':')
                        fields[n++] = line + i + 1;
        if (n < 6)
                return NULL;
        number = xstrndup(fields[2], (size_t)(fields[3] - fields[2] - 1));
        if (!str_to_u64(number, 10, UINT32_MAX, &value) || value != uid)
                return NULL;
        return xstrndup(fields[5],
                        n > 6 ? (size_t)(fields[6] - fields[5] - 1) : (size_t)(line + length - fields[5]));
}

char *program_find_home(const char *passwd, uid_t uid) {
        for (const char *line = passwd; *line;) {
                size_t length = strcspn(line, "\n");
                char *home = parse_home(line, length, uid);

                if (home)
                        return home;
                line += length + (line[length] == '\n');
        }
        return NULL;
}

/* The file is the image's: it may be anything, a fifo that never ends as well. */
static char *read_home(uid_t uid) {
        cleanup_close int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        cleanup_error Error ignored = { 0 };
        cleanup_free char *text = NULL;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
            fd_read(fd, PASSWD_MAX, &text, NULL, &ignored) < 0)
                return NULL;
        return program_find_home(text, uid);
}

/* ---- finding the program: the rules and words of Go's exec.LookPath, which engines read ---- */

static bool is_executable(const struct stat *st) {
        return !S_ISDIR(st->st_mode) && (st->st_mode & 0111);
}

static int search_path(const char *file, const char *path, char **ret, Error *err) {
        for (const char *p = path; *path;) {
                size_t n = strcspn(p, ":");
                cleanup_free char *folder = n > 0 ? xstrndup(p, n) : xstrdup(".");
                cleanup_free char *candidate = path_join(folder, file);
                struct stat st;

                if (*file && stat(candidate, &st) >= 0 && is_executable(&st)) {
                        if (*candidate != '/')
                                return error_set(
                                        err, EINVAL,
                                        "exec: \"%s\": cannot run executable found relative to current "
                                        "directory",
                                        file);
                        *ret = path_normalize(candidate);
                        return 0;
                }
                p += n;
                if (!*p)
                        break;
                p++;
        }
        return error_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", file);
}

int program_look_up(const char *file, char *const *env, char **ret, Error *err) {
        const char *path = get_variable(env, "PATH");
        struct stat st;

        if (!strchr(file, '/'))
                return search_path(file, path ? path : "", ret, err);
        if (stat(file, &st) < 0) {
                int code = errno;
                cleanup_free char *why = words(code);

                return error_set(err, code, "exec: \"%s\": stat %s: %s", file, file, why);
        }
        if (!is_executable(&st))
                return error_set(err, EACCES, "exec: \"%s\": permission denied", file);
        *ret = xstrdup(file);
        return 0;
}

/* ---- becoming the user ---- */

/* So that the user can open /dev/stdout anew. Never a device or a file, which others have too. */
static void own_stdio(uid_t uid) {
        for (int fd = 0; fd < 3; fd++) {
                struct stat st;

                if (fstat(fd, &st) < 0 || st.st_uid == uid)
                        continue;
                if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ||
                    (S_ISCHR(st.st_mode) && major(st.st_rdev) >= PTY_MAJOR &&
                     major(st.st_rdev) < PTY_MAJOR + 8))
                        if (fchown(fd, uid, (gid_t)-1) < 0)
                                continue; /* an id that is not mapped: no worse than before */
        }
}

static int set_ids(const OciUser *user, Error *err) {
        cleanup_free gid_t *groups = xnew(gid_t, user->n_additional_gids + 1);

        for (size_t i = 0; i < user->n_additional_gids; i++)
                groups[i] = user->additional_gids[i];
        if (setgroups(user->n_additional_gids, groups) < 0)
                return error_errno(err, "process.user.additionalGids");
        if (setresgid(user->gid, user->gid, user->gid) < 0)
                return error_errno(err, "process.user.gid: %u", user->gid);
        if (setresuid(user->uid, user->uid, user->uid) < 0)
                return error_errno(err, "process.user.uid: %u", user->uid);
        return 0;
}

static int cwd_error(const char *cwd, int code, Error *err) {
        cleanup_free char *why = words(code);

        return error_set(err, code, "chdir to cwd (\"%s\") set in config.json failed: %s", cwd, why);
}

/* A working folder that was reached through a descriptor into another root is a way out of the container. */
static int check_cwd(const char *cwd, Error *err) {
        cleanup_free char *path = getcwd(NULL, 0);

        if (!path || *path != '/')
                return cwd_error(cwd, ENOENT, err);
        return 0;
}

/* Capabilities are kept until program_exec(), but not those that no program may have any more. */
static int become_user(const OciProcess *process, const CapSets *caps, Error *err) {
        const char *cwd = process->cwd && *process->cwd ? process->cwd : "/";
        bool there;

        umask(process->user.umask.set ? (mode_t)process->user.umask.value & 0777U : DEFAULT_UMASK);
        /* Root may get where the user may not, and (on network file systems) the other way round. */
        there = chdir(cwd) >= 0;
        if (!there && errno != EACCES && errno != EPERM)
                return cwd_error(cwd, errno, err);
        if (caps_drop_bounding(caps, err) < 0 || caps_keep_over_setuid(err) < 0 ||
            set_ids(&process->user, err) < 0)
                return -err->code;
        if (!there && chdir(cwd) < 0)
                return cwd_error(cwd, errno, err);
        return check_cwd(cwd, err);
}

/* ---- the whole ---- */

int program_setup(const OciProcess *process, const Seccomp *seccomp, Program **ret, Error *err) {
        cleanup(program_freep) Program *program = xnew(Program, 1);
        cleanup_free char *home = NULL, *path = NULL;

        program->process = process;
        program->seccomp = seccomp;
        caps_parse(process->capabilities, &program->caps, NULL);
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        own_stdio(process->user.uid);
        home = read_home(process->user.uid);
        if (program_environment(process->env, home, &program->env, err) < 0)
                return -err->code;
        if (process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_errno(err, "process.noNewPrivileges");
        if (become_user(process, &program->caps, err) < 0)
                return -err->code;
        /* now already, as runc does: not every engine looks at why a start failed */
        if (program_look_up(process->args[0], program->env, &path, err) < 0)
                return -err->code;
        *ret = TAKE_PTR(program);
        return 0;
}

static void reset_signals(void) {
        struct sigaction act = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int n = 1; n <= SIGRTMAX; n++)
                sigaction(n, &act, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As late as can be, so that the filter need not allow what leads here. It takes no_new_privs, or a
 * capability, which then goes behind it. */
static int confine(const Program *program, Error *err) {
        if (program->process->no_new_privileges || !program->seccomp) {
                if (caps_apply(&program->caps, err) < 0)
                        return -err->code;
                return seccomp_apply(program->seccomp, err);
        }
        if (caps_regain(err) < 0 || seccomp_apply(program->seccomp, err) < 0)
                return -err->code;
        return caps_apply(&program->caps, err);
}

int program_exec(Program *program, Error *err) {
        cleanup_free char *path = NULL, *why = NULL;
        int code;

        /* once more: hooks may have run since */
        if (program_look_up(program->process->args[0], program->env, &path, err) < 0)
                return -err->code;
        reset_signals();
        if (confine(program, err) < 0)
                return -err->code;
        execve(path, program->process->args, program->env);
        code = errno;
        why = words(code);
        return error_set(err, code, "exec %s: %s", path, why);
}

Program *program_free(Program *program) {
        if (!program)
                return NULL;
        strv_free(program->env);
        free(program);
        return NULL;
}
