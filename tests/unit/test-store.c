/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/store/journal.h"
#include "runtime/store/process.h"
#include "runtime/store/record.h"
#include "runtime/store/store.h"

static int make_root(void **state) {
        char *root = xstrdup("/tmp/carrel-store-XXXXXX");

        assert_non_null(mkdtemp(root));
        *state = root;
        return 0;
}

static int remove_root(void **state) {
        cleanup_error Error error = { 0 };

        path_remove_tree(AT_FDCWD, *state, &error);
        free(*state);
        return 0;
}

static Record *record_for(const char *id, pid_t pid) {
        cleanup_error Error error = { 0 };
        Record *record = xnew(Record, 1);

        record->version = RECORD_VERSION;
        record->id = xstrdup(id);
        record->bundle = xstrdup("/bundle");
        record->created = xstrdup("2024-01-01T00:00:00Z");
        record->pid = pid;
        record->complete = true;
        str_map_set(&record->annotations, "k", "v");
        strv_append(&record->cgroups, "/sys/fs/cgroup/a");
        if (pid)
                assert_int_equal(process_start_time(pid, &record->pid_start, &error), 0);
        return record;
}

/* ---- store ---- */

static void test_create_open_remove(void **state) {
        cleanup(store_entry_freep) StoreEntry *made = NULL, *found = NULL;
        cleanup_error Error error = { 0 };
        cleanup_strv char **ids = NULL;
        struct stat st;

        assert_int_equal(store_create(*state, "one", &made, &error), STORE_OK);
        assert_int_equal(stat(made->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0711);
        assert_int_equal(store_open(*state, "one", &found, &error), 0);
        assert_int_equal(store_list(*state, &ids, &error), 0);
        assert_int_equal(strv_length(ids), 1);
        assert_string_equal(ids[0], "one");
        /* the maker holds the lock */
        assert_int_equal(store_lock(found, 30, &error), -ETIMEDOUT);
        error_clear(&error);
        assert_int_equal(store_remove(made, &error), 0);
        store_unlock(made);
        assert_int_equal(store_lock(found, 30, &error), -ENOENT);
        assert_string_equal(error.message, "container does not exist");
}

static void test_unknown_and_bad_ids(void **state) {
        static const char *const bad[] = { "", ".", "..", "a/b", "../x", "~lock" };
        cleanup(store_entry_freep) StoreEntry *entry = NULL;
        cleanup_error Error error = { 0 };

        assert_int_equal(store_open(*state, "nope", &entry, &error), -ENOENT);
        assert_string_equal(error.message, "container does not exist");
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                error_clear(&error);
                assert_int_equal(store_open(*state, bad[i], &entry, &error), -EINVAL);
        }
        assert_null(entry);
}

static void test_list_without_a_root(void **state) {
        cleanup_free char *path = path_join(*state, "not-there");
        cleanup_error Error error = { 0 };
        char **ids = NULL;

        assert_int_equal(store_list(path, &ids, &error), 0);
        assert_null(ids);
}

/* Of many who want one id, one gets it. */
static void test_one_wins(void **state) {
        int won = 0, tried[2], over[2];
        pid_t children[8];
        char byte;

        assert_int_equal(pipe2(tried, O_CLOEXEC), 0);
        assert_int_equal(pipe2(over, O_CLOEXEC), 0);
        for (size_t i = 0; i < ELEMENTS_OF(children); i++) {
                children[i] = fork();
                if (children[i] == 0) {
                        cleanup_error Error error = { 0 };
                        StoreEntry *entry = NULL;
                        int r = store_create(*state, "same", &entry, &error);

                        /* held until all have tried, as a create does for a while */
                        close(over[1]);
                        if (write(tried[1], "", 1) != 1 || read(over[0], &byte, 1) != 0)
                                _exit(2);
                        _exit(r == STORE_OK ? 0 : r == -EEXIST ? 1 : 2);
                }
        }
        close(tried[1]);
        for (size_t i = 0; i < ELEMENTS_OF(children); i++)
                assert_int_equal(read(tried[0], &byte, 1), 1);
        close(tried[0]);
        close(over[0]);
        close(over[1]);
        for (size_t i = 0; i < ELEMENTS_OF(children); i++) {
                int status;

                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
                won += WEXITSTATUS(status) == 0;
        }
        assert_int_equal(won, 1);
}

