#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Commands that need no container: what they print, and that a refusal is one line, status 1, and leaves nothing.

load ../lib/common

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        mkdir -p "$BUNDLE/rootfs"
        cd "$BUNDLE" || return
}

teardown() {
        if [ "$(stat -f -c %T /sys)" = tmpfs ]; then umount /sys; fi
        test_end
}

# refused TEXT ARGUMENT...: exactly that line.
refused() {
        local text=$1
        shift

        run_carrel "$@"
        assert_equal "$status" 1
        assert_equal "$output" ''
        assert_equal "$stderr" "carrel: $text"
        assert_clean
}

@test "version" {
        run_carrel --version
        assert_equal "$status" 0
        assert_line --index 0 --regexp '^carrel version [0-9]+\.[0-9]+\.[0-9]+$'
        assert_line --index 1 --regexp '^commit: [0-9a-z]+$'
        assert_line --index 2 --regexp '^spec: 1\.[0-9]+\.[0-9]+$'
        local whole=$output
        run_carrel -v
        assert_equal "$output" "$whole"
}

@test "help: with an option, as a command, without a command, of a command" {
        run_carrel --help
        assert_equal "$status" 0
        assert_line --regexp '^  create +'
        local whole=$output
        run_carrel help
        assert_equal "$output" "$whole"
        run_carrel
        assert_equal "$status" 0
        assert_equal "$output" "$whole"
        run_carrel create --help
        assert_equal "$status" 0
        assert_line --partial 'Usage: carrel create '
        assert_line --partial '--console-socket=PATH'
        # help wins over what else is wrong
        run_carrel create -h a b c
        assert_equal "$status" 0
}

@test "mistakes in the command line" {
        refused 'unknown command "nosuch"; see "carrel --help"' nosuch
        refused 'unknown option "--nosuch"; see "carrel --help"' --nosuch list
        refused 'option "--log" needs a value' --log
        refused 'state: unknown option "--nosuch"; see "carrel state --help"' state --nosuch x
        refused 'state: too few arguments: expected ID; see "carrel state --help"' state
        refused 'state: too many arguments: expected ID; see "carrel state --help"' state a b
        refused 'create: option "--bundle" needs a value' create --bundle
        refused 'delete: option "--force" takes no value' delete --force=yes x
        refused 'create: --preserve-fds: expected a number, found "many"' create --preserve-fds many x
        refused '--log-format: expected text or json, found "xml"' --log-format xml list
        refused 'invalid format option' list --format xml
}

@test "what engines pass for runc's sake is taken" {
        run_carrel --rootless auto --criu /usr/sbin/criu list
        assert_equal "$status" 0
}

@test "no such container, in the words engines look for" {
        local command
        for command in state start 'kill %s 9' delete console trace; do
                [[ $command = *%s* ]] || command="$command %s"
                # shellcheck disable=SC2059,SC2046
                refused 'container does not exist' $(printf "$command" "$CT")
        done
        run_carrel exec "$CT" true
        assert_equal "$status" 255
        assert_equal "$stderr" 'carrel: exec failed: container does not exist'
        assert_clean
}

@test "delete --force of what is not there succeeds, in silence" {
        run_carrel delete --force "$CT"
        assert_equal "$status" 0
        assert_equal "$output$stderr" ''
        assert_clean
}

@test "list of nothing" {
        run_carrel list
        assert_equal "$status" 0
        assert_equal "$output" 'ID          PID         STATUS      BUNDLE      CREATED     OWNER'
        run_carrel list --quiet
        assert_equal "$output" ''
        run_carrel list --format json
        assert_equal "$output" null
        assert_clean
}

@test "ids that are none" {
        local id
        for id in . .. a/b ../x 'a b'; do
                refused "invalid container ID format: \"$id\"" state "$id"
        done
        refused 'container id cannot be empty' state ''
}

@test "missing bundle, config.json, root file system" {
        refused "bundle $T/nowhere: No such file or directory" create -b "$T/nowhere" "$CT"
        refused "config.json: not found in bundle $BUNDLE" create "$CT"
        cp "$TESTS/lib/config.json" .
        rmdir rootfs
        refused "config.json: root.path: $BUNDLE/rootfs: No such file or directory" create "$CT"
        : >rootfs
        refused "config.json: root.path: $BUNDLE/rootfs: not a directory" create "$CT"
}

