#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The builders of what a guest boots: the initrd is the same bytes every time, the kernel's configuration is checked.

load ../lib/common

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        TOP=${TESTS%/*}
        cd "$T" || return
}

@test "initrd: two builds are the same, whoever makes them, whenever, from wherever" {
        cp /bin/busybox agent
        run "$TOP/initrd/build" agent one
        assert_success
        touch -d '2001-01-01' agent
        chmod 0700 agent
        mkdir elsewhere
        (umask 077 && cd elsewhere && TZ=Asia/Tokyo "$TOP/initrd/build" ../agent two)
        cmp one elsewhere/two
}

@test "initrd: what it holds is listed, and is what a kernel finds in it" {
        cp /bin/busybox agent
        run "$TOP/initrd/build" agent initrd --list
        assert_success
        assert_output --partial /init
        assert_output --partial /dev/console
        assert_equal "$(cpio --quiet -it <initrd | sort | tr '\n' ' ')" 'dev dev/console init newroot proc run sys tmp '
        cpio --quiet -iD . --to-stdout init <initrd | cmp - agent
}

@test "initrd: below 2 MiB compressed, with the agent as it is built" {
        local agent=${CARREL_BUILD-}/agent/carrel-agent

        need_built agent/carrel-agent
        run "$TOP/initrd/build" "$agent" initrd
        assert_success
        [ "$(gzip -9 <initrd | wc -c)" -lt $((2 << 20)) ] || fail "$(gzip -9 <initrd | wc -c) bytes compressed"
}

@test "initrd: no agent, or not a static program" {
        run "$TOP/initrd/build" nowhere initrd
        assert_failure
        assert_output --partial nowhere
        [ ! -e initrd ]
}

@test "kernel configuration: every wish that did not come true is named" {
        printf '%s\n' 'CONFIG_EFI=y' '# CONFIG_VT is not set' 'CONFIG_NR_CPUS=512' >fragment
        printf '%s\n' 'CONFIG_EFI=y' 'CONFIG_NR_CPUS=512' >good
        run "$TOP/kernel-config/check" good fragment
        assert_success
        printf '%s\n' '# CONFIG_EFI is not set' 'CONFIG_VT=y' 'CONFIG_NR_CPUS=64' >bad
        run "$TOP/kernel-config/check" bad fragment
        assert_equal "$status" 1
        assert_output --partial CONFIG_EFI
        assert_output --partial CONFIG_VT
        assert_output --partial CONFIG_NR_CPUS
        run "$TOP/kernel-config/check" missing fragment
        assert_equal "$status" 2
}

@test "kernel configuration: the kernel that is tested is the one the fragments ask for" {
        need "no kernel was built for this run" test -r "${CARREL_IMAGES-}/kernel.config"
        run "$TOP/kernel-config/check" "$CARREL_IMAGES/kernel.config"
        assert_success
}
