/* SPDX-License-Identifier: Apache-2.0 */

/* Taking PCI functions, on trees of files with a process that plays the kernel. The real ones:
 * tests/lab/scenarios/lease-*. */

#include "tests/unit/lease-host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"
#include "runtime/host/pci.h"
#include "runtime/store/journal.h"

/* ---- there and back ---- */

static Host *replayed; /* what release() works on */

static int release(const Json *entry, Error *err) {
        cleanup_free char *note = NULL;

        return gpu_release_entry(&replayed->vfio, entry, &note, err);
}

static void test_there_and_back(void **state) {
        static const JournalKind kinds[] = { { GPU_JOURNAL, release }, {} };
        cleanup(host_done) Host h = card(NULL, 5000);
        cleanup_free char *journal = NULL;
        cleanup_strv char **lines = NULL;

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        assert_driver(&h, DISPLAY, VFIO_DRIVER);
        assert_driver(&h, AUDIO, VFIO_DRIVER);
        assert_file(&h, AUDIO, "driver_override", VFIO_DRIVER);
        assert_file(&h, DISPLAY, "power/control", "on");
        assert_lease_has(&h, DISPLAY, "\"id\": \"one\"");
        assert_lease_has(&h, DISPLAY, "\"root\": \"" ROOT "\"");
        assert_lease_has(&h, AUDIO, "\"driver\": \"snd_hda_intel\"");
        assert_lease_has(&h, AUDIO, "\"power\": \"auto\"");

        journal = fake_pci_get(h.fake, "state/journal");
        lines = strv_split(journal, "\n");
        assert_int_equal(strv_length(lines), 10);
        assert_said(lines[0], "\"step\":\"lease\"");
        assert_said(lines[1], AUDIO);
        assert_said(lines[2], "\"step\":\"power\"");
        assert_said(lines[3], "\"step\":\"override\"");
        assert_said(lines[4], "\"step\":\"unbind\"");
        assert_said(lines[5], "\"step\":\"probe\",\"driver\":\"nvidia\",\"power\":\"auto\",\"kind\":\"gpu\"");

        replayed = &h;
        assert_int_equal(journal_replay(h.state, kinds, &h.error), 0);
        assert_untouched(&h);
        assert_file(&h, DISPLAY, "reset", "1");
        assert_file(&h, AUDIO, "reset", "1");
        /* and once more: nothing to do */
        assert_int_equal(journal_replay(h.state, kinds, &h.error), 0);
        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_NOT_LEASED);
        assert_null(h.note);
}

static void test_words(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        assert_int_equal(give_back(&h, DISPLAY, "other"), GPU_NOT_LEASED);
        assert_driver(&h, DISPLAY, VFIO_DRIVER);
        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_RETURNED);
        assert_string_equal(h.note, "gpu " DISPLAY ": given back to nvidia");
}

/* No driver before, none afterwards; vfio-pci before, vfio-pci afterwards. */
static void test_set_aside(void **state) {
        FakePci *fake = fake_pci_new();

        (void)state;
        fake_pci_add(fake, DISPLAY, VFIO_DRIVER, 42);
        fake_pci_put(fake, "sys/bus/pci/devices/" DISPLAY "/driver_override", VFIO_DRIVER "\n");
        fake_pci_add(fake, AUDIO, NULL, 43);
        fake_pci_start(fake, NULL);
        {
                cleanup(host_done) Host h = host_of(fake, 5000);

                assert_int_equal(take(&h, "one"), 0);
                assert_driver(&h, AUDIO, VFIO_DRIVER);
                assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_RETURNED);
                assert_string_equal(h.note, "gpu " DISPLAY ": given back to vfio-pci");
                assert_int_equal(give_back(&h, AUDIO, "one"), GPU_RETURNED);
                assert_string_equal(h.note, "gpu " AUDIO ": given back, without a driver");
                assert_driver(&h, DISPLAY, VFIO_DRIVER);
                assert_file(&h, DISPLAY, "driver_override", VFIO_DRIVER);
                assert_file(&h, DISPLAY, "power/control", "auto");
                assert_driver(&h, AUDIO, "");
                assert_file(&h, AUDIO, "driver_override", "");
        }
}

