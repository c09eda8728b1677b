# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For the tests that have no VM: a stand-in plays QEMU and the guest.

# fake [WORD...]: its misbehaviour, as words without "fake." (tests/fake/qemu-system-fake).
fake() {
        local words=("${@/#/fake.}")

        mkdir -p "$T/images"
        cp "$TESTS/data/kernels/vmlinux" "$T/images/vmlinux"
        : >"$T/images/initrd"
        configure "$(jq -n --arg words "${words[*]}" --arg qemu "$TESTS/fake/qemu-system-fake" --arg images "$T/images" '
                { accelerator: "tcg", share: "9p", qemuUser: "root", qemu: $qemu, firmware: "seabios",
                  vmlinux: "\($images)/vmlinux", vmlinuz: "\($images)/vmlinux", initrd: "\($images)/initrd" }
                + if $words != "" then { kernelAppend: $words } else {} end')"
}
