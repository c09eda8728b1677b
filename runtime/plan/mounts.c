/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Mounts: which folders the shim puts into the shared tree, and what is left for the agent to mount.
 *
 * A bind of a folder or file of the host becomes a share, and in the guest a bind out of the shared tree. A bind of
 * something that only the kernel of the host can show (proc, sys, dev, shared memory) becomes a mount of the
 * guest's own, where that serves the same purpose, and is refused otherwise. Other mounts are the guest's business
 * if its kernel has the file system. Nothing here looks at the host: whether a source exists, and what it is, the
 * shim finds out.
 */

#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/protocol/message.h"
#include "runtime/plan/checks.h"
#include "runtime/plan/devices.h"
#include "runtime/plan/planner.h"
#include "runtime/plan/words.h"

#define SHOWN_MAX  256U /* bytes of a path that a message shows */
#define SHARES_MAX 512U /* engines come with a dozen; virtiofsd holds a descriptor for each */

/* ---- binds of what only a kernel can show ---- */

typedef struct SpecialBind {
        const char *path; /* source on the host */
        bool below;       /* also everything below it */
        Verdict verdict;
        const char *type; /* the guest's own file system that takes its place; NULL: refused */
        const char *why;
} SpecialBind;

/* The first that fits decides. */
static const SpecialBind special_binds[] = {
        { "/sys/fs/cgroup", false, VERDICT_NOTE, "cgroup", "the guest's own cgroups are mounted" },
        { "/sys/fs/cgroup/systemd", false, VERDICT_NOTE, "cgroup", "the guest's own cgroups are mounted" },
        { "/sys/fs/cgroup/unified", false, VERDICT_NOTE, "cgroup", "the guest's own cgroups are mounted" },
        { "/sys", false, VERDICT_WARN, "sysfs",
          "the guest's own /sys is mounted; it shows the virtual machine" },
        { "/sys", true, VERDICT_REFUSE, NULL, SHARE_NO_SYS },
        { "/proc", false, VERDICT_WARN, "proc",
          "the guest's own /proc is mounted; it shows the container's processes only" },
        { "/proc", true, VERDICT_REFUSE, NULL, SHARE_NO_PROC },
        { "/dev/mqueue", false, VERDICT_WARN, "mqueue",
          "message queues are the guest's own; they are not shared with the host" },
        { "/dev/shm", true, VERDICT_NOTE, NULL, NULL },
        { "/dev/hugepages", true, VERDICT_REFUSE, NULL, SHARE_NO_HUGE },
        { "/dev", true, VERDICT_REFUSE, NULL, SHARE_NO_DEVICES },
};

static const SpecialBind *find_special(const char *source) {
        for (size_t i = 0; i < ELEMENTS_OF(special_binds); i++) {
                const char *rest = str_after(source, special_binds[i].path);

                if (rest && (!*rest || (special_binds[i].below && *rest == '/')))
                        return &special_binds[i];
        }
        return NULL;
}

/* The same for binds that are told by other marks than their source. */
#define WHY_HOST_SHM "shared memory is the guest's own; it is not shared with the host"
#define WHY_SHM                                                                                              \
        "shared memory is a tmpfs of the guest, as large as the one that is bound there, and the same for "  \
        "all containers of a pod"
#define WHY_MAPPED "ids can be mapped of files of the host only; leave out uidMappings, gidMappings and idmap"

/* ---- file systems ---- */

/* What the agent can mount by itself. */
static const char guest_types[] =
        "proc sysfs tmpfs devpts mqueue cgroup cgroup2 devtmpfs ramfs hugetlbfs bpf "
        "binfmt_misc securityfs fusectl";

static const struct {
        const char *types;
        const char *why;
} refused_types[] = {
        { "overlay", "its layers are folders of the host; mount it on the host and bind the result" },
        { "nfs nfs4 cifs smb3 9p ceph",
          "the container's network is not set up before start; mount it on the host and bind it" },
        { "ext2 ext3 ext4 xfs btrfs vfat iso9660 squashfs erofs f2fs zfs",
          "block devices of the host do not exist inside a virtual machine; mount it on the host and bind "
          "it" },
        { "debugfs tracefs", "the guest's kernel does not have it" },
};

