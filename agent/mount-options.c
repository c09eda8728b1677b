/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mount-options.h"

#include <string.h>
#include <sys/mount.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"

typedef enum OptionKind {
        OPTION_IGNORED, /* says what is so anyway, or has no effect in today's kernels */
        OPTION_ATTRIBUTE,
        OPTION_RECURSIVE,
        OPTION_SUPERBLOCK,
        OPTION_PROPAGATION,
        OPTION_BIND,
        OPTION_REMOUNT,
        OPTION_COPY_UP,
} OptionKind;

typedef struct Option {
        const char *name;
        OptionKind kind;
        unsigned long set, clear;
        bool recursive;
} Option;

#define ATTRIBUTE(on, off, bit)                                                                              \
        { on, OPTION_ATTRIBUTE, (bit), 0, false }, { off, OPTION_ATTRIBUTE, 0, (bit), false },               \
                { "r" on, OPTION_RECURSIVE, (bit), 0, false }, {                                             \
                "r" off, OPTION_RECURSIVE, 0, (bit), false                                                   \
        }

/* The three ways to keep access times exclude each other: all bits of the field are cleared, then one is
 * set. */
#define ATIME(name, bit)                                                                                     \
        { name, OPTION_ATTRIBUTE, (bit), MOUNT_ATTR__ATIME, false }, {                                       \
                "r" name, OPTION_RECURSIVE, (bit), MOUNT_ATTR__ATIME, false                                  \
        }

#define SUPERBLOCK(on, off, bit)                                                                             \
        { on, OPTION_SUPERBLOCK, (bit), 0, false }, {                                                        \
                off, OPTION_SUPERBLOCK, 0, (bit), false                                                      \
        }

#define PROPAGATION(name, bit)                                                                               \
        { name, OPTION_PROPAGATION, (bit), 0, false }, {                                                     \
                "r" name, OPTION_PROPAGATION, (bit), 0, true                                                 \
        }

static const Option option_table[] = {
        { "defaults", OPTION_IGNORED, 0, 0, false },
        { "loud", OPTION_IGNORED, 0, 0, false },
        { "silent", OPTION_IGNORED, 0, 0, false },
        { "iversion", OPTION_IGNORED, 0, 0, false },
        { "noiversion", OPTION_IGNORED, 0, 0, false },
        { "acl", OPTION_IGNORED, 0, 0, false },
        { "noacl", OPTION_IGNORED, 0, 0, false },

        ATTRIBUTE("ro", "rw", MOUNT_ATTR_RDONLY),
        ATTRIBUTE("nosuid", "suid", MOUNT_ATTR_NOSUID),
        ATTRIBUTE("nodev", "dev", MOUNT_ATTR_NODEV),
        ATTRIBUTE("noexec", "exec", MOUNT_ATTR_NOEXEC),
        ATTRIBUTE("nodiratime", "diratime", MOUNT_ATTR_NODIRATIME),
        ATTRIBUTE("nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW),
        ATIME("noatime", MOUNT_ATTR_NOATIME),
        ATIME("atime", MOUNT_ATTR_RELATIME),
        ATIME("relatime", MOUNT_ATTR_RELATIME),
        ATIME("norelatime", MOUNT_ATTR_RELATIME),
        ATIME("strictatime", MOUNT_ATTR_STRICTATIME),
        ATIME("nostrictatime", MOUNT_ATTR_RELATIME),

        SUPERBLOCK("sync", "async", MS_SYNCHRONOUS),
        SUPERBLOCK("mand", "nomand", MS_MANDLOCK),
        SUPERBLOCK("lazytime", "nolazytime", MS_LAZYTIME),
        { "dirsync", OPTION_SUPERBLOCK, MS_DIRSYNC, 0, false },

        PROPAGATION("private", MS_PRIVATE),
        PROPAGATION("slave", MS_SLAVE),
        PROPAGATION("shared", MS_SHARED),
        PROPAGATION("unbindable", MS_UNBINDABLE),

        { "bind", OPTION_BIND, 0, 0, false },
        { "rbind", OPTION_BIND, 0, 0, true },
        { "remount", OPTION_REMOUNT, 0, 0, false },
        { "tmpcopyup", OPTION_COPY_UP, 0, 0, false },
};

static const Option *find_option(const char *name) {
        for (size_t i = 0; i < ELEMENTS_OF(option_table); i++)
                if (streq(option_table[i].name, name))
                        return &option_table[i];
        return NULL;
}

/* One more change to what is to be set and cleared; a later option undoes an earlier one. */
static void change(uint64_t *set, uint64_t *clear, const Option *option) {
        *set = (*set & ~(uint64_t)option->clear) | option->set;
        *clear |= option->clear;
        /* mount_setattr(2) wants the whole field of access times cleared whenever it is set. */
        *clear &= ~((uint64_t)option->set & ~(uint64_t)MOUNT_ATTR__ATIME);
}

static void apply_option(MountOptions *o, const Option *option) {
        switch (option->kind) {
        case OPTION_IGNORED:
                break;
        case OPTION_ATTRIBUTE:
                change(&o->set, &o->clear, option);
                break;
        case OPTION_RECURSIVE:
                change(&o->recursive_set, &o->recursive_clear, option);
                break;
        case OPTION_SUPERBLOCK:
                o->superblock = (o->superblock & ~option->clear) | option->set;
                break;
        case OPTION_PROPAGATION:
                o->propagation = option->set;
                o->propagation_recursive = option->recursive;
                break;
        case OPTION_BIND:
                o->bind = true;
                o->rbind = o->rbind || option->recursive;
                break;
        case OPTION_REMOUNT:
                o->remount = true;
                break;
        case OPTION_COPY_UP:
                o->copy_up = true;
                break;
        default:
                __builtin_unreachable();
        }
}

/* Data may come as one string with commas, as mount(8) takes it; "\," is none. */
static void add_data(MountOptions *o, const char *text) {
        const char *start = text;

        for (const char *p = text;; p++) {
                if (*p == '\\' && p[1]) {
                        p++;
                        continue;
                }
                if (*p && *p != ',')
                        continue;
                if (p > start)
                        strv_take(&o->data, xstrndup(start, (size_t)(p - start)));
                if (!*p)
                        return;
                start = p + 1;
        }
}

void mount_options_parse(char *const *options, MountOptions *ret) {
        MountOptions o = { 0 };

        STRV_FOR_EACH (name, options) {
                const Option *option = find_option(*name);

                if (option)
                        apply_option(&o, option);
                else
                        add_data(&o, *name);
        }
        if (o.set & MOUNT_ATTR_RDONLY)
                o.superblock |= MS_RDONLY;
        *ret = o;
}

void mount_options_done(MountOptions *o) {
        o->data = strv_free(o->data);
}