/* Whatever was done when its carrel was killed, the way back leads to the same. */
static void test_from_every_step(void **state) {
        static const struct {
                const char *override, *driver, *reset;
        } places[] = {
                { "(null)\n", "nvidia", "" },
                { VFIO_DRIVER "\n", "nvidia", "" }, /* a driver of the host is not reset under */
                { VFIO_DRIVER "\n", NULL, "" },
                { VFIO_DRIVER "\n", VFIO_DRIVER, "1" },
                { "\n", VFIO_DRIVER, "1" },
                { "\n", NULL, "" },
                { "\n", "nvidia", "" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(places); i++) {
                FakePci *fake = fake_pci_new();

                fake_pci_add(fake, AUDIO, "nvidia", 43); /* so that there is such a driver */
                fake_pci_add(fake, DISPLAY, places[i].driver, 42);
                fake_pci_put(fake, "sys/bus/pci/devices/" DISPLAY "/driver_override", places[i].override);
                fake_pci_put(fake, "sys/bus/pci/devices/" DISPLAY "/power/control", "on");
                fake_pci_put(fake, "run/carrel-gpus/" DISPLAY ".json",
                             "{\"address\":\"" DISPLAY "\",\"id\":\"one\",\"root\":\"" ROOT
                             "\",\"driver\":\"nvidia\",\"power\":\"auto\"}");
                fake_pci_start(fake, NULL);
                {
                        cleanup(host_done) Host h = host_of(fake, 5000);

                        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_RETURNED);
                        assert_driver(&h, DISPLAY, "nvidia");
                        assert_file(&h, DISPLAY, "driver_override", "");
                        assert_file(&h, DISPLAY, "power/control", "auto");
                        assert_file(&h, DISPLAY, "reset", places[i].reset);
                        assert_no_lease(&h, DISPLAY);
                }
        }
}

/* ---- who has it ---- */

static void test_held(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        assert_int_equal(take(&h, "two"), -EBUSY);
        assert_said(h.error.message, "gpu " DISPLAY ": container one has it");
        assert_driver(&h, DISPLAY, VFIO_DRIVER);
        assert_lease_has(&h, DISPLAY, "\"id\": \"one\"");
        /* of the same name: what it has is left from before */
        assert_int_equal(take(&h, "one"), 0);
        assert_lease_has(&h, DISPLAY, "\"driver\": \"nvidia\"");
        assert_driver(&h, AUDIO, VFIO_DRIVER);
}

/* Several at once: one gets it. */
static void test_race(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);
        int won = 0, refused = 0;
        pid_t pids[6];

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(pids); i++) {
                cleanup_free char *id = xasprintf("c%zu", i);

                pids[i] = fork();
                if (pids[i] == 0)
                        _exit(-take(&h, id));
        }
        for (size_t i = 0; i < ELEMENTS_OF(pids); i++) {
                int status;

                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
                refused += WIFEXITED(status) && WEXITSTATUS(status) == EBUSY;
        }
        assert_int_equal(won, 1);
        assert_int_equal(refused, ELEMENTS_OF(pids) - 1);
        assert_driver(&h, DISPLAY, VFIO_DRIVER);
}

static void test_reclaim(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);
        cleanup_strv char **notes = NULL, **addresses = NULL;

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        assert_int_equal(gpu_reclaim(&h.vfio, all_live, NULL, &notes, &h.error), 0);
        assert_null(notes);
        assert_driver(&h, DISPLAY, VFIO_DRIVER);
        assert_int_equal(by_hand(&h, DISPLAY, true, all_live), -EBUSY);
        assert_said(h.error.message, "gpu " DISPLAY ": container one has it: end that container");

        assert_int_equal(gpu_find_left(&h.vfio, nobody_lives, NULL, &addresses, &notes, &h.error), 0);
        assert_int_equal(strv_length(addresses), 2);
        assert_string_equal(notes[1], "gpu " AUDIO ": container one had it and has gone");
        notes = strv_free(notes);
        assert_int_equal(by_hand(&h, DISPLAY, false, nobody_lives), GPU_RETURNED);
        assert_int_equal(gpu_reclaim(&h.vfio, nobody_lives, NULL, &notes, &h.error), 0);
        assert_int_equal(strv_length(notes), 1);
        assert_string_equal(notes[0], "gpu " AUDIO ": given back to snd_hda_intel (container one had it)");
        assert_untouched(&h);
        assert_int_equal(by_hand(&h, DISPLAY, false, nobody_lives), -ENOENT);
        assert_said(h.error.message, "nobody has it");
}

/* A lease that somebody was writing when he was killed, and one that somebody is writing. */
static void put_unfinished(const Host *h, pid_t pid) {
        cleanup_free char *path = xasprintf("run/carrel-gpus/" DISPLAY ".json.%d.tmp", (int)pid);

        fake_pci_put(h->fake, path, "{");
}

static bool has_unfinished(const Host *h, pid_t pid) {
        cleanup_free char *path =
                xasprintf("%s/run/carrel-gpus/" DISPLAY ".json.%d.tmp", fake_pci_path(h->fake), (int)pid);

        return access(path, F_OK) == 0;
}

