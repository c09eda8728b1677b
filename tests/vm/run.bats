#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Programs in real virtual machines: what they print and how they end.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
}

@test "true is 0, false is 1" {
        args true
        run_carrel run "$CT"
        assert_equal "$status" 0
        args false
        run_carrel run "$CT"
        assert_equal "$status" 1
        assert_clean
}

@test "exit 42, with output on stdout and on stderr" {
        script 'echo out; echo err >&2; exit 42'
        run_carrel run "$CT"
        assert_equal "$status" 42
        assert_equal "$output" out
        # carrel's own warnings (emulation) may come before
        assert_equal "${stderr##*$'\n'}" err
        assert_clean
}

@test "killed by a signal: 128 + its number" {
        # process 1 of a pid namespace does not die of its own signals ...
        script 'kill -KILL $$; echo alive'
        run_carrel run "$CT"
        assert_equal "$status $output" '0 alive'
        # ... the shell's child does
        script 'sh -c "kill -SEGV \$\$"; exit $?'
        run_carrel run "$CT"
        assert_equal "$status" 139
        # without one, what carrel waits for is itself killed
        edit '.linux.namespaces |= map(select(.type != "pid"))'
        script 'kill -TERM $$; echo alive'
        run_carrel run "$CT"
        assert_equal "$status $output" '143 '
        assert_clean
}

@test "killed from outside: 137" {
        args sleep 100
        carrel run "$CT" </dev/null >/dev/null 2>&1 &
        wait_status "$CT" running
        carrel kill "$CT" KILL
        local status=0
        wait $! || status=$?
        assert_equal "$status" 137
        assert_clean
}

@test "a state folder below /dev, of which QEMU gets its own" {
        ROOT=$(mktemp -d /dev/shm/carrel-test-XXXXXX)
        args true
        run_carrel run "$CT"
        rm -rf "$ROOT"
        assert_equal "$status" 0
}

@test "no such program: 127 and runc's words" {
        args no-such-program
        run_carrel run "$CT"
        assert_equal "$status" 127
        [[ $stderr = *'exec: "no-such-program": executable file not found in $PATH'* ]] || fail "$stderr"
        args /no/such/program
        run_carrel run "$CT"
        assert_equal "$status" 127
        [[ $stderr = *'no such file or directory'* ]] || fail "$stderr"
        assert_clean
}

@test "not executable: 126" {
        echo text >rootfs/bin/text
        args /bin/text
        run_carrel run "$CT"
        assert_equal "$status" 126
        [[ $stderr = *'permission denied'* ]] || fail "$stderr"
        assert_clean
}

@test "run DIR prints from a kernel of its own, on the cpus and memory that were asked for" {
        edit '.annotations = {"io.carrel.vcpus": "2", "io.carrel.memoryMiB": "512"}'
        script 'uname -r; grep -c ^processor /proc/cpuinfo; grep -q hypervisor /proc/cpuinfo && echo hypervisor; awk "/^MemTotal/ { print int(\$2 / 1024) }" /proc/meminfo'
        run_carrel run "$BUNDLE"
        assert_equal "$status" 0
        [ "${lines[0]}" != "$(uname -r)" ]
        assert_equal "${lines[1]}" 2
        assert_equal "${lines[2]}" hypervisor
        [ "${lines[3]}" -gt 400 ] && [ "${lines[3]}" -le 512 ]
        assert_clean
}

@test "the least memory that is allowed is enough" {
        configure '{"memoryMiB": 128, "vcpus": 4}'
        script 'grep -c ^processor /proc/cpuinfo'
        run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "$stderr"
        assert_equal "$output" 4
        assert_clean
}

@test "the accelerator probe: a host that can only emulate says so once" {
        configure '{"accelerator": "auto"}'
        run_carrel run "$CT"
        assert_equal "$status" 0
        case $(carrel plan -b "$BUNDLE" | jq -r .machine.accelerator) in
        kvm) assert_equal "$stderr" '' ;;
        tcg)
                assert_equal "$(grep -c . <<<"$stderr")" 1
                [[ $stderr = 'carrel: warning: '*emulated* ]] || fail "$stderr"
                ;;
        *) fail "no accelerator in the plan" ;;
        esac
        assert_clean
}

@test "with 9p instead of virtiofs" {
        configure '{"share": "9p"}'
        echo hello >rootfs/file
        script 'cat /file; echo written >/new; mount | grep " / "'
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "${lines[0]}" hello
        assert_equal "$(cat rootfs/new)" written
        assert_clean
}

# boots_with FIRMWARE WORD: the guest says which kind it is.
boots_with() {
        script 'test -d /sys/firmware/efi && echo efi || echo bios'
        edit '.linux.maskedPaths = []'
        configure "{\"firmware\": \"$1\"}"
        run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "$1: status $status: $stderr"
        assert_equal "$output" "$2"
        assert_clean
}

@test "with SeaBIOS" {
        boots_with seabios bios
}

@test "with an OVMF that only starts kernels: all processors, and the ACPI tables that the distribution's has" {
        need "no OVMF" test -e /usr/share/OVMF/OVMF_CODE.fd
        "$TESTS/../firmware-config/build" --output "$T/own" >/dev/null
        chmod a+r "$T/own/ovmf.fd"
        script 'test -d /sys/firmware/efi && nproc && cd /sys/firmware/acpi/tables && ls -p | grep -v /$'
        edit '.linux.maskedPaths = []'
        configure '{"firmware": "ovmf", "vcpus": 3}'
        run_carrel run "$CT"
        assert_equal "$status ${lines[0]}" '0 3'
        expected=$output
        configure "{\"firmware\": \"ovmf\", \"vcpus\": 3, \"ovmf\": \"$T/own/ovmf.fd\"}"
        run_carrel plan
        assert_equal "$(jq -r .machine.firmwareFile <<<"$output")" "$T/own/ovmf.fd"
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "$output" "$expected"
        [[ $stderr != *processors* ]] || fail "$stderr"
        assert_clean
}

@test "with OVMF" {
        need "no OVMF" test -e /usr/share/OVMF
        boots_with ovmf efi
        # OVMF's own virtio-fs driver is kept away from the share: what is bound is a file system of its own
        mkdir "$T/bound"
        edit '.mounts += [{ "destination": "/bound", "type": "bind", "source": $source, "options": ["bind"] }]' --arg source "$T/bound"
        script '[ "$(stat -c %d /)" != "$(stat -c %d /bound)" ] && echo apart'
        run_carrel run "$CT"
        assert_equal "$output" apart
        assert_clean
}