static void test_stale_is_handed_out(void **state) {
        cleanup(store_entry_freep) StoreEntry *made = NULL, *again = NULL;
        cleanup(record_freep) Record *record = record_for("x", getpid());
        cleanup_error Error error = { 0 };

        assert_int_equal(store_create(*state, "x", &made, &error), STORE_OK);
        made = store_entry_free(made);
        /* no record: its maker died */
        assert_int_equal(store_create(*state, "x", &again, &error), STORE_STALE);
        /* a whole one whose process lives */
        assert_int_equal(record_write(again->dir, record, &error), 0);
        again = store_entry_free(again);
        assert_int_equal(store_create(*state, "x", &again, &error), -EEXIST);
        assert_string_equal(error.message, "container with given ID already exists");
}

/* ---- record ---- */

static void test_record_round_trip(void **state) {
        cleanup(record_freep) Record *record = record_for("x", getpid()), *back = NULL;
        cleanup_close int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_error Error error = { 0 };

        assert_int_equal(record_write(dir, record, &error), 0);
        assert_int_equal(record_read(dir, &back, &error), 0);
        assert_string_equal(back->id, "x");
        assert_int_equal(back->pid, getpid());
        assert_int_equal(back->pid_start, record->pid_start);
        assert_string_equal(str_map_get(&back->annotations, "k"), "v");
        assert_string_equal(back->cgroups[0], "/sys/fs/cgroup/a");
}

static void test_record_refusals(void **state) {
        cleanup_close int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        static const char *const bad[] = { "", "not JSON", "[]", "{}",
                                           "{\"version\":2,\"id\":\"x\",\"bundle\":\"/\"}" };
        cleanup_error Error error = { 0 };
        Record *record = NULL;

        assert_int_equal(record_read(dir, &record, &error), -ENOENT);
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                error_clear(&error);
                assert_int_equal(file_write_atomic(dir, STATE_RECORD, bad[i], strlen(bad[i]), 0600, &error),
                                 0);
                assert_true(record_read(dir, &record, &error) < 0);
                assert_non_null(strstr(error.message, "record.json"));
                assert_false(record_is_whole(dir));
        }
        assert_null(record);
}

static void test_whole(void **state) {
        cleanup_close int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        static const char creating[] = "{\"status\":\"creating\"}", created[] = "{\"status\":\"created\"}";
        cleanup(record_freep) Record *record = record_for("x", getpid());
        cleanup_error Error error = { 0 };

        assert_int_equal(record_write(dir, record, &error), 0);
        assert_true(record_is_whole(dir));
        /* its process is gone, or another has its number */
        record->pid_start++;
        assert_int_equal(record_write(dir, record, &error), 0);
        assert_false(record_is_whole(dir));
        assert_int_equal(file_write_atomic(dir, STATE_STATUS, creating, strlen(creating), 0600, &error), 0);
        assert_false(record_is_whole(dir));
        assert_int_equal(file_write_atomic(dir, STATE_STATUS, created, strlen(created), 0600, &error), 0);
        assert_true(record_is_whole(dir));
        record->complete = false;
        assert_int_equal(record_write(dir, record, &error), 0);
        assert_false(record_is_whole(dir));
}

/* ---- journal ---- */

static char released[256];

static int release_a(const Json *entry, Error *err) {
        size_t length = strlen(released);

        snprintf(released + length, sizeof(released) - length, "%s", json_string(json_get(entry, "path")));
        if (strchr(released, '!'))
                return error_set(err, EBUSY, "will not go");
        return 0;
}

