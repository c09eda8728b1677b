#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman with GPUs: annotations, CDI devices, /dev/vfio. Each reaches carrel as a wish; what becomes of it is for the lab: here
# there is none, and carrel says so.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin podman
}

setup() {
        engines_test
        mkdir -p /etc/cdi
        # as carrel cdi generate writes it: the golden case's GPU, in a group that this host does not have
        cp "$TESTS/golden/gpu-cdi/cdi.json" /etc/cdi/carrel.json
}

teardown() {
        rm -rf /etc/cdi
        engines_test_end
}

# refused WORDS ARGUMENT...: the container is not made, and carrel's line says WORDS.
refused() {
        local words=$1
        shift

        try podman_run "$@" "$ENGINE_IMAGE" true
        [ "$status" -ge 125 ] || fail "status $status: $output $stderr"
        [[ $stderr = *"$words"* ]] || fail "$stderr"
}

@test "an annotation" {
        need_no_gpu
        refused 'annotation io.carrel.gpu: the host has no GPU to pass' --annotation io.carrel.gpu=all
        refused 'annotation io.carrel.gpu: gpu 0000:65:00.0: the host has no such device' --annotation io.carrel.gpu=0000:65:00.0
        refused 'annotation io.carrel.gpu: expected a PCI address' --annotation io.carrel.gpu=nonsense
        assert_clean
}

@test "a CDI device: podman applies the file, also before the group's node is there" {
        need_no_gpu
        [ ! -e /dev/vfio/15 ]
        refused 'linux.devices: /dev/vfio/15: IOMMU group 15 holds no device' --device carrel.dev/gpu=0000:66:00.0
        # with runc the file is applied, too: what the bundle got of it shows
        must podman_run --runtime runc --device carrel.dev/gpu=0000:66:00.0 "$ENGINE_IMAGE" sh -c 'env | grep CARREL; ls /dev/vfio'
        assert_equal "$output" $'CARREL_GPU_GROUP_15=0000:66:00.0\n15'
        assert_clean
}

@test "a CDI name in an annotation: looked up by carrel, in words where that fails" {
        need_no_gpu
        refused 'carrel.dev/gpu=0000:66:00.0: /dev/vfio/15: IOMMU group 15 holds no device' --annotation cdi.k8s.io/x=carrel.dev/gpu=0000:66:00.0
        refused 'carrel.dev/gpu=other: no file in /etc/cdi, /var/run/cdi describes this CDI device' --annotation cdi.k8s.io/x=carrel.dev/gpu=other
        cp "$TESTS/golden/refuse-gpu-cdi-of-host-driver/cdi.json" /etc/cdi/nvidia.json
        refused 'nodes of the host'\''s driver, which a virtual machine cannot use' --annotation cdi.k8s.io/x=nvidia.com/gpu=0
        assert_clean
}

@test "--device /dev/vfio/GROUP: the group is asked for" {
        need_no_gpu
        # stand-ins that no other process of this host meets
        mknod "$T/15" c 10 196
        mknod "$T/vfio" c 10 196
        refused 'linux.devices: /dev/vfio/15: IOMMU group 15 holds no device' --device "$T/15:/dev/vfio/15" --device "$T/vfio:/dev/vfio/vfio"
        assert_clean
}