@test "config.json that is none" {
        head -c 104857600 /dev/zero >config.json
        refused 'config.json: larger than 16777216 bytes' create "$CT"
        head -c 200 "$TESTS/lib/config.json" >config.json
        assert_refused_config
        { printf '{"process": '; head -c 100000 /dev/zero | tr '\0' '['; } >config.json
        assert_refused_config
        jq '.process.args = "sh"' "$TESTS/lib/config.json" >config.json
        refused 'config.json: process.args: expected an array of strings, found "sh"' create "$CT"
        jq 'del(.process)' "$TESTS/lib/config.json" >config.json
        assert_refused_config
        rm config.json
        mkfifo config.json
        refused "$BUNDLE/config.json: not a regular file" create "$CT"
}

assert_refused_config() {
        run_carrel create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = "carrel: config.json: "* ]] || fail "$stderr"
        assert_clean
}

@test "terminal and console socket must fit" {
        cp "$TESTS/lib/config.json" .
        refused 'cannot use console socket if carrel will not detach or allocate tty' create --console-socket "$T/s" "$CT"
        edit '.process.terminal = true'
        refused 'cannot allocate tty if carrel will detach without setting console socket' create "$CT"
        refused 'cannot allocate tty if carrel will detach without setting console socket' run -d "$CT"
        refused "--console-socket $T/s: No such file or directory" create --console-socket "$T/s" "$CT"
}

@test "the systemd driver is refused in words" {
        cp "$TESTS/lib/config.json" .
        edit '.linux.cgroupsPath = "a:b"'
        refused 'linux.cgroupsPath: with --systemd-cgroup expected slice:prefix:name, found "a:b"' --systemd-cgroup create "$CT"
        edit '.linux.cgroupsPath = "a.slice:b:c"'
        run_carrel --systemd-cgroup create "$CT"
        assert_equal "$status" 1
        [[ $stderr = 'carrel: --systemd-cgroup: '* ]]
        assert_clean
}

@test "spec writes a config.json once, and it is one" {
        run_carrel spec
        assert_equal "$status" 0
        assert_equal "$(jq -r .process.args[0] config.json)" sh
        refused 'File config.json exists. Remove it first' spec
        mkdir other
        run_carrel spec -b other
        assert_equal "$status" 0
        cmp config.json other/config.json
        refused "$T/nowhere/config.json: No such file or directory" spec -b "$T/nowhere"
}

@test "features: JSON with sorted lists" {
        run_carrel features
        assert_equal "$status" 0
        assert_equal "$(jq -r .ociVersionMax <<<"$output")" 1.2.0
        assert_equal "$(jq -c '.mountOptions == (.mountOptions | sort)' <<<"$output")" true
        assert_equal "$(jq -c '.linux.capabilities | index("CAP_CHOWN")' <<<"$output")" 0
        assert_equal "$(jq -c .hooks <<<"$output")" \
                '["prestart","createRuntime","createContainer","startContainer","poststart","poststop"]'
}

@test "config: what it prints can be read back" {
        run_carrel config
        assert_equal "$status" 0
        printf '%s\n' "$output" >"$T/again.json"
        run --separate-stderr "$CARREL" --config "$T/again.json" config
        assert_equal "$status" 0
        assert_equal "$output" "$(cat "$T/again.json")"
        run_carrel config --json
        jq -e .accelerator <<<"$output"
}

@test "the log: text, JSON, exactly one object when a command fails" {
        run_carrel --log "$T/log" state "$CT"
        assert_equal "$(cat "$T/log")" 'carrel: container does not exist'
        run_carrel --log "$T/log.json" --log-format json state "$CT"
        assert_equal "$stderr" 'carrel: container does not exist'
        assert_equal "$(jq -s -c 'map(del(.time))' "$T/log.json")" '[{"level":"error","msg":"container does not exist"}]'
        [[ $(jq -r .time "$T/log.json") =~ ^20[0-9-]+T[0-9:]+Z$ ]]
        # without a file it goes to standard error, once
        run_carrel --log-format json state "$CT"
        assert_equal "$(jq -r .msg <<<"$stderr")" 'container does not exist'
        refused "log file $T/no/log: No such file or directory" --log "$T/no/log" state "$CT"
}

@test "output that cannot be written is an error" {
        run bash -c '"$CARREL" features >/dev/full'
        assert_equal "$status" 1
        assert_output 'carrel: standard output: No space left on device'
}