static const JournalKind kinds[] = { { "a", release_a }, {} };

static void test_journal_order(void **state) {
        cleanup_close int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char one[] = "1", two[] = "2";
        char *paths[] = { one, two, NULL };
        cleanup_error Error error = { 0 };
        Json *entry = json_new_object();

        released[0] = '\0';
        assert_int_equal(journal_replay(dir, kinds, &error), 0);
        assert_int_equal(journal_add_paths(dir, "a", paths, &error), 0);
        json_set(entry, "path", json_new_string("3"));
        assert_int_equal(journal_add(dir, "a", entry, &error), 0);
        assert_int_equal(journal_replay(dir, kinds, &error), 0);
        assert_string_equal(released, "321");
}

static void test_journal_troubles(void **state) {
        cleanup_close int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        static const char text[] = "{\"kind\":\"a\",\"path\":\"1\"}\n"
                                   "{\"kind\":\"a\",\"path\":\"!\"}\n"
                                   "{\"kind\":\"a\",\"path\":\"2\"}\n"
                                   "{\"kind\":\"a\",\"pa"; /* cut short by a crash */
        static const char unknown[] = "{\"kind\":\"b\"}\n";
        cleanup_error Error error = { 0 };

        released[0] = '\0';
        assert_int_equal(file_write_atomic(dir, STATE_JOURNAL, text, strlen(text), 0600, &error), 0);
        assert_int_equal(journal_replay(dir, kinds, &error), -EBUSY);
        assert_string_equal(error.message, "will not go");
        assert_string_equal(released, "2!1");
        error_clear(&error);
        assert_int_equal(file_write_atomic(dir, STATE_JOURNAL, unknown, strlen(unknown), 0600, &error), 0);
        assert_int_equal(journal_replay(dir, kinds, &error), -ENOTSUP);
}

/* ---- processes ---- */

static void test_stat_line(void **state) {
        static const char line[] =
                "42 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n";
        uint64_t start;
        char letter;

        (void)state;
        assert_true(process_parse_stat(line, &letter, &start));
        assert_int_equal(letter, 'R');
        assert_int_equal(start, 987654);
        assert_false(process_parse_stat("42 (a) R 1 2", &letter, &start));
        assert_false(process_parse_stat("", &letter, &start));
}

static void test_alive(void **state) {
        cleanup_error Error error = { 0 };
        cleanup_close int pidfd = -1;
        uint64_t start;
        pid_t child;

        (void)state;
        child = fork();
        if (child == 0) {
                pause();
                _exit(0);
        }
        assert_int_equal(process_start_time(child, &start, &error), 0);
        assert_true(process_is_alive(child, start));
        assert_false(process_is_alive(child, start + 1));
        assert_int_equal(process_open(child, start + 1, &error), -ESRCH);
        error_clear(&error);
        pidfd = process_open(child, start, &error);
        assert_true(pidfd >= 0);
        assert_false(process_wait(pidfd, 20));
        assert_int_equal(process_signal(pidfd, SIGKILL, &error), 0);
        assert_true(process_wait(pidfd, 5000));
        /* a zombie is not alive */
        assert_false(process_is_alive(child, start));
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(process_signal(pidfd, SIGKILL, &error), 0);
        assert_false(process_is_alive(0, 0));
        assert_false(process_is_alive(-1, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_create_open_remove),    TEST(test_unknown_and_bad_ids),
                TEST(test_list_without_a_root),   TEST(test_one_wins),
                TEST(test_stale_is_handed_out),   TEST(test_record_round_trip),
                TEST(test_record_refusals),       TEST(test_whole),
                TEST(test_journal_order),         TEST(test_journal_troubles),
                cmocka_unit_test(test_stat_line), cmocka_unit_test(test_alive),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
