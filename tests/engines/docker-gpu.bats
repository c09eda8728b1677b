#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker run --gpus: what dockerd makes of it reaches carrel as a wish, and NVIDIA's hook, which is for containers that share
# the host's driver, never runs. Whether a device arrives is for the lab: here there is none, and carrel says so.

load ../lib/common
load ../lib/engines

# dockerd has --gpus only where it finds the hook when it starts.
setup_file() {
        HOOK=$BATS_FILE_TMPDIR/bin/nvidia-container-runtime-hook
        export HOOK
        mkdir "${HOOK%/*}"
        printf '#!/bin/sh\necho "$@" >>"%s"\n' "$HOOK.ran" >"$HOOK"
        chmod +x "$HOOK"
        chmod a+x "$BATS_FILE_TMPDIR" "${HOOK%/*}"
        PATH=${HOOK%/*}:$PATH engines_begin docker
}

hook_ran() {
        [ -e "$HOOK.ran" ]
}

# refused_for_gpu WORDS ARGUMENT...: the container is not made, and carrel's line says WORDS.
refused_for_gpu() {
        local words=$1
        shift

        try docker_run "$@" "$ENGINE_IMAGE" true
        [ "$status" -ge 125 ] || fail "status $status: $output $stderr"
        [[ $stderr = *"$words"* ]] || fail "$stderr"
        if hook_ran; then fail "the hook was run: $(cat "$HOOK.ran")"; fi
}

@test "--gpus all, a number, devices by index or address: carrel is asked, and says what stands in the way" {
        need_no_gpu
        refused_for_gpu 'NVIDIA_VISIBLE_DEVICES: the host has no GPU to pass' --gpus all
        refused_for_gpu 'NVIDIA_VISIBLE_DEVICES: there is no GPU 0: the host has 0' --gpus 2
        refused_for_gpu 'NVIDIA_VISIBLE_DEVICES: there is no GPU 3: the host has 0' --gpus '"device=3,1"'
        refused_for_gpu 'NVIDIA_VISIBLE_DEVICES: gpu 0000:65:00.0: the host has no such device' --gpus device=0000:65:00.0
        # what the user or an image sets does not count beside docker's own
        refused_for_gpu 'NVIDIA_VISIBLE_DEVICES: the host has no GPU to pass' --gpus all --env NVIDIA_VISIBLE_DEVICES=none
        assert_clean
}

@test "--device /dev/vfio/GROUP, and the name of a CDI file where docker knows CDI: the group is asked for" {
        need_no_gpu
        # stand-ins that no other process of this host meets
        mknod "$T/15" c 10 196
        mknod "$T/vfio" c 10 196
        refused_for_gpu 'linux.devices: /dev/vfio/15: IOMMU group 15 holds no device' --device "$T/15:/dev/vfio/15" --device "$T/vfio:/dev/vfio/vfio"
        if docker_since 28; then
                mkdir -p /etc/cdi
                # as carrel cdi generate writes it
                jq -n '{ cdiVersion: "0.5.0", kind: "carrel.dev/gpu", devices: [{ name: "0000:65:00.0", containerEdits: {
                        env: ["CARREL_GPU_GROUP_14=0000:65:00.0"],
                        deviceNodes: [{ path: "/dev/vfio/14", type: "c", major: 10, minor: 196, permissions: "rw" }] } }] }' >/etc/cdi/carrel.json
                refused_for_gpu 'linux.devices: /dev/vfio/14: IOMMU group 14 holds no device' --device carrel.dev/gpu=0000:65:00.0
                refused_for_gpu 'linux.devices: /dev/vfio/14: IOMMU group 14 holds no device' --gpus '"driver=cdi","device=carrel.dev/gpu=0000:65:00.0"'
                refused_for_gpu 'annotation io.carrel.gpu: gpu 0000:65:00.0: the host has no such device' --annotation io.carrel.gpu=0000:65:00.0
                rm /etc/cdi/carrel.json
        fi
        assert_clean
}

@test "names that only the host's driver knows are refused in words" {
        refused_for_gpu 'GPU-3f0c8a1e is a UUID, which only the host'\''s driver knows; ask by index or PCI address' --gpus device=GPU-3f0c8a1e
        refused_for_gpu 'MIG-3f0c8a1e is a part of a GPU' --gpus device=MIG-3f0c8a1e
        assert_clean
}

@test "an image that sets NVIDIA_VISIBLE_DEVICES takes no GPU by that" {
        must docker_run --env NVIDIA_VISIBLE_DEVICES=all "$ENGINE_IMAGE" sh -c 'echo $NVIDIA_VISIBLE_DEVICES'
        assert_equal "$output" all
        if hook_ran; then fail "the hook was run: $(cat "$HOOK.ran")"; fi
        assert_clean
}
