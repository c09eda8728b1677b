/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A fake host (fake-pci.h) with one choice of devices, and what tests of leases say about it. */

#include "tests/unit/unit.h"

#include "runtime/host/gpu-lease.h"
#include "tests/unit/fake-pci.h"

#define DISPLAY "0000:65:00.0"
#define AUDIO   "0000:65:00.1"
#define ROOT    "/run/carrel"

typedef struct Host {
        FakePci *fake;
        VfioHost vfio;
        PciDevice *devices;
        size_t n_devices;
        GpuChoice choice;
        int state; /* a state folder */
        char *note;
        Error error;
} Host;

/* All functions of FAKE as one slot; it is taken over. */
Host host_of(FakePci *fake, int timeout_ms);
void host_done(Host *h);
/* A card and its audio function, each with its driver. */
Host card(const FakeFaults *faults, int timeout_ms);
int take(Host *h, const char *id);
int give_back(Host *h, const char *address, const char *id);
bool nobody_lives(const char *root, const char *id, void *user);
bool all_live(const char *root, const char *id, void *user);
int by_hand(Host *h, const char *address, bool force, GpuHolderLivesFn lives);
void assert_driver(const Host *h, const char *address, const char *expected);
void assert_file(const Host *h, const char *address, const char *name, const char *expected);
/* NULL: there is none. Owned by the caller. */
char *lease_text(const Host *h, const char *address);
void assert_no_lease(const Host *h, const char *address);
void assert_lease_has(const Host *h, const char *address, const char *words);
void assert_said(const char *text, const char *words);
void assert_untouched(const Host *h);
