#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input: one line that says what, where and what to do, status 1, and nothing is left.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle
}

@test "no config.json" {
        rm config.json
        assert_refused 'config.json' run "$CT"
        assert_refused 'config.json' create "$CT"
}

@test "no bundle folder" {
        assert_refused 'nowhere' run -b "$T/nowhere" "$CT"
}

@test "config.json is a folder, a fifo, a device" {
        rm config.json
        mkdir config.json
        assert_refused 'config.json' create "$CT"
        rmdir config.json
        mkfifo config.json
        assert_refused 'config.json' create "$CT"
        rm config.json
        ln -s /dev/zero config.json
        assert_refused 'config.json' create "$CT"
}

@test "config.json is cut short" {
        head -c 300 config.json >short && mv short config.json
        assert_refused 'config.json' create "$CT"
        : >config.json
        assert_refused 'config.json' create "$CT"
}

@test "config.json of 100 MiB" {
        {
                printf '{"ociVersion": "1.2.0", "annotations": {"a": "'
                head -c 104857600 /dev/zero | tr '\0' x
                printf '"}}'
        } >config.json
        assert_refused 'config.json.*(large|big|MiB|bytes|limit)' create "$CT"
}

@test "config.json nested 100,000 deep" {
        { printf '{"process": '; head -c 100000 /dev/zero | tr '\0' '['; } >config.json
        assert_refused 'config.json.*(deep|nest)' create "$CT"
}

@test "wrong types: the key is named" {
        cp config.json good.json
        local filter name
        while IFS='|' read -r filter name; do
                cp good.json config.json
                edit "$filter"
                run_carrel create "$CT"
                [ "$status" -eq 1 ] || fail "$filter: status $status: $stderr"
                [[ $stderr =~ config.json:\ .*${name} ]] || fail "$filter: expected the key, got: $stderr"
                assert_one_line_error
                assert_clean
        done <<'CASES'
.process.args = "sh"|process.args
.process.args = []|process.args
.process.args = [1]|process.args
.process.user.uid = "root"|process.user.uid
.process.user.uid = -1|process.user.uid
.process.user.uid = 4294967296|process.user.uid
.process.cwd = "relative"|process.cwd
.process.env = {"A": "b"}|process.env
.process.terminal = "yes"|process.terminal
.process.rlimits = [{"type": "RLIMIT_NOSUCH", "hard": 1, "soft": 1}]|process.rlimits
.process.oomScoreAdj = 5000|process.oomScoreAdj
.root = "rootfs"|root
.mounts = {}|mounts
.mounts[0].destination = 5|mounts.*destination
.mounts[0].options = "ro"|mounts.*options
.linux.namespaces = [{"type": "nosuch"}]|linux.namespaces
.linux.resources.cpu = {"quota": "abc"}|linux.resources.cpu.quota
.linux.resources.memory = {"limit": "1G"}|linux.resources.memory.limit
.linux.sysctl = ["a"]|linux.sysctl
.linux.seccomp = {"defaultAction": "SCMP_ACT_NOSUCH"}|linux.seccomp.defaultAction
.linux.maskedPaths = "x"|linux.maskedPaths
.hooks = {"prestart": [{"path": 1}]}|hooks.prestart.*path
.hostname = 3|hostname
.annotations = {"a": 1}|annotations
.ociVersion = 1|ociVersion
del(.ociVersion)|ociVersion
del(.process.args)|process.args
del(.root)|root
CASES
}

@test "missing root file system" {
        mv rootfs elsewhere
        assert_refused 'rootfs' create "$CT"
        assert_refused 'rootfs' run "$CT"
        echo file >rootfs
        assert_refused 'rootfs' create "$CT"
}

@test "the source of a bind is missing: it is named, and where it was to be" {
        mount_entry '{"destination": "/data", "type": "bind", "source": "/no/such/folder", "options": ["rbind", "ro"]}'
        assert_refused '^carrel: mounts \(/data\): source /no/such/folder: No such file or directory$' create "$CT"
}

@test "links to what only the host's kernel can show are refused as that is itself" {
        local target why
        while read -r target why; do
                ln -sfn "$target" "$T/link"
                edit '.mounts[7] = {destination: "/data", type: "bind", source: $path, options: ["rbind"]}' --arg path "$T/link"
                assert_refused "^carrel: mounts \(/data\): source $T/link: $why of the host" create "$CT"
        done <<<'/proc /proc
/proc/self/net /proc
/sys /sys
/sys/fs/cgroup /sys
/dev devices
/dev/pts devices
/dev/zero devices'
        # elsewhere than usual
        mkdir "$T/elsewhere"
        mount -t proc proc "$T/elsewhere"
        edit '.mounts[7].source = $path' --arg path "$T/elsewhere/sys"
        run_carrel create "$CT"
        assert_equal "$status" 1
        [[ $stderr = *"source $T/elsewhere/sys: /proc of the host"* ]] || fail "$stderr"
        umount "$T/elsewhere"
        mount -t devtmpfs none "$T/elsewhere"
        edit '.mounts[7].source = $path' --arg path "$T/elsewhere"
        run_carrel create "$CT"
        umount "$T/elsewhere"
        assert_equal "$status" 1
        [[ $stderr = *"source $T/elsewhere: devices of the host"* ]] || fail "$stderr"
        assert_clean
}