static void test_unfinished(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);
        cleanup_strv char **notes = NULL;
        pid_t dead = fork();

        (void)state;
        if (dead == 0)
                _exit(0);
        assert_int_equal(waitpid(dead, NULL, 0), dead);
        put_unfinished(&h, dead);
        put_unfinished(&h, getpid());
        assert_int_equal(gpu_reclaim(&h.vfio, nobody_lives, NULL, &notes, &h.error), 0);
        assert_false(has_unfinished(&h, dead));
        assert_true(has_unfinished(&h, getpid()));
        put_unfinished(&h, dead);
        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_NOT_LEASED);
        assert_false(has_unfinished(&h, dead));
}

/* ---- what is in use ---- */

static void open_node(FakePci *fake, const char *node) {
        fake_pci_put(fake, "proc/812/comm", "pulseaudio\n");
        fake_pci_put(fake, "proc/812/cgroup", "0::/user.slice\n");
        fake_pci_link(fake, "proc/812/fd/3", node);
}

static void test_in_use(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);

        (void)state;
        fake_pci_put(h.fake, "sys/bus/pci/devices/" AUDIO "/sound/card0/controlC0/uevent",
                     "DEVNAME=snd/controlC0\n");
        open_node(h.fake, "/dev/snd/controlC0");
        assert_int_equal(take(&h, "one"), -EBUSY);
        assert_string_equal(h.error.message, "gpu " AUDIO ": it is in use: process 812 (pulseaudio) has "
                                             "/dev/snd/controlC0 open; end that first");
        assert_untouched(&h);
}

/* udev looks at a disk that was just given back; it does not stay. */
static void test_udev(void **state) {
        cleanup(host_done) Host h = card(NULL, 2000);

        (void)state;
        fake_pci_put(h.fake, "sys/bus/pci/devices/" DISPLAY "/drm/card0/uevent", "DEVNAME=dri/card0\n");
        open_node(h.fake, "/dev/dri/card0");
        fake_pci_put(h.fake, "proc/812/comm", "(udev-worker)\n");
        assert_int_equal(take(&h, "one"), 0);
}

/* Another machine has it: nothing is done, and the lease stays. */
static void test_in_use_at_return(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        open_node(h.fake, "/dev/vfio/42");
        h.vfio.timeout_ms = 1000;
        assert_int_equal(give_back(&h, DISPLAY, "one"), -EBUSY);
        assert_said(h.error.message, "process 812 (pulseaudio) has /dev/vfio/42 open");
        assert_driver(&h, DISPLAY, VFIO_DRIVER);
        assert_lease_has(&h, DISPLAY, "\"id\": \"one\"");
        assert_file(&h, DISPLAY, "reset", "");
}

/* ---- drivers that do not do as they are told ---- */

static bool has_driver(const Host *h, const char *address) {
        cleanup_free char *driver = NULL;
        cleanup_error Error error = { 0 };

        assert_int_equal(vfio_driver(&h->vfio, address, &driver, &error), 0);
        return *driver != '\0';
}

/* ADDRESS is about to be taken from its driver. */
static bool is_unbound(const Host *h, const char *address) {
        cleanup_free char *journal = fake_pci_get(h->fake, "state/journal");
        cleanup_strv char **lines = strv_split(journal ? journal : "", "\n");

        STRV_FOR_EACH (line, lines)
                if (strstr(*line, address) && strstr(*line, "\"step\":\"unbind\""))
                        return true;
        return false;
}

static void test_hang(void **state) {
        static const FakeFaults faults = { .hangs = "snd_hda_intel" };
        cleanup(host_done) Host h = card(&faults, 2000);

        (void)state;
        fake_pci_put(h.fake, "sys/bus/pci/devices/" AUDIO "/sound/card0/controlC0/uevent",
                     "DEVNAME=snd/controlC0\n");
        if (fork() ==
            0) { /* opens it too late to be seen before, and its node goes as the driver begins to let go */
                for (int i = 0; i < 3000 && !is_unbound(&h, AUDIO); i++)
                        usleep(5000);
                open_node(h.fake, "/dev/snd/controlC0 (deleted)");
                _exit(0);
        }
        assert_int_equal(take(&h, "one"), -ETIMEDOUT);
        assert_string_equal(
                h.error.message,
                "gpu " AUDIO ": driver snd_hda_intel does not let go of it within 2 s: process 812 "
                "(pulseaudio) has /dev/snd/controlC0 open; it is in quarantine now: when its driver has let "
                "go, carrel gpu release --force " AUDIO);
        waitpid(-1, NULL, 0);
        /* the other one is as it was */
        assert_driver(&h, DISPLAY, "nvidia");
        assert_no_lease(&h, DISPLAY);
        assert_lease_has(&h, AUDIO, "\"quarantine\": \"driver snd_hda_intel does not let go");
        assert_int_equal(give_back(&h, AUDIO, "one"), GPU_NOT_LEASED);
        assert_int_equal(take(&h, "two"), -EBUSY);
        assert_said(h.error.message, "gpu " AUDIO ": it is in quarantine: driver snd_hda_intel");
        assert_int_equal(by_hand(&h, AUDIO, false, nobody_lives), -EBUSY);

        /* the driver has come to its senses, and lets go at last */
        fake_pci_restart(h.fake, NULL);
        for (int i = 0; i < 500 && has_driver(&h, AUDIO); i++)
                usleep(10000);
        assert_int_equal(by_hand(&h, AUDIO, true, nobody_lives), GPU_RETURNED);
        assert_untouched(&h);
}

