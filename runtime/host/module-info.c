/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/module-info.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/str.h"

/* libkmod takes modules of any machine. */
static int check_elf(const char *path, Error *err) {
        cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        Elf64_Ehdr h = { 0 };
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(err, errno, "%s", strerror(errno));
        if (!S_ISREG(st.st_mode) || pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
            memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
                return error_set(err, EINVAL, "not a kernel module (or a packed one: unpack it)");
        if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_machine != EM_X86_64 || h.e_type != ET_REL)
                return error_set(err, EINVAL, "not a kernel module for x86-64");
        return 0;
}

static void take_value(const struct kmod_list *item, ModuleInfo *info) {
        const char *key = kmod_module_info_get_key(item), *value = kmod_module_info_get_value(item);

        if (streq(key, "vermagic") && !info->vermagic)
                info->vermagic = xstrdup(value);
        if (streq(key, "depends") && !info->depends)
                info->depends = strv_split(value, ",");
}

int module_info_read(const char *path, ModuleInfo *ret, Error *err) {
        static const char *const no_configuration = NULL;
        cleanup_module_info ModuleInfo info = { 0 };
        struct kmod_list *list = NULL, *item;
        struct kmod_module *module = NULL;
        struct kmod_ctx *kmod = NULL;
        int r;

        if (check_elf(path, err) < 0)
                return -err->code;
        kmod = kmod_new(NULL, &no_configuration);
        r = kmod ? kmod_module_new_from_path(kmod, path, &module) : -ENOMEM;
        if (r >= 0)
                r = kmod_module_get_info(module, &list);
        kmod_list_foreach(item, list) {
                take_value(item, &info);
        }
        kmod_module_info_free_list(list);
        kmod_module_unref(module);
        kmod_unref(kmod);
        if (r < 0 || !info.vermagic)
                return error_set(err, EINVAL, "not a kernel module: it does not say which kernel it is for");
        *ret = info;
        info = (ModuleInfo){ 0 };
        return 0;
}

void module_info_done(ModuleInfo *info) {
        free(info->vermagic);
        strv_free(info->depends);
        *info = (ModuleInfo){ 0 };
}