@test "closed standard descriptors do no harm" {
        run bash -c '"$CARREL" --root "$0" list <&- 2>&-' "$ROOT"
        assert_equal "$status" 0
        run bash -c '"$CARREL" --root "$0" list <&- >&-' "$ROOT"
        assert_equal "$status" 0
        run bash -c '"$CARREL" --root "$0" --log "$1" state x <&- >&- 2>&-; cat "$1"' "$ROOT" "$T/log"
        assert_output 'carrel: container does not exist'
}

# fake_gpu ADDRESS GROUP: a 3D controller of NVIDIA's in the host's /sys, which the test has mounted over.
fake_gpu() {
        local folder=/sys/bus/pci/devices/$1

        mkdir -p "$folder" "/sys/kernel/iommu_groups/$2"
        echo 0x030200 >"$folder/class"
        echo 0x10de >"$folder/vendor"
        echo 0x2330 >"$folder/device"
        ln -s "../../../../kernel/iommu_groups/$2" "$folder/iommu_group"
}

@test "cdi generate: a file that describes the host's GPUs, by address and all of them" {
        refused 'cdi: expected "generate", found "list"' cdi list
        refused '--output: /etc/cdi/x.yaml: engines read JSON from files called *.json only' cdi generate --output /etc/cdi/x.yaml
        refused 'cdi generate: a b/c: expected a vendor and a class of letters, digits, "-", "_" and ".", such as carrel.dev and gpu' cdi generate --vendor 'a b' --class c
        mount -t tmpfs tmpfs /sys
        run_carrel cdi generate
        assert_equal "$status $stderr" '1 carrel: cdi generate: this host has no GPU that could be passed (carrel gpu list)'
        fake_gpu 0000:65:00.0 14
        fake_gpu 0000:b3:00.0 15
        run_carrel cdi generate
        assert_equal "$status $stderr" '0 '
        assert_equal "$(jq -c '[.cdiVersion, .kind, (.devices[] | [.name, .containerEdits.deviceNodes[].path])]' <<<"$output")" \
                '["0.5.0","carrel.dev/gpu",["0000:65:00.0","/dev/vfio/14"],["0000:b3:00.0","/dev/vfio/15"],["all","/dev/vfio/14","/dev/vfio/15"]]'
        run_carrel cdi generate --vendor example.com --class card --output "$T/cdi/carrel.json"
        assert_equal "$status $output $stderr" '0  '
        assert_equal "$(jq -r '.kind + " " + .devices[0].containerEdits.env[0]' "$T/cdi/carrel.json")" 'example.com/card CARREL_GPU_GROUP_14=0000:65:00.0'
        umount /sys
        assert_clean
}

@test "gpu: what the host has, as text and as JSON; what is asked in other ways is refused" {
        run_carrel gpu list
        assert_equal "$status" 0
        assert_equal "$stderr" ''
        local text=$output
        run_carrel gpu --json list
        assert_equal "$status" 0
        if [[ $(jq length <<<"$output") == 0 ]]; then
                assert_equal "$text" 'This host has no GPU, and no device that is set aside for virtual machines.'
        else
                assert_equal "$(tail -n +2 <<<"$text" | cut -d ' ' -f 1)" "$(jq -r '.[].device.address' <<<"$output")"
                jq -e 'all(.[]; .findings | all(.code and (.status | IN("ok", "warn", "blocked")) and .detail))' <<<"$output" >/dev/null || fail "$output"
        fi
        refused 'gpu: expected "list", "why" or "release", found "lost"' gpu lost
        refused 'gpu list: takes no arguments' gpu list 0000:00:00.0
        refused 'gpu why: expected one PCI address (carrel gpu list shows them)' gpu why
        refused 'gpu: expected a PCI address (0000:65:00.0), found "the fast one"' gpu why 'the fast one'
        refused 'gpu 0000:ff:1f.7: the host has no such device (lspci -D shows all)' gpu why 0000:ff:1f.7
}

@test "gpu why: any function of the host is explained, with the status that says whether it can be passed" {
        local devices=(/sys/bus/pci/devices/*) address
        [[ -e ${devices[0]} ]] || skip 'this host has no PCI'
        for address in "${devices[@]##*/}"; do
                run_carrel gpu --json why "$address"
                assert_equal "$stderr" ''
                assert_equal "$(jq -r .device.address <<<"$output")" "$address"
                assert_equal "$(jq 'if any(.findings[]; .status == "blocked") then 1 else 0 end' <<<"$output")" "$status"
        done
}
