#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ctr run --gpus: containerd writes a hook that calls nvidia-container-cli. It is taken for the wish that it stands for, and
# never runs. Whether a device arrives is for the lab: here there is none, and carrel says so.

load ../lib/common
load ../lib/engines

setup_file() {
        TOOL=$BATS_FILE_TMPDIR/bin/nvidia-container-cli
        export TOOL
        mkdir "${TOOL%/*}"
        printf '#!/bin/sh\necho "$@" >>"%s"\n' "$TOOL.ran" >"$TOOL"
        chmod +x "$TOOL"
        engines_begin containerd
}

@test "--gpus: carrel is asked, and says what stands in the way; the hook does not run" {
        need_no_gpu
        PATH=${TOOL%/*}:$PATH
        try ctr_run --rm --gpus 0 --gpus 1 "$CTR_IMAGE" gpu true
        [ "$status" -ne 0 ]
        [[ $stderr = *'nvidia-container-cli --device: there is no GPU 0: the host has 0'* ]] || fail "$stderr"
        [ ! -e "$TOOL.ran" ] || fail "the hook was run: $(cat "$TOOL.ran")"
        # with runc it does: the stand-in is what would have been called
        try ctr run --rm --gpus 0 "$CTR_IMAGE" gpu true
        assert_equal "$(grep -o -e '--device=[^ ]*' "$TOOL.ran")" '--device=0'
        must ctr container ls -q
        [ -z "$output" ] || must ctr container rm gpu
        assert_clean
}
