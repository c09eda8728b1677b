#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is warned about is told somewhere, however a command is called: on a terminal, in a log, in the container's own
# log; and never in the log of an engine that takes each line for a failure.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sleep 30
}

# kept PATTERN: the container's own log has one such warning.
kept() {
        jq -e -s --arg pattern "$1" '[.[] | select(.level == "warning" and (.msg | test($pattern)))] | length == 1' \
                "$ROOT/$CT/shim.log" >/dev/null || fail "not one warning /$1/ in: $(cat "$ROOT/$CT/shim.log")"
}

without_cgroups() {
        unshare --mount sh -c 'umount -l -R /sys/fs/cgroup && exec "$@"' sh "$@"
}

@test "create for an engine: warnings are in the container's log and in trace, not in the engine's log" {
        edit '.process.capabilities.bounding += ["CAP_NOSUCH"] | .process.execCPUAffinity = {final: "3"}'
        carrel_detached --log "$T/log.json" --log-format json create --preserve-fds 2 "$CT"
        assert_equal "$(cat "$T/log.json")" ''
        assert_equal "$(cat "$T/detached.err")" ''
        kept '^process.capabilities: CAP_NOSUCH: there is no such capability$'
        kept '^process.execCPUAffinity: '
        kept '^--preserve-fds: '
        run_carrel trace "$CT"
        assert_line 'warning: process.capabilities: CAP_NOSUCH: there is no such capability'
        assert_line --regexp '^warning: --preserve-fds: '
        carrel delete --force "$CT"
        assert_clean
}

@test "create for an engine that fails: its log is one object" {
        edit '.process.capabilities.bounding += ["CAP_NOSUCH"]'
        fake die=hello
        run_carrel --log "$T/log.json" --log-format json create "$CT"
        assert_equal "$status" 1
        assert_equal "$(jq -s -r '[.[] | .level] | join(" ")' "$T/log.json")" error
        assert_clean
}

@test "create with a log of text: warnings are in it" {
        edit '.process.capabilities.bounding += ["CAP_NOSUCH"]'
        carrel_detached --log "$T/log.text" create "$CT"
        assert_equal "$(grep -c 'warning: process.capabilities: CAP_NOSUCH' "$T/log.text")" 1
        kept CAP_NOSUCH
        carrel delete --force "$CT"
        assert_clean
}

@test "run in the foreground: warnings are shown, whatever the log" {
        args true
        edit '.process.capabilities.bounding += ["CAP_NOSUCH"]'
        run_carrel run "$CT"
        assert_equal "$(grep -c 'carrel: warning: .*CAP_NOSUCH' <<<"$stderr")" 1
        run_carrel --log "$T/log.json" --log-format json run "$CT"
        assert_equal "$status" 0
        assert_equal "$(grep -c 'carrel: warning: .*CAP_NOSUCH' <<<"$stderr")" 1
        assert_equal "$(cat "$T/log.json")" ''
        assert_clean
}

@test "what is found out later, about the cgroup of the machine, is told as well" {
        edit '.linux.resources.cpu = {shares: 512}'
        without_cgroups "$CARREL" --root "$ROOT" --config "$CONFIG" create "$CT" </dev/null >/dev/null 2>"$T/err" || fail "$(cat "$T/err")"
        kept 'linux.resources.cpu.shares: .*cpu controller'
        run_carrel trace "$CT"
        assert_line --regexp '^warning: linux.resources.cpu.shares: .*cpu controller'
        carrel delete --force "$CT"

        args true
        without_cgroups "$CARREL" --root "$ROOT" --config "$CONFIG" run "$CT" </dev/null >/dev/null 2>"$T/err" || fail "$(cat "$T/err")"
        assert_equal "$(grep -c 'warning: linux.resources.cpu.shares' "$T/err")" 1
        assert_clean
}

@test "a guest that runs fewer processors than its machine has: said, with what its kernel was built without" {
        local said="the guest's kernel runs 1 of the machine's 4 processors; "

        args true
        fake cpus=1
        configure "$(jq '.vcpus = 4' "$CONFIG")"
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "$(grep processors <<<"$stderr")" "carrel: warning: ${said}carrel --debug run keeps what it says of that, for carrel console"

        # no kernel for virtual machines, which nobody looked at, or could look at, before the start
        cp "$TESTS/data/kernels/vmlinux-poor" "$T/images/vmlinux"
        carrel_detached create "$CT"
        kept "^${said}likely cause: .*/images/vmlinux: built without CONFIG_VIRTIO_CONSOLE "
        run_carrel trace "$CT"
        assert_line --regexp "^warning: ${said}likely cause: "
        carrel delete --force "$CT"

        # all of them, more of them, and a guest that does not say
        for cpus in 4 4294967295 0; do
                fake cpus=$cpus
                configure "$(jq '.vcpus = 4' "$CONFIG")"
                run_carrel run "$CT"
                assert_equal "$status $(grep -c processors <<<"$stderr")" '0 0'
        done
        assert_clean
}

@test "a kernel without EFI under OVMF: refused; where nobody looks, what it comes up with is said, with why" {
        need "no OVMF" test -e /usr/share/OVMF
        args true
        fake cpus=1
        cp "$TESTS/data/kernels/bzimage-no-efi" "$T/images/vmlinuz"
        configure "$(jq '. + { firmware: "ovmf", vcpus: 4, vmlinuz: "\(.initrd | rtrimstr("initrd"))vmlinuz" }' "$CONFIG")"
        assert_refused '/images/vmlinuz: built without CONFIG_EFI_STUB: under OVMF such a kernel finds no ACPI tables' run "$CT"
        configure "$(jq '.checkKernel = false' "$CONFIG")"
        run_carrel run "$CT"
        assert_equal "$status" 0
        [[ $stderr = *"warning: the guest's kernel runs 1 of the machine's 4 processors; likely cause: "*"/images/vmlinuz: built without CONFIG_EFI (the kernel takes OVMF for a BIOS,"* ]] || fail "$stderr"
        assert_clean
}

@test "exec: what the process asks for in vain is warned about, in the container's log too" {
        edit '.process.apparmorProfile = "own"'
        carrel_detached run -d "$CT"
        kept 'apparmorProfile'
        jq '.process | .args = ["true"] | .apparmorProfile = "mine" | .selinuxLabel = "a:b:c:s0"
                | .execCPUAffinity = {final: "77"} | .capabilities.effective += ["CAP_NOSUCH"]' config.json >"$T/process.json"
        run_carrel exec --process "$T/process.json" "$CT"
        assert_equal "$status" 0
        kept '^process.apparmorProfile: "mine": the guest has no AppArmor'
        kept '^process.selinuxLabel: "a:b:c:s0": the guest has no SELinux'
        kept '^process.execCPUAffinity: '
        kept '^process.capabilities: CAP_NOSUCH: '
        run_carrel --log "$T/log.text" exec --apparmor third --preserve-fds 1 "$CT" true
        assert_equal "$status" 0
        assert_equal "$(grep -c warning: "$T/log.text")" 2
        kept '^process.apparmorProfile: "third"'
        kept '^--preserve-fds: '
        # what was said of the container is not said again of each process in it
        run_carrel exec "$CT" true
        kept '"own"'
        carrel delete --force "$CT"
        assert_clean
}
