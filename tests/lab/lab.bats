#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The scenarios of the lab, in one start of its host: a few, or all of them (tools/test lab --full). tools/lab runs them one by one.

load ../lib/common

# What is tried each time; the other tests have the tag "full".
QUICK=(host plain-container gpu-run virtual-function)

setup_file() {
        export LAB=${CARREL_BUILD-}/../lab
        can_lab || return 0
        if [ -n "${CARREL_FULL-}" ]; then QUICK=(); fi
        # those of a run before are no news
        rm -f "$LAB"/*/{status,output}
        "$TESTS/../tools/lab" run --output "$LAB" "${QUICK[@]}" >"$BATS_FILE_TMPDIR/log" 2>&1 3>&- || true
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

# bats test_tags=full
@test "vfio-pci without carrel: DMA both ways, started directly and by OVMF" {
        scenario vfio-by-hand
}

@test "a container with a device: OVMF, vfio-pci, DMA" {
        scenario gpu-run
}

# bats test_tags=full
@test "a display that does DMA, with its DRM driver from a bundle: a picture" {
        scenario drm
}

# bats test_tags=full
@test "bundles chosen by device; a display with its own memory: a picture" {
        scenario display
}

# bats test_tags=full
@test "a disk with its driver from a bundle: what it reads and writes" {
        scenario driver-nvme
}

# bats test_tags=full
@test "a BAR of 16 GiB, the whole of it in the guest" {
        scenario big-bar
}

# bats test_tags=full
@test "devices to vfio-pci and back" {
        scenario lease-return
}

# bats test_tags=full
@test "kill -9 of whoever takes devices or gives them back" {
        scenario lease-killed
}

# bats test_tags=full
@test "containers with a device: kill -9 of QEMU, shim and carrel" {
        scenario lease-container
}

# bats test_tags=full
@test "devices that are in use, held, or whose driver hangs" {
        scenario lease-refused
}

# bats test_tags=full
@test "50 virtual machines in a row with one device" {
        scenario runs-50
}

# bats test_tags=full
@test "kill -9 of create of a real container, and of the shim that gives back for it" {
        scenario create-killed
}

# bats test_tags=full
@test "a group of two devices" {
        scenario groups
}

# bats test_tags=full
@test "docker run --gpus and --device, podman with CDI names" {
        scenario docker-gpus
}

# bats test_tags=full
@test "docker and podman where systemd makes the cgroups, version 2" {
        scenario engines-systemd
}

# bats test_tags=full
@test "nodes that may not be opened; transparent huge pages" {
        scenario nodes
}

@test "a virtual function: DMA, its physical function refused" {
        scenario virtual-function
}

# bats test_tags=full
@test "what a start with a device takes over its floor" {
        scenario speed
}

@test "every scenario has its test here, tagged unless it is tried each time" {
        local name tags expected

        for name in $(cd "$TESTS/lab/scenarios" && ls); do
                grep -qx "        scenario $name" "$BATS_TEST_FILENAME" || fail "$name has none"
                tags=$(grep -x -B 2 "        scenario $name" "$BATS_TEST_FILENAME" | grep -cx '# bats test_tags=full') || true
                case " ${QUICK[*]} " in *" $name "*) expected=0 ;; *) expected=1 ;; esac
                assert_equal "$name: $tags" "$name: $expected"
        done
}
