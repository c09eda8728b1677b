/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A host made of files, for what reads sysfs and procfs: a temporary folder with what a kernel shows of PCI functions,
 * processes and limits. Of a description (tests/data/gpu-hosts/base.json, and what a case adds to it or changes):
 *   files      path: content
 *   devices    one function a line: "0000:01:00.0 10de:1e07 030000 KEY=VALUE...", with
 *              sub=VENDOR:DEVICE parent=BRIDGE group=N node=N driver=NAME override=NAME power=STATE vfs=N physfn=ADDRESS
 *              bars=N:SIZE[pwi?!],... (prefetchable, wide, i/o; ?: no address; !: the kernel gave it up; 6: ROM)
 *              reset=METHOD,... (none: no way), boot, dead, multi (the header says that the slot has more functions)
 *              and what it is used through: drm=card0:HDMI-A-1+,renderD128 (+: lit) nvidia=MINOR snd=CARD
 *              net=eth0+ (+: up) disk=nvme0n1:259:0 part=nvme0n1p1:259:1 holder=dm-0 vfio=vfio0
 *   processes  {"pid", "name", "cgroup", "open": [paths]}
 *   leases     address: content of its file
 *   remove     paths, in the end
 */

#include "common/base/json.h"

typedef struct FakeHost {
        char *path; /* of the folder */
        int root;
        uint64_t low, high, ports; /* next free addresses of BARs */
} FakeHost;

/* Descriptions later in the list add to the earlier ones. What fails ends the test. */
void fake_host_make(FakeHost *host, const Json *const *descriptions, size_t count);
void fake_host_done(FakeHost *host);

/* For who builds the rest of a host: devices, processes and leases of a description below PATH. host->path is the
 * caller's to free. */
void fake_host_init(FakeHost *host, const char *path);
void fake_host_add(FakeHost *host, const Json *description);