static const char *refusal_of_type(const char *type) {
        for (size_t i = 0; i < ELEMENTS_OF(refused_types); i++)
                if (word_in(refused_types[i].types, type))
                        return refused_types[i].why;
        return "the guest is not known to have such a file system; mount it on the host and bind it";
}

/* ---- options ---- */

static bool has_option(const OciMount *m, const char *option) {
        return strv_contains(m->options, option);
}

static bool is_bind(const OciMount *m) {
        return streq(m->type, "bind") || has_option(m, "bind") || has_option(m, "rbind");
}

static bool is_recursive(const OciMount *m) {
        return has_option(m, "rbind");
}

static bool is_read_only(const OciMount *m) {
        bool result = false;

        STRV_FOR_EACH (option, m->options) {
                if (streq(*option, "ro") || streq(*option, "rro"))
                        result = true;
                else if (streq(*option, "rw") || streq(*option, "rrw"))
                        result = false;
        }
        return result;
}

static bool is_bind_word(const char *option) {
        return word_in(
                "bind rbind private rprivate shared rshared slave rslave unbindable runbindable rro rrw",
                option);
}

/* Options for the guest: without labels and id mappings, which the host sees to, and without what is said of binds
 * when the mount is none any more. */
static Json *guest_options(const OciMount *m, bool replaced) {
        Json *options = json_new_array();

        STRV_FOR_EACH (option, m->options)
                if (!is_label_option(*option) && !word_in("idmap ridmap", *option) &&
                    !(replaced && is_bind_word(*option)))
                        json_append(options, json_new_string(*option));
        return options;
}

/* ---- one mount ---- */

typedef struct Work {
        Planner *p;
        const OciMount *mount;
        const char *at; /* "mounts[3] (/data)", for messages */
        Json *guest;    /* the mount as the guest gets it */
} Work;

static void replace(Work *w, const char *type) {
        Json *options = guest_options(w->mount, true);

        if (streq(type, "tmpfs"))
                json_append(options, json_new_string("mode=1777"));
        json_set(w->guest, "type", json_new_string(type));
        json_set(w->guest, "source", json_new_string(type));
        json_set(w->guest, "options", options);
}

static bool is_mapped(const OciMount *m) {
        return m->n_uid_mappings > 0 || m->n_gid_mappings > 0 || has_option(m, "idmap") ||
               has_option(m, "ridmap");
}

static OciIdMapping *copy_mappings(const OciIdMapping *mappings, size_t n) {
        OciIdMapping *copy = xnew(OciIdMapping, n);

        memcpy(copy, mappings, n * sizeof(*copy));
        return copy;
}

/* The mappings of an idmapped mount: its own, or else those of the container. */
static int map_share(const Work *w, LaunchShare *share, Error *err) {
        const OciMount *m = w->mount;
        const OciLinux *l = w->p->spec->linux_;
        bool own = m->n_uid_mappings > 0 || m->n_gid_mappings > 0;

        if (own && (m->n_uid_mappings == 0 || m->n_gid_mappings == 0))
                return error_set(err, EINVAL, "%s: uidMappings and gidMappings go together", w->at);
        if (!own && !oci_namespace(l, "user"))
                return error_set(err, EINVAL,
                                 "%s: options: idmap takes uidMappings and gidMappings, or a user namespace",
                                 w->at);
        share->n_uid_mappings = own ? m->n_uid_mappings : l->n_uid_mappings;
        share->n_gid_mappings = own ? m->n_gid_mappings : l->n_gid_mappings;
        share->uid_mappings = copy_mappings(own ? m->uid_mappings : l->uid_mappings, share->n_uid_mappings);
        share->gid_mappings = copy_mappings(own ? m->gid_mappings : l->gid_mappings, share->n_gid_mappings);
        share->map_recursive = has_option(m, "ridmap");
        json_set(w->guest, "uidMappings", NULL);
        json_set(w->guest, "gidMappings", NULL);
        return 0;
}

static void set_size(Work *w, uint64_t bytes) {
        cleanup_free char *option = xasprintf("size=%llu", (unsigned long long)bytes);
        Json *options = json_copy(json_get(w->guest, "options"));

        json_append(options, json_new_string(option));
        json_set(w->guest, "options", options);
}