@test "sockets and named pipes are warned about, whatever they are called" {
        mkfifo "$T/fifo"
        python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$T/plug"
        mount_entry "{\"destination\": \"/one\", \"type\": \"bind\", \"source\": \"$T/fifo\", \"options\": [\"bind\"]}"
        mount_entry "{\"destination\": \"/two\", \"type\": \"bind\", \"source\": \"$T/plug\", \"options\": [\"bind\"]}"
        carrel_detached create "$CT"
        assert_equal "$(jq -s -r '.[] | select(.level == "warning") | .msg' "$ROOT/$CT/shim.log")" \
                "source $T/fifo: a named pipe leads to nobody outside of the virtual machine
source $T/plug: a socket of the host cannot be connected to from inside a virtual machine"
        carrel delete --force "$CT"
        assert_clean
}

@test "ids that are none" {
        local id
        for id in '' . .. a/b ../x /abs 'a b' $'a\nb' $'a\x01' $'\xff\xfe' "$(printf 'x%.0s' $(seq 1025))" "$(printf "x%.0s" $(seq 256))"; do
                run_carrel create -b "$BUNDLE" -- "$id"
                [ "$status" -eq 1 ] || fail "id \"$id\": status $status"
                assert_one_line_error
                [ "${#stderr}" -lt 120 ] || fail "too long: $stderr"
                assert_clean
        done
}

@test "the longest id that is a name of a folder works; longer ones are refused" {
        local id
        id=$(printf '%-255s' "$CT" | tr ' ' x)
        script 'echo fine'
        run_carrel run "$id"
        assert_equal "$status $stderr" '0 '
        assert_equal "$output" fine
        assert_clean
        args sleep 30
        carrel_detached create "$id"
        assert_equal "$(carrel state "$id" | jq -r '.id + " " + .status')" "$id created"
        carrel start "$id"
        run_carrel exec "$id" echo inside
        assert_equal "$output" inside
        carrel delete --force "$id"
        assert_refused 'container id too long: [0-9]* characters, the limit is 255' create "${id}x"
        assert_refused 'container id too long: [0-9]* characters, the limit is 255' create "$(printf '%-1024s' "$CT" | tr ' ' x)"
}

@test "an id that is taken" {
        args sleep 30
        carrel_detached create "$CT"
        run_carrel create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *exist* || $stderr = *"in use"* ]] || fail "$stderr"
        assert_equal "$(carrel state "$CT" | jq -r .status)" created
        carrel delete --force "$CT"
        assert_clean
}

@test "two create of one id at once: one wins" {
        args sleep 30
        local i won=0
        local -a pids
        for i in 1 2 3 4; do
                carrel create "$CT" </dev/null >"$T/out$i" 2>&1 &
                pids[i]=$!
        done
        for i in 1 2 3 4; do
                if wait "${pids[i]}"; then won=$((won + 1)); fi
        done
        assert_equal "$won" 1
        assert_equal "$(carrel state "$CT" | jq -r .status)" created
        assert_equal "$(pids_of carrel-shim | wc -l)" 1
        carrel delete --force "$CT"
        assert_clean
}

@test "many containers at once" {
        args sh -c 'echo fine'
        local i
        local -a pids
        for i in $(seq 8); do
                carrel run "$CT-$i" </dev/null >"$T/out$i" 2>&1 &
                pids[i]=$!
        done
        for i in $(seq 8); do
                wait "${pids[i]}" || fail "$i: $(cat "$T/out$i")"
                assert_equal "$(cat "$T/out$i")" fine
        done
        assert_clean
}

@test "QEMU, kernel or initrd missing: the file is named" {
        local key
        for key in qemu vmlinuz initrd; do
                configure "$(jq --arg key "$key" '. + {($key): "/no/such/file"}' "$CONFIG")"
                assert_refused "$key.*/no/such/file" create "$CT"
                fake
        done
}

@test "configuration: unknown key, wrong type, bad word, missing file" {
        configure '{"acelerator": "kvm"}'
        assert_refused 'acelerator' create "$CT"
        configure '{"vcpus": "two"}'
        assert_refused 'vcpus' create "$CT"
        configure '{"accelerator": "warp"}'
        assert_refused 'accelerator.*warp' create "$CT"
        echo '{' >"$CONFIG"
        assert_refused "$CONFIG" create "$CT"
        rm "$CONFIG"
        assert_refused "$CONFIG" create "$CT"
}

