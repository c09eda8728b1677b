/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/config.h"

typedef struct Folder {
        char path[64];
        Error err;
        RuntimeConfig *config;
} Folder;

static int make_folder(void **state) {
        Folder *f = xnew(Folder, 1);

        strcpy(f->path, "/tmp/carrel-test-config-XXXXXX");
        *state = f;
        return mkdtemp(f->path) ? 0 : -1;
}

static int remove_folder(void **state) {
        Folder *f = *state;
        int r = path_remove_tree(AT_FDCWD, f->path, &f->err);

        error_clear(&f->err);
        runtime_config_free(f->config);
        free(f);
        return r;
}

static void put(Folder *f, const char *name, const char *text) {
        cleanup_free char *path = path_join(f->path, name);
        cleanup_free char *folder = path_join(f->path, "config.d");

        mkdir(folder, 0755);
        assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, &f->err), 0);
}

static int load(Folder *f) {
        f->config = runtime_config_free(f->config);
        return runtime_config_load_from(f->path, &f->config, &f->err);
}

static void test_nothing_there(void **state) {
        Folder *f = *state;
        cleanup_free char *missing = path_join(f->path, "missing");

        assert_int_equal(load(f), 0);
        assert_string_equal(f->config->accelerator, "auto");
        f->config = runtime_config_free(f->config);
        assert_int_equal(runtime_config_load_from(missing, &f->config, &f->err), 0);
}

static void test_order(void **state) {
        Folder *f = *state;

        put(f, "config.json", "{\"vcpus\":1,\"memoryMiB\":256}");
        put(f, "config.d/20-b.json", "{\"vcpus\":3}");
        put(f, "config.d/10-a.json", "{\"vcpus\":2,\"firmware\":\"ovmf\"}");
        put(f, "config.d/30-c.conf", "{\"vcpus\":4}");
        put(f, "config.d/.40-d.json", "{\"vcpus\":5}");
        put(f, "config.d/50-e.json~", "nonsense");
        assert_int_equal(load(f), 0);
        assert_int_equal(f->config->vcpus, 3);
        assert_int_equal(f->config->memory_mib, 256);
        assert_string_equal(f->config->firmware, "ovmf");
}

static void test_errors_name_the_file(void **state) {
        Folder *f = *state;
        cleanup_free char *words =
                xasprintf("%s/config.d/x.json: vcpsu: no such key; did you mean vcpus?", f->path);
        cleanup_free char *path = path_join(f->path, "config.d/x.json");

        put(f, "config.json", "{}");
        put(f, "config.d/x.json", "{\"vcpsu\":1}");
        assert_int_equal(load(f), -EINVAL);
        assert_string_equal(f->err.message, words);
        assert_int_equal(runtime_config_load(path, &f->config, &f->err), -EINVAL);
        assert_string_equal(f->err.message, words);
        put(f, "config.d/x.json", "{\"vcpus\":1,}");
        assert_int_equal(load(f), -EINVAL);
        assert_non_null(strstr(f->err.message, "/config.d/x.json: line 1, column "));
}

/* A file that was named must be there, and stands alone. */
static void test_named_file(void **state) {
        Folder *f = *state;
        cleanup_free char *path = path_join(f->path, "mine");

        put(f, "config.json", "{\"vcpus\":1}");
        assert_int_equal(runtime_config_load(path, &f->config, &f->err), -ENOENT);
        assert_non_null(strstr(f->err.message, path));
        put(f, "mine", "{\"memoryMiB\":256}");
        assert_int_equal(runtime_config_load(path, &f->config, &f->err), 0);
        assert_int_equal(f->config->vcpus, 0);
        assert_int_equal(f->config->memory_mib, 256);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nothing_there, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(test_order, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(test_errors_name_the_file, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(test_named_file, make_folder, remove_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