/* Whether one of the earlier mounts, made by the guest itself, is what the destination is in. */
static bool is_in_guest_mount(const Work *w, const char *destination) {
        const OciMount *mounts = w->p->spec->mounts;

        for (const OciMount *m = mounts; m < w->mount; m++) {
                cleanup_free char *other = path_normalize(m->destination);
                const char *rest = str_after(destination, other);

                if (!is_bind(m) && rest && (*rest == '/' || streq(other, "/")))
                        return true;
        }
        return false;
}

/* Without a word about it, it is a slave of the host's, as with runc. */
static bool is_private(const OciMount *m) {
        return has_option(m, "private") || has_option(m, "rprivate") || has_option(m, "unbindable") ||
               has_option(m, "runbindable");
}

static int add_share(Work *w, char *source, Error *err) {
        LaunchPlan *launch = &w->p->plan->launch;
        size_t n = launch->n_shares - 1; /* the first is the root */
        cleanup_free char *inside = xasprintf(GUEST_SHARE_MOUNT, w->p->folder, n);
        cleanup_free char *destination = path_normalize(w->mount->destination);
        bool hidden = is_in_guest_mount(w, destination);

        launch->shares = xreallocarray(launch->shares, launch->n_shares + 1, sizeof(LaunchShare));
        launch->shares[launch->n_shares++] = (LaunchShare){
                .source = source,
                .target = xasprintf("%smounts/%zu", w->p->folder, n),
                .destination = hidden ? NULL : TAKE_PTR(destination),
                .recursive = is_recursive(w->mount),
                .read_only = is_read_only(w->mount),
                .closed = is_private(w->mount),
        };
        json_set(w->guest, "source", json_new_string(inside));
        json_set(w->guest, "options", guest_options(w->mount, false));
        return is_mapped(w->mount) ? map_share(w, &launch->shares[launch->n_shares - 1], err) : 0;
}

/* Containers that have one IPC namespace have one shared memory; a machine's first container may become a pod. */
static bool shares_memory(const Planner *p) {
        return !p->request->pod || strv_contains(p->request->pod_namespaces, "ipc") ||
               !oci_namespace(p->spec->linux_, "ipc");
}

/* A source the shared tree cannot carry. 1: done with; 0: it is an ordinary one. */
static int special_bind(Work *w, const char *source, Error *err) {
        cleanup_free char *destination = path_normalize(w->mount->destination);
        cleanup_free char *shown = str_printable(source, strlen(source), SHOWN_MAX);
        const SpecialBind *special = find_special(source);

        if (streq(destination, "/dev/shm")) {
                if (streq(source, "/dev/shm"))
                        planner_warn(w->p, "%s: " WHY_HOST_SHM, w->at);
                else
                        planner_note(w->p, "%s: " WHY_SHM, w->at);
                replace(w, "tmpfs");
                if (shares_memory(w->p))
                        json_set(w->guest, "source", json_new_string(GUEST_POD_SHM));
                if (!streq(source, "/dev/shm") && w->p->request->shm_bytes > 0)
                        set_size(w, w->p->request->shm_bytes);
                return 1;
        }
        if (device_path_is_standard(source)) {
                json_set(w->guest, "source", json_new_string(source));
                json_set(w->guest, "options", guest_options(w->mount, false));
                return 1;
        }
        if (!special || (!special->type && special->verdict != VERDICT_REFUSE))
                return 0;
        if (special->verdict == VERDICT_REFUSE)
                return error_set(err, ENOTSUP, "%s: source %s: %s", w->at, shown, special->why);
        if (special->verdict == VERDICT_WARN)
                planner_warn(w->p, "%s: source %s: %s", w->at, shown, special->why);
        else
                planner_note(w->p, "%s: source %s: %s", w->at, shown, special->why);
        replace(w, special->type);
        return 1;
}

