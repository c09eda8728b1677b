/* SPDX-License-Identifier: Apache-2.0 */

/* PCI functions that do not come back as they were, on trees of files with a process that plays the kernel. The real ones:
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

/* ---- quarantine ---- */

static void damage(const Host *h, size_t at, unsigned char value) {
        unsigned char config[64];

        fake_pci_config(config);
        config[at] = value;
        fake_pci_write(h->fake, "sys/devices/pci0000:00/" DISPLAY "/config", config, sizeof(config));
}

static void test_insane(void **state) {
        static const struct {
                size_t at;
                unsigned char value;
                const char *words;
        } faults[] = {
                { 0, 0xdf, "it says that it is 10df:2330, and was 10de:2330" },
                { 5, 0x14, "reserved bits of its command register are set (0x1402)" },
                { 14, 0x7f, "the header of its configuration space is of type 0x7f, not 0" },
                { 20, 0x03, "BAR 0 is at 0x300000000, and the kernel put it at 0x200000000" },
                { 19, 0x10, "BAR 0 is at 0x210000000, and the kernel put it at 0x200000000" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(faults); i++) {
                cleanup(host_done) Host h = card(NULL, 2000);

                assert_int_equal(take(&h, "one"), 0);
                damage(&h, faults[i].at, faults[i].value);
                assert_int_equal(give_back(&h, AUDIO, "one"), GPU_RETURNED);
                assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_QUARANTINED);
                assert_said(h.note, faults[i].words);
                assert_said(h.note, "gpu " DISPLAY ": in quarantine: ");
                assert_lease_has(&h, DISPLAY, "\"quarantine\": ");
                /* no driver of the host gets it */
                assert_driver(&h, DISPLAY, VFIO_DRIVER);
                assert_file(&h, DISPLAY, "driver_override", VFIO_DRIVER);
                assert_int_equal(take(&h, "two"), -EBUSY);
                damage(&h, 0, 0xde);
                assert_int_equal(by_hand(&h, DISPLAY, true, nobody_lives), GPU_RETURNED);
                assert_untouched(&h);
        }
}

static void break_off(Host *h) {
        unsigned char config[64];

        memset(config, 0xff, sizeof(config));
        fake_pci_write(h->fake, "sys/devices/pci0000:00/" DISPLAY "/config", config, sizeof(config));
        assert_int_equal(give_back(h, DISPLAY, "one"), GPU_QUARANTINED);
        assert_said(h->note, "reads as all ones: it does not answer");
}

/* A reset does not help; off the bus and on again does, or does not. */
static void test_rescan(void **state) {
        unsigned char good[64];
        const FakeFaults faults = { .found = good };

        (void)state;
        fake_pci_config(good);
        {
                cleanup(host_done) Host h = card(&faults, 5000);

                assert_int_equal(take(&h, "one"), 0);
                assert_int_equal(give_back(&h, AUDIO, "one"), GPU_RETURNED);
                break_off(&h);
                assert_int_equal(by_hand(&h, DISPLAY, true, nobody_lives), GPU_RETURNED);
                assert_string_equal(h.note, "gpu " DISPLAY ": given back to nvidia");
                assert_untouched(&h);
        }
        {
                cleanup(host_done) Host h = card(NULL, 5000);

                assert_int_equal(take(&h, "one"), 0);
                break_off(&h);
                assert_int_equal(by_hand(&h, DISPLAY, true, nobody_lives), -EIO);
                assert_said(h.error.message,
                            "gpu " DISPLAY ": it stays in quarantine: its configuration space");
                assert_said(h.error.message,
                            "after it was taken off the bus and found again: its configuration space");
                assert_lease_has(&h, DISPLAY, "\"quarantine\": ");
        }
}

static void test_lost(void **state) {
        static const FakeFaults faults = { .lost = true };
        cleanup(host_done) Host h = card(&faults, 5000);

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        break_off(&h);
        h.vfio.timeout_ms = 1000;
        assert_int_equal(by_hand(&h, DISPLAY, true, nobody_lives), GPU_RETURNED);
        assert_said(h.note, "gpu " DISPLAY ": out of quarantine, but ");
        assert_said(h.note, "it was taken off the bus and not found again");
        assert_no_lease(&h, DISPLAY);
}

/* One that has gone from the host altogether. */
static void test_gone(void **state) {
        cleanup(host_done) Host h = card(NULL, 5000);
        cleanup_free char *path = xasprintf("%s/sys/bus/pci/devices/" DISPLAY, fake_pci_path(h.fake));

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        unlink(path);
        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_RETURNED);
        assert_string_equal(h.note, "gpu " DISPLAY ": the host has no such device any more");
        assert_no_lease(&h, DISPLAY);
}

/* It is sane, but its driver does not want it: by hand, that is good enough. */
static void test_driver_refuses(void **state) {
        static const FakeFaults faults = { .kept_out = DISPLAY };
        cleanup(host_done) Host h = card(&faults, 5000);

        (void)state;
        assert_int_equal(take(&h, "one"), 0);
        h.vfio.timeout_ms = 1000;
        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_QUARANTINED);
        assert_said(h.note, "driver nvidia does not take it back");
        assert_driver(&h, DISPLAY, "");
        assert_int_equal(by_hand(&h, DISPLAY, true, nobody_lives), GPU_RETURNED);
        assert_said(h.note, "out of quarantine, but driver nvidia does not take it back");
        assert_no_lease(&h, DISPLAY);
}

/* ---- virtual functions ---- */

static void test_virtual_function(void **state) {
        static const unsigned char ones[] = { 0xff, 0xff, 0xff, 0xff };
        unsigned char config[64];
        PciDevice d = { 0 };
        cleanup(host_done) Host h = card(NULL, 5000);

        (void)state;
        fake_pci_config(config);
        memcpy(config, ones, sizeof(ones));
        memset(config + 16, 0, 24);
        fake_pci_link(h.fake, "sys/bus/pci/devices/" DISPLAY "/physfn", "../0000:65:10.0");
        fake_pci_write(h.fake, "sys/devices/pci0000:00/" DISPLAY "/config", config, sizeof(config));
        assert_int_equal(pci_read(h.vfio.root, DISPLAY, &d, &h.error), 0);
        assert_false(d.dead);
        json_clear(pci_device_fields, &d);
        assert_int_equal(take(&h, "one"), 0);
        assert_int_equal(give_back(&h, DISPLAY, "one"), GPU_RETURNED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_insane),         cmocka_unit_test(test_rescan),
                cmocka_unit_test(test_lost),           cmocka_unit_test(test_gone),
                cmocka_unit_test(test_driver_refuses), cmocka_unit_test(test_virtual_function),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