/* Half-way through a group: all is put back. */
static void test_half_way(void **state) {
        static const FakeFaults faults = { .refused = AUDIO };
        cleanup(host_done) Host h = card(&faults, 1500);

        (void)state;
        assert_int_equal(take(&h, "one"), -ENODEV);
        assert_said(h.error.message, "gpu " AUDIO ": vfio-pci did not take it");
        assert_untouched(&h);
}

static void test_write_refused(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);
        cleanup_free char *path =
                xasprintf("%s/sys/bus/pci/drivers/snd_hda_intel/unbind", fake_pci_path(h.fake));

        (void)state;
        unlink(path);
        mkdir(path, 0700);
        assert_int_equal(take(&h, "one"), -EISDIR);
        assert_string_equal(h.error.message, "gpu " AUDIO ": taking it from driver snd_hda_intel: "
                                             "/sys/bus/pci/drivers/snd_hda_intel/unbind: Is a directory");
        assert_untouched(&h);
}

static void test_no_module(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);
        cleanup_free char *path = xasprintf("%s/sys/bus/pci/drivers", fake_pci_path(h.fake));
        cleanup_close int drivers = open(path, O_PATH | O_CLOEXEC);

        (void)state;
        assert_int_equal(path_remove_tree(drivers, VFIO_DRIVER, &h.error), 0);
        assert_int_equal(take(&h, "one"), -ENOENT);
        assert_said(h.error.message, "gpu: this kernel (6.1.0-test) has no module vfio-pci");
        assert_untouched(&h);
}

static void test_no_node(void **state) {
        cleanup(host_done) Host h = card(NULL, 1500);

        (void)state;
        /* what the fake kernel makes nodes of */
        fake_pci_put(h.fake, "sys/bus/pci/devices/" DISPLAY "/group", "7");
        fake_pci_put(h.fake, "sys/bus/pci/devices/" AUDIO "/group", "7");
        assert_int_equal(take(&h, "one"), -ENOENT);
        assert_said(h.error.message, "/dev/vfio/42 has not appeared");
        assert_untouched(&h);
}

/* ---- asleep ---- */

static void test_cold(void **state) {
        cleanup(host_done) Host h = card(NULL, 1000);
        pid_t waker;

        (void)state;
        fake_pci_put(h.fake, "sys/bus/pci/devices/" DISPLAY "/power_state", "D3cold\n");
        assert_int_equal(take(&h, "one"), -EIO);
        assert_said(h.error.message, "gpu " DISPLAY ": it is switched off (D3cold) and does not wake up");
        assert_untouched(&h);
        waker = fork();
        if (waker == 0) {
                usleep(100000);
                fake_pci_put(h.fake, "sys/bus/pci/devices/" DISPLAY "/power_state", "D0\n");
                _exit(0);
        }
        h.vfio.timeout_ms = 5000;
        assert_int_equal(take(&h, "one"), 0);
        assert_int_equal(waitpid(waker, NULL, 0), waker);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_words),
                cmocka_unit_test(test_set_aside),      cmocka_unit_test(test_from_every_step),
                cmocka_unit_test(test_held),           cmocka_unit_test(test_race),
                cmocka_unit_test(test_reclaim),        cmocka_unit_test(test_in_use),
                cmocka_unit_test(test_udev),           cmocka_unit_test(test_in_use_at_return),
                cmocka_unit_test(test_hang),           cmocka_unit_test(test_half_way),
                cmocka_unit_test(test_write_refused),  cmocka_unit_test(test_no_module),
                cmocka_unit_test(test_no_node),        cmocka_unit_test(test_cold),
                cmocka_unit_test(test_unfinished),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