static int plan_bind(Work *w, Error *err) {
        const OciMount *m = w->mount;
        cleanup_free char *path = NULL, *source = NULL, *shown = NULL;
        int r;

        if (!m->source || !*m->source)
                return error_set(err, EINVAL, "%s: source: missing", w->at);
        path = *m->source == '/' ? xstrdup(m->source) : path_join(w->p->request->bundle, m->source);
        source = path_normalize(path); /* for a look at it: links may make ".." mean something else */
        shown = str_printable(source, strlen(source), SHOWN_MAX);
        r = special_bind(w, source, err);
        if (r > 0 && is_mapped(m))
                return error_set(err, ENOTSUP, "%s: " WHY_MAPPED, w->at);
        if (r != 0)
                return r;
        if (str_ends_with(source, ".sock") || str_ends_with(source, ".socket"))
                planner_warn(w->p, "%s: source %s: " SHARE_SOCKET, w->at, shown);
        if (w->p->plan->launch.n_shares > SHARES_MAX)
                return error_set(err, E2BIG, "%s: more than %u binds", w->at, SHARES_MAX);
        return add_share(w, TAKE_PTR(path), err);
}

static int plan_mount(Work *w, Error *err) {
        const OciMount *m = w->mount;
        cleanup_free char *shown = NULL;

        if (is_bind(m))
                return plan_bind(w, err);
        if (is_mapped(m))
                return error_set(err, ENOTSUP, "%s: " WHY_MAPPED, w->at);
        if (!m->type || !*m->type)
                return error_set(err, EINVAL, "%s: type: missing", w->at);
        if (!word_in(guest_types, m->type)) {
                shown = str_printable(m->type, strlen(m->type), 64);
                return error_set(err, ENOTSUP, "%s: file system %s: %s", w->at, shown,
                                 refusal_of_type(m->type));
        }
        if (m->options)
                json_set(w->guest, "options", guest_options(m, false));
        return 0;
}

static void share_root(Planner *p) {
        const char *path = p->spec->root->path;
        LaunchPlan *launch = &p->plan->launch;

        launch->shares = xnew(LaunchShare, 1);
        launch->n_shares = 1;
        launch->shares[0] = (LaunchShare){
                .source = *path == '/' ? xstrdup(path) : path_join(p->request->bundle, path),
                .target = xasprintf("%srootfs", p->folder),
                /* Mount points that are missing have to be made, also in a root that is read-only afterwards. */
                .read_only = false,
                .recursive = true,
        };
}

int planner_mounts(Planner *p, Json **ret_mounts, Error *err) {
        const Json *tree = json_get(p->tree, "mounts");
        cleanup_json Json *mounts = json_new_array();

        share_root(p);
        for (size_t i = 0; i < p->spec->n_mounts; i++) {
                const OciMount *m = &p->spec->mounts[i];
                cleanup_free char *shown = str_printable(m->destination, strlen(m->destination), SHOWN_MAX);
                cleanup_free char *at = xasprintf("mounts[%zu] (%s)", i, shown);
                cleanup_json Json *guest = json_copy(json_item(tree, i));
                Work w = { .p = p, .mount = m, .at = at, .guest = guest };
                int r = plan_mount(&w, err);

                if (r < 0)
                        return r;
                json_append(mounts, TAKE_PTR(guest));
        }
        *ret_mounts = TAKE_PTR(mounts);
        return 0;
}

static void describe(StrBuf *out, const char *what, Verdict verdict, const char *why) {
        strbuf_printf(out, "| %s | %s | %s |\n", what, verdict_name(verdict), why);
}

void mounts_describe(StrBuf *out) {
        describe(out, "`uidMappings`, `gidMappings` or `idmap` of anything but a bind of files of the host",
                 VERDICT_REFUSE, WHY_MAPPED);
        describe(out, "bind of `/dev/shm` onto `/dev/shm`", VERDICT_WARN, WHY_HOST_SHM);
        describe(out, "bind of anything else onto `/dev/shm`", VERDICT_NOTE, WHY_SHM);
        describe(out, "bind of `*.sock`, `*.socket`", VERDICT_WARN, SHARE_SOCKET);
        for (size_t i = 0; i < ELEMENTS_OF(special_binds); i++)
                if (special_binds[i].why)
                        strbuf_printf(out, "| bind of `%s`%s | %s | %s |\n", special_binds[i].path,
                                      special_binds[i].below ? " or below, not named above" : "",
                                      verdict_name(special_binds[i].verdict), special_binds[i].why);
        for (size_t i = 0; i < ELEMENTS_OF(refused_types); i++)
                strbuf_printf(out, "| mount of type %s | %s | %s |\n", refused_types[i].types,
                              verdict_name(VERDICT_REFUSE), refused_types[i].why);
}
