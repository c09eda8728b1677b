#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input that only a real QEMU meets.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
}

@test "garbage instead of a kernel" {
        head -c 1000000 /dev/urandom >"$T/garbage"
        configure "{\"vmlinux\": \"$T/garbage\", \"bootTimeoutMs\": 5000}"
        assert_refused 'garbage|kernel|QEMU' create "$CT"
}

@test "an empty kernel, and a kernel for another machine" {
        : >"$T/empty"
        configure "{\"vmlinux\": \"$T/empty\", \"bootTimeoutMs\": 5000}"
        assert_refused 'empty|kernel|QEMU' create "$CT"
        cp "$CARREL_IMAGES/vmlinux" "$T/other"
        # e_machine: AArch64
        printf '\xb7\x00' | dd of="$T/other" bs=1 seek=18 conv=notrunc status=none
        configure "{\"vmlinux\": \"$T/other\", \"bootTimeoutMs\": 5000}"
        assert_refused 'other|kernel|QEMU' create "$CT"
}

@test "garbage instead of an initrd: the kernel's words are shown" {
        head -c 1000000 /dev/urandom >"$T/garbage"
        configure "{\"initrd\": \"$T/garbage\", \"bootTimeoutMs\": 20000}"
        assert_refused 'console ends.*(panic|init|root)' create "$CT"
}

@test "less memory than the guest needs" {
        configure '{"memoryMiB": 16}'
        assert_refused 'memoryMiB.*128' create "$CT"
}

@test "an init that never says hello: the time limit and the console's end" {
        configure '{"kernelAppend": "rdinit=/nowhere init=/nowhere", "bootTimeoutMs": 20000}'
        assert_refused 'console ends' create "$CT"
}

@test "virtiofsd that ends at once" {
        configure '{"virtiofsd": "/bin/false"}'
        assert_refused 'virtiofsd' create "$CT"
}

@test "QEMU that refuses its arguments: its words are shown" {
        cat >"$T/qemu" <<'QEMU'
#!/bin/sh
exec qemu-system-x86_64 -no-such-option "$@"
QEMU
        chmod 755 "$T/qemu" "$T"
        configure "{\"qemu\": \"$T/qemu\"}"
        assert_refused 'no-such-option' create "$CT"
}

@test "a memory limit too low to set a container up in, or to run its program in: said in one line" {
        edit '.linux.resources.memory = {limit: 4096}'
        assert_refused 'linux.resources.memory.limit: container init was OOM-killed while it was set up' run "$CT"
        script 'x=x; while :; do x=$x$x; done'
        edit '.linux.resources.memory = {limit: 16777216, swap: 16777216}'
        run_carrel run "$CT"
        assert_equal "$status" 137
        assert_equal "$(grep -c 'killed for lack of memory (linux.resources.memory.limit)' <<<"$stderr")" 1
        assert_clean
}