@test "an annotation that the administrator does not allow" {
        edit '.annotations = {"io.carrel.qemu": "/bin/false"}'
        assert_refused 'qemu.*allowAnnotations' create "$CT"
}

@test "no room in the state folder" {
        mkdir -p "$ROOT"
        mount -t tmpfs -o size=16k,nr_inodes=6 full "$ROOT"
        head -c 100000 /dev/zero >"$ROOT/ballast" 2>/dev/null || true
        run_carrel create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *"o space left"* ]] || fail "$stderr"
        assert_equal "$(ls -I '~lock' "$ROOT")" ballast
        umount "$ROOT"
        assert_clean
}

# fill [BYTES]: nothing more fits into the state folder, or only so much.
fill() {
        head -c 10M /dev/zero >"$ROOT/ballast" 2>/dev/null || true
        if [ "${1-0}" -gt 0 ]; then truncate -s "-$1" "$ROOT/ballast"; fi
}

@test "a state folder with room for a part of what is written: no container, and the folder is named" {
        local room
        mkdir -p "$ROOT"
        mount -t tmpfs -o size=1m full "$ROOT"
        for room in 4096 8192 12288 16384 20480; do
                fill "$room"
                run_carrel create "$CT"
                rm -f "$ROOT/ballast"
                if [ "$status" -eq 0 ]; then
                        carrel delete --force "$CT"
                        continue
                fi
                assert_one_line_error
                [[ $stderr = *"$ROOT"*"o space left"* ]] || fail "$room: $stderr"
                assert_equal "$(ls -I '~lock' "$ROOT")" ''
        done
        umount "$ROOT"
        assert_clean
}

@test "the state folder is full when a container starts: it stays created, and starts when there is room" {
        args sleep 30
        mkdir -p "$ROOT"
        mount -t tmpfs -o size=1m full "$ROOT"
        carrel_detached create "$CT"
        fill
        run_carrel start "$CT"
        assert_equal "$status" 1
        [[ $stderr = *"state folder $ROOT/$CT: status.json: "*"o space left"* ]] || fail "$stderr"
        assert_equal "$(carrel state "$CT" | jq -r .status)" created
        rm "$ROOT/ballast"
        carrel start "$CT"
        assert_equal "$(carrel state "$CT" | jq -r .status)" running
        fill
        run_carrel pause "$CT"
        assert_equal "$status" 1
        assert_equal "$(carrel state "$CT" | jq -r .status)" running
        carrel delete --force "$CT"
        rm "$ROOT/ballast"
        umount "$ROOT"
        assert_clean
}

@test "the state folder is read-only, or a file" {
        mkdir -p "$ROOT"
        mount -t tmpfs -o ro none "$ROOT"
        run_carrel create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        umount "$ROOT"
        rmdir "$ROOT"
        echo >"$ROOT"
        run_carrel create "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        rm "$ROOT"
        assert_clean
}

@test "state files that somebody has damaged" {
        args sleep 30
        carrel_detached create "$CT"
        carrel_detached create "$CT-other"
        local file content
        for file in record.json status.json; do
                cp "$ROOT/$CT/$file" "$T/whole.json"
                for content in 'not JSON' '' '{}' '{"status": 5}'; do
                        echo "$content" >"$ROOT/$CT/$file"
                        run_carrel state "$CT"
                        assert_equal "$status $output" '1 '
                        assert_one_line_error
                        [[ $stderr = "carrel: state of container $CT: $file: "* ]] || fail "$stderr"
                        # the others are still listed
                        run_carrel list --quiet
                        assert_equal "$status $output" "0 $CT-other"
                        [[ $stderr = "carrel: warning: state of container $CT: $file: "* ]] || fail "$stderr"
                done
                if [ "$file" = record.json ]; then cp "$T/whole.json" "$ROOT/$CT/$file"; fi
        done
        carrel delete --force "$CT-other"
        run_carrel delete --force "$CT"
        assert_clean
}

@test "unknown commands and options: status 1 and a line" {
        run_carrel nosuch
        [ "$status" -ne 0 ]
        [[ $stderr = *nosuch* ]]
        run_carrel run --nosuch "$CT"
        [ "$status" -ne 0 ]
        [[ $stderr = *nosuch* ]]
        run_carrel create
        [ "$status" -ne 0 ]
        run_carrel create a b c
        [ "$status" -ne 0 ]
        assert_clean
}

@test "a terminal is asked for, and there is neither a socket nor a terminal" {
        edit '.process.terminal = true'
        run_carrel create "$CT" </dev/null
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr = *console* || $stderr = *terminal* ]]
        run_carrel create --console-socket "$T/no-such-socket" "$CT"
        assert_equal "$status" 1
        assert_one_line_error
        assert_clean
}
