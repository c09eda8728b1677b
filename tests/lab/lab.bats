#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The scenarios of the lab, all in one start of its host. tools/lab runs them one by one.

load ../lib/common

setup_file() {
        export LAB=${CARREL_BUILD-}/../lab
        can_lab || return 0
        "$TESTS/../tools/lab" run --output "$LAB" >"$BATS_FILE_TMPDIR/log" 2>&1 3>&- || true
        cp "$BATS_FILE_TMPDIR/log" "$LAB/log"
}

can_lab() {
        can_vm && [ -d "$("$TESTS/lab/image/build" "$CARREL_CACHE" --where)" ]
}

setup() {
        need_vm
        need "no image of the lab's host (tools/lab build)" can_lab
}

teardown() {
        return 0
}

# scenario NAME: it has passed.
scenario() {
        if [ "$(cat "$LAB/$1/status" 2>/dev/null)" != 0 ]; then
                fail "$(cat "$LAB/$1/output" 2>/dev/null || tail -n 40 "$LAB/log")"
        fi
}

@test "the host: IOMMU, groups, KVM, systemd, cgroup v2, devices" {
        scenario host
}

@test "carrel under KVM, with cgroup v2, with systemd" {
        scenario plain-container
}

@test "vfio-pci without carrel: DMA both ways, started directly and by OVMF" {
        scenario vfio-by-hand
}

@test "a container with a device: OVMF, vfio-pci, DMA" {
        scenario gpu-run
}

@test "a display that does DMA, with its DRM driver from a bundle: a picture" {
        scenario drm
}

@test "bundles chosen by device; a display with its own memory: a picture" {
        scenario display
}

@test "a disk with its driver from a bundle: what it reads and writes" {
        scenario driver-nvme
}

@test "a BAR of 16 GiB, the whole of it in the guest" {
        scenario big-bar
}

@test "devices to vfio-pci and back" {
        scenario lease-return
}

@test "kill -9 of whoever takes devices or gives them back" {
        scenario lease-killed
}

@test "containers with a device: kill -9 of QEMU, shim and carrel" {
        scenario lease-container
}

@test "devices that are in use, held, or whose driver hangs" {
        scenario lease-refused
}

@test "50 virtual machines in a row with one device" {
        scenario runs-50
}

@test "kill -9 of create of a real container, and of the shim that gives back for it" {
        scenario create-killed
}

@test "a group of two devices" {
        scenario groups
}

@test "docker run --gpus and --device, podman with CDI names" {
        scenario docker-gpus
}

@test "nodes that may not be opened; transparent huge pages" {
        scenario nodes
}

@test "a virtual function: DMA, its physical function refused" {
        scenario virtual-function
}

@test "what a start with a device takes over its floor" {
        scenario speed
}

@test "every scenario has its test here" {
        for file in "$TESTS"/lab/scenarios/*; do
                grep -qx "        scenario ${file##*/}" "$BATS_TEST_FILENAME" || fail "${file##*/} has none"
        done
}
