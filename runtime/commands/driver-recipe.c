/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/driver-recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/tool.h"

#define TREE_FILE "kernel-devel.tar.zst"

static char *find_tree(const char *tree, const char *kernel, Error *err) {
        const char *slash = kernel ? strrchr(kernel, '/') : NULL;
        cleanup_free char *beside =
                slash ? xasprintf("%.*s/" TREE_FILE, (int)(slash - kernel), kernel) : NULL;

        if (tree)
                return xstrdup(tree);
        if (beside && access(beside, R_OK) == 0)
                return TAKE_PTR(beside);
        error_set(err, ENOENT,
                  "the tree of the guest's kernel was not found%s%s: name it with --tree "
                  "(kernel-config/build prints "
                  "where it is)",
                  beside ? " at " : "", beside ? beside : "");
        return NULL;
}

int driver_recipe_build(const char *name, const char *source, const char *tree, const char *kernel,
                        const DriverBuild *how, Error *err) {
        const char *temporary = getenv("TMPDIR");
        cleanup(driver_manifest_freep) DriverManifest *m = NULL;
        cleanup_free char *program = xasprintf("build-%s", name), *recipe = tool_of_ours("drivers", program);
        cleanup_free char *from = find_tree(tree, kernel, err);
        cleanup_free char *work = NULL, *folder = NULL, *what = xstrdup(source), *output = NULL;
        DriverBuild build = *how;
        cleanup_error Error ignored = { 0 };
        int r;

        if (!from)
                return -err->code;
        work = xasprintf("%s/carrel-driver.XXXXXX", temporary && *temporary ? temporary : "/var/tmp");
        if (!mkdtemp(work))
                return error_errno(err, "%s", work);
        folder = path_join(work, "bundle");
        build.folder = folder;
        r = tool_run(&(Tool){ .argv = (char *[]){ recipe, what, from, work, folder, NULL }, .show = true },
                     err);
        if (r >= 0)
                r = driver_build(&build, &m, &output, err);
        path_remove_tree(AT_FDCWD, work, &ignored);
        if (r >= 0)
                printf("%s\n", output);
        return r;
}
