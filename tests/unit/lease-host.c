/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lease-host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "runtime/host/pci.h"

Host host_of(FakePci *fake, int timeout_ms) {
        cleanup_free char *state = xasprintf("%s/state", fake_pci_path(fake));
        Host h = { .fake = fake, .vfio = { fake_pci_root(fake), timeout_ms } };

        assert_true(mkdir(state, 0700) == 0 || errno == EEXIST);
        h.state = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(h.state >= 0);
        pci_collect(h.vfio.root, &h.devices, &h.n_devices);
        h.choice.slots = xnew(GpuSlot, 1);
        h.choice.n_slots = 1;
        h.choice.slots[0].functions = xnew(const PciDevice *, h.n_devices);
        h.choice.slots[0].n_functions = h.n_devices;
        for (size_t i = 0; i < h.n_devices; i++)
                h.choice.slots[0].functions[i] = &h.devices[i];
        return h;
}

void host_done(Host *h) {
        gpu_choice_done(&h->choice);
        for (size_t i = 0; i < h->n_devices; i++)
                json_clear(pci_device_fields, &h->devices[i]);
        free(h->devices);
        close(h->state);
        free(h->note);
        error_clear(&h->error);
        fake_pci_free(h->fake);
}

Host card(const FakeFaults *faults, int timeout_ms) {
        FakePci *fake = fake_pci_new();

        fake_pci_add(fake, DISPLAY, "nvidia", 42);
        fake_pci_add(fake, AUDIO, "snd_hda_intel", 42);
        fake_pci_start(fake, faults);
        return host_of(fake, timeout_ms);
}

int take(Host *h, const char *id) {
        const GpuHolder holder = { id, ROOT, h->state };

        error_clear(&h->error);
        return gpu_acquire(&h->vfio, &h->choice, &holder, &h->error);
}

int give_back(Host *h, const char *address, const char *id) {
        const GpuHolder holder = { id, ROOT, -1 };

        free(TAKE_PTR(h->note));
        error_clear(&h->error);
        return gpu_return(&h->vfio, address, &holder, &h->note, &h->error);
}

bool nobody_lives(const char *root, const char *id, void *user) {
        (void)root;
        (void)id;
        (void)user;
        return false;
}

bool all_live(const char *root, const char *id, void *user) {
        return !nobody_lives(root, id, user);
}

int by_hand(Host *h, const char *address, bool force, GpuHolderLivesFn lives) {
        const GpuRelease release = { .address = address, .force = force, .lives = lives };

        free(TAKE_PTR(h->note));
        error_clear(&h->error);
        return gpu_release(&h->vfio, &release, &h->note, &h->error);
}

void assert_driver(const Host *h, const char *address, const char *expected) {
        cleanup_free char *driver = NULL;
        cleanup_error Error error = { 0 };

        assert_int_equal(vfio_driver(&h->vfio, address, &driver, &error), 0);
        assert_string_equal(driver, expected);
}

void assert_file(const Host *h, const char *address, const char *name, const char *expected) {
        cleanup_free char *path = xasprintf("sys/bus/pci/devices/%s/%s", address, name);
        cleanup_free char *text = fake_pci_get(h->fake, path);

        assert_non_null(text);
        text[strcspn(text, "\n")] = '\0';
        assert_string_equal(text, expected);
}

char *lease_text(const Host *h, const char *address) {
        cleanup_free char *path = xasprintf("run/carrel-gpus/%s.json", address);

        return fake_pci_get(h->fake, path);
}

void assert_no_lease(const Host *h, const char *address) {
        cleanup_free char *text = lease_text(h, address);

        assert_null(text);
}

void assert_lease_has(const Host *h, const char *address, const char *words) {
        cleanup_free char *text = lease_text(h, address);

        assert_non_null(text);
        if (!strstr(text, words))
                fail_msg("no %s in: %s", words, text);
}

void assert_said(const char *text, const char *words) {
        assert_non_null(text);
        if (!strstr(text, words))
                fail_msg("no \"%s\" in: %s", words, text);
}

void assert_untouched(const Host *h) {
        assert_driver(h, DISPLAY, "nvidia");
        assert_driver(h, AUDIO, "snd_hda_intel");
        assert_no_lease(h, DISPLAY);
        assert_no_lease(h, AUDIO);
        for (size_t i = 0; i < 2; i++) {
                const char *address = i ? AUDIO : DISPLAY;
                cleanup_free char *path = xasprintf("sys/bus/pci/devices/%s/driver_override", address);
                cleanup_free char *override = fake_pci_get(h->fake, path);

                assert_true(streq(override, "(null)\n") || streq(override, "\n"));
                assert_file(h, address, "power/control", "auto");
        }
}
