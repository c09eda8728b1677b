#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=full
# The failure that carrel began with: a kernel without CONFIG_EFI, which OVMF starts nevertheless. That kernel is built
# here, once (it is kept under CARREL_CACHE): several minutes. tools/test --full tests/vm/firmware.bats

load ../lib/common

setup_file() {
        can_vm || return 0
        "$TESTS/lib/kernel-without-efi" >"$BATS_FILE_TMPDIR/folder" 2>"$BATS_FILE_TMPDIR/log" ||
                fail "$(tail -n 5 "$BATS_FILE_TMPDIR/log")"
        KERNEL=$(cat "$BATS_FILE_TMPDIR/folder")
        export KERNEL
}

setup() {
        need_vm
        need "no OVMF" test -e /usr/share/OVMF
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
        script 'nproc; ls -d /sys/firmware/acpi /sys/firmware/efi 2>/dev/null; true'
        edit '.linux.maskedPaths = []'
}

# counts FIRMWARE MORE: the container's words, from a machine with four processors and the kernel without EFI.
counts() {
        configure "$(jq -n --arg firmware "$1" --arg kernel "$KERNEL/vmlinuz" --argjson more "$2" \
                '{ firmware: $firmware, vmlinuz: $kernel, vcpus: 4, bootTimeoutMs: 120000 } + $more')"
        LIMIT=200 run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "$1: status $status: $stderr"
}

@test "a kernel without EFI is refused under OVMF, by the name of what it lacks" {
        configure "{\"firmware\": \"ovmf\", \"vmlinuz\": \"$KERNEL/vmlinuz\"}"
        assert_refused 'vmlinuz: built without CONFIG_EFI_STUB: under OVMF such a kernel finds no ACPI tables, has one CPU' run "$CT"
}

@test "nobody looks (checkKernel): it comes up with one of four processors, and that is said, with why" {
        counts ovmf '{ "checkKernel": false }'
        assert_equal "$output" 1
        assert_equal "$(grep -c "warning: the guest's kernel runs 1 of the machine's 4 processors; likely cause: $KERNEL/vmlinuz: built without CONFIG_EFI (the kernel takes OVMF for a BIOS" <<<"$stderr")" 1
        assert_clean
}

@test "the same kernel without OVMF, and our own with it, have all four" {
        counts seabios '{}'
        assert_equal "$output" $'4\n/sys/firmware/acpi'
        assert_equal "$(grep -c processors <<<"$stderr")" 0
        counts ovmf "{ \"vmlinuz\": \"$CARREL_IMAGES/vmlinuz\" }"
        assert_equal "$output" $'4\n/sys/firmware/acpi\n/sys/firmware/efi'
        assert_equal "$(grep -c processors <<<"$stderr")" 0
        assert_clean
}
