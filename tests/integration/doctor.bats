#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# doctor and plan: what they print and with what status they end. (tests/unit/test-doctor.c has every check.)

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        KERNELS=$TESTS/data/kernels
}

# both_say ARGUMENT...: doctor's text is its JSON in words, and both have status $status.
both_say() {
        local text code
        # what is measured differs from one time to the next
        run_carrel doctor "$@"
        text=$output code=$status
        assert_equal "$stderr" ''
        run_carrel doctor --json "$@"
        assert_equal "$status" "$code"
        assert_equal "$stderr" ''
        assert_equal "$(jq 'if .ok then 0 else 1 end' <<<"$output")" "$code"
        assert_equal "$(jq 'all(.checks[]; .status != "fail")' <<<"$output")" "$(jq .ok <<<"$output")"
        assert_equal "$(tr -s ' ' <<<"$text" | sed 's/[0-9]\+/N/g')" \
                "$(jq -r '(.checks[] | "\(.status) \(.title) \(.detail)", (.fix | values | " fix: \(.)")), "", .summary' <<<"$output" |
                        tr -s ' ' | sed 's/[0-9]\+/N/g')"
}

statuses() {
        jq -r --arg prefix "$1" '.checks[] | select(.code | startswith($prefix)) | "\(.code) \(.status)"' <<<"$output"
}

# ---- doctor ----

@test "doctor: text and JSON say the same, and the status follows" {
        both_say
        jq -e '(.checks | length) > 10 and ([.checks[].code] | length == (unique | length))
                and all(.checks[]; (.status == "ok" or .fix) and (.code | test("^[a-z-]+$")))' <<<"$output" >/dev/null || fail "$output"
        assert_equal "$(statuses qemu-user)" 'qemu-user warn'
        assert_clean
}

@test "doctor: what is missing fails, with what to do; the rest is still looked at" {
        configure "$(jq '. + {qemu: "/no/such/qemu", initrd: "/no/such/initrd"}' "$CONFIG")"
        both_say
        assert_equal "$status" 1
        assert_equal "$(statuses qemu | head -n 1)" 'qemu fail'
        assert_equal "$(statuses initrd)" 'initrd fail'
        assert_equal "$(jq -r '.checks[] | select(.code == "qemu") | .detail' <<<"$output")" 'configuration: qemu: /no/such/qemu: no such program'
        [[ $(jq -r .summary <<<"$output") = 'This host cannot run virtual machines yet: '*' failed.' ]] || fail "$output"
        echo '{' >"$CONFIG"
        assert_refused "$CONFIG" doctor
}

@test "doctor: a host that runs virtual machines is well" {
        need "no guest kernel (CARREL_IMAGES)" can_vm
        configure '{}'
        both_say
        assert_equal "$status" 0
        assert_equal "$(statuses qemu | head -n 1)" 'qemu ok'
        assert_equal "$(statuses initrd)" 'initrd ok'
        assert_equal "$(statuses vmlinu)$(statuses kernel)" $'vmlinux ok\nvmlinuz okkernel-config ok'
}

@test "doctor --kernel: images that fit, lack something, or nobody can tell" {
        local name
        for name in vmlinux bzimage-gzip bzimage-lz4 bzimage-zstd; do
                both_say --kernel "$KERNELS/$name"
                assert_equal "$name $status $(statuses '')" "$name 0 kernel ok"$'\nkernel-config ok'
                assert_equal "$(jq -r .summary <<<"$output")" 'This kernel has everything.'
        done
        both_say --kernel "$KERNELS/vmlinux-poor"
        assert_equal "$status" 1
        assert_equal "$(statuses kernel-config.)" 'kernel-config.EFI warn
kernel-config.VIRTIO_CONSOLE fail
kernel-config.VIRTIO_FS fail
kernel-config.OVERLAY_FS warn'
        assert_equal "$(jq -r '.checks[] | select(.code == "kernel-config.VIRTIO_FS") | .fix' <<<"$output")" 'set CONFIG_VIRTIO_FS=y'
        both_say --kernel "$KERNELS/vmlinux-no-pvh"
        assert_equal "$status" 1
        both_say --kernel "$KERNELS/vmlinux-no-config"
        assert_equal "$status" 0
        [[ $(jq -r .summary <<<"$output") = *'cannot be told.' ]] || fail "$output"
        assert_clean
}

@test "doctor --kernel: files that are no kernel are refused in a line" {
        assert_refused '/nowhere: No such file or directory' doctor --kernel /nowhere
        assert_refused 'a truncated bzImage' doctor --kernel "$KERNELS/bzimage-truncated"
        assert_refused 'another kind of machine' doctor --json --kernel "$KERNELS/vmlinux-arm64"
        assert_refused 'not a kernel' doctor --kernel "$KERNELS/good.config"
        assert_refused 'not a regular file' doctor --kernel /dev/zero
        assert_refused 'an ordinary program, not a kernel' doctor --kernel "$CARREL"
}

# ---- plan ----

@test "plan --facts --id: the recorded plan of another host, and nothing is done" {
        local case=$TESTS/golden/plain
        echo '{}' >"$CONFIG"
        ROOT=/run/carrel run_carrel plan --facts "$TESTS/golden/facts.json" --id golden "$case"
        [ "$status" -eq 0 ] || fail "$stderr"
        jq -S 'del(.launch.qemu)' <<<"$output" | sed "s|$case|/bundles/golden|" >"$T/plan"
        jq -S . "$case/expect.plan.json" | diff - "$T/plan"
        assert_equal "$(jq -r '.launch.qemu[]' <<<"$output")" "$(cat "$case/expect.argv")"
        # the bundle as an option, or as the working folder
        cd "$case"
        ROOT=/run/carrel run_carrel plan --facts "$TESTS/golden/facts.json" --id golden
        jq -S 'del(.launch.qemu)' <<<"$output" | sed "s|$case|/bundles/golden|" | cmp - "$T/plan"
        # without an id there is one that nobody has
        ROOT=/run/carrel run_carrel plan --facts "$TESTS/golden/facts.json" -b "$case"
        assert_equal "$(jq -r '.launch.id + " " + .launch.stateDir' <<<"$output")" 'plan /run/carrel/plan'
        assert_clean
}

@test "plan: facts, ids and bundles that are none" {
        make_bundle true
        run_carrel plan --id "$CT"
        assert_equal "$status" 0
        assert_equal "$(jq -r .launch.id <<<"$output")" "$CT"
        assert_equal "$(jq -r .launch.stateDir <<<"$output")" "$ROOT/$CT"
        assert_clean
        assert_refused 'invalid container ID format: "a/b"' plan --id a/b
        assert_refused "$T/nowhere" plan --facts "$T/nowhere"
        echo '[]' >"$T/facts"
        assert_refused "$T/facts: expected" plan --facts "$T/facts"
        echo '{"cpus": "many"}' >"$T/facts"
        assert_refused "$T/facts: cpus: expected" plan --facts "$T/facts"
        assert_refused "$T/nowhere" plan "$T/nowhere"
        rmdir rootfs/tmp
        mv rootfs elsewhere
        assert_refused rootfs plan
}
