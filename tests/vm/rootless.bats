#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# carrel of a user who is not root.

load ../lib/common

ID=4711

setup() {
        need_vm
        need_program setpriv
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
        ROOT=$T/run/carrel
        mkdir "$T/run"
        chown -R "$ID:$ID" "$BUNDLE" "$T/run"
        need "user $ID cannot run $CARREL, or read $CARREL_IMAGES" as_user test -x "$CARREL" -a -r "$CARREL_IMAGES/vmlinux"
        need "users cannot make user namespaces" as_user unshare --user true
}

as_user() {
        setpriv --reuid="$ID" --regid="$ID" --clear-groups "$@"
}

# What common.bash calls carrel is the user's.
carrel() {
        XDG_RUNTIME_DIR=$T/run as_user timeout --foreground -k 5 "${LIMIT:-60}" "$CARREL" --config "$CONFIG" "$@" 3>&- 4>&-
}

@test "run: status, output, and files that are the user's" {
        script 'cat; id -u; echo text >/file; ip -o link | cut -d: -f2; exit 7'
        run_carrel run "$CT" < <(echo in)
        assert_equal "$status" 7
        assert_output $'in\n0\n lo'
        assert_equal "$(stat -c %u:%g rootfs/file)" "$ID:$ID"
        assert_clean
}

@test "create, start, exec, ps, pause, resume, events, kill, delete" {
        script 'trap "exit 9" TERM; while :; do sleep 0.1; done'
        carrel_detached create "$CT"
        carrel start "$CT"
        run_carrel exec "$CT" sh -c 'id -u; exit 4'
        assert_equal "$status $output" '4 0'
        run_carrel state "$CT"
        assert_equal "$(jq -r '.status, .owner' <<<"$output" | tr '\n' ' ')" "running $ID "
        carrel ps "$CT"
        carrel pause "$CT"
        assert_equal "$(carrel state "$CT" | jq -r .status)" paused
        carrel resume "$CT"
        carrel events --stats "$CT" | jq -e '.data.memory.usage.usage > 0'
        run_carrel list -q
        assert_output "$CT"
        carrel kill "$CT" TERM
        wait_status "$CT" stopped
        carrel delete "$CT"
        assert_clean
}

@test "its processes have the user's id; QEMU has no capability and cannot gain one" {
        local pid

        args sleep 1000
        carrel_detached run -d "$CT"
        for pid in $(pids_of carrel-shim) $(pids_of virtiofsd) $(pids_of qemu-system); do
                assert_equal "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 }' "/proc/$pid/status" | sort -u)" "$ID $ID $ID $ID"
        done
        pid=$(pids_of qemu-system)
        assert_equal "$(awk '/^Cap(Prm|Eff|Bnd|Amb):/ { print $2 }' "/proc/$pid/status" | sort -u)" 0000000000000000
        assert_equal "$(awk '/^(NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$pid/status" | tr '\n' ' ')" '1 2 '
        carrel delete --force "$CT"
        assert_clean
}

@test "what runc makes for users runs; groups of the user are no obstacle" {
        need_program runc
        rm config.json
        as_user runc spec --rootless
        edit '.process.terminal = false | .root.readonly = false'
        script 'cat /proc/self/uid_map | tr -s " "; ls /sys >/dev/null; touch /tmp/file'
        status=0
        output=$(setpriv --reuid="$ID" --regid="$ID" --groups "$ID,2000,3000" "$CARREL" --root "$ROOT" --config "$CONFIG" run "$CT" 3>&- 4>&-) || status=$?
        assert_equal "$status,$output" '0, 0 0 1'
        assert_equal "$(stat -c %u rootfs/tmp/file)" "$ID"
        assert_clean
}

@test "binds: what the user may read, read-only where the host has more forbidden" {
        mkdir "$T/folder"
        mount -t tmpfs -o nosuid,nodev,noexec,noatime tmpfs "$T/folder"
        echo text >"$T/folder/file"
        install -m 600 /dev/null "$T/folder/secret"
        mount_entry "$(jq -n --arg source "$T/folder" '{ destination: "/folder", type: "bind", source: $source, options: ["bind", "ro"] }')"
        script 'cat /folder/file; cat /folder/secret 2>&1; touch /folder/new 2>&1'
        run_carrel run "$CT"
        assert_output $'text\ncat: can\'t open \'/folder/secret\': Permission denied\ntouch: /folder/new: Read-only file system'
        umount "$T/folder"
        assert_clean
}

@test "refused: ids of others, a state root of somebody else, none at all" {
        edit '.linux.namespaces += [{ type: "user" }] | .linux.uidMappings = [{ containerID: 0, hostID: 0, size: 1 }] | .linux.gidMappings = .linux.uidMappings'
        assert_refused 'linux.uidMappings: who is not root has one id' run "$CT"
        mkdir "$T/other"
        assert_refused "state root $T/other: it belongs to user 0; name another with --root" --root "$T/other" list
        assert_refused "state root $T/other: it belongs to user 0; name another with --root" --root "$T/other" doctor --repair
        # what changes no container asks nobody
        run_carrel --root "$T/other" features
        assert_equal "$status $(jq -r .ociVersionMax <<<"$output")" '0 1.2.0'
        run_carrel --root "$T/other" gpu list
        assert_equal "$status $stderr" '0 '
        run_carrel --root "$T/other" doctor
        assert_line --regexp '^ok +QEMU '
        cp "$TESTS/lib/config.json" config.json
        assert_refused "$T/other.*: Permission denied" --root "$T/other/nobody's" run "$CT"
}

@test "root does with the user's containers what the user may do" {
        args sleep 1000
        carrel_detached run -d "$CT"
        # a record that a user has written: root must not do more with it than the user could
        sleep 1000 3>&- 4>&- &
        echo $! >"$T/victim"
        jq --argjson pid "$(cat "$T/victim")" --arg start "$(awk '{ print $22 }' "/proc/$(cat "$T/victim")/stat")" '.pid = $pid | .pidStart = ($start | tonumber)' \
                "$ROOT/$CT/record.json" >"$T/record" && cat "$T/record" >"$ROOT/$CT/record.json"
        run "$CARREL" --root "$ROOT" --config "$CONFIG" kill "$CT" KILL
        kill -0 "$(cat "$T/victim")"
        run "$CARREL" --root "$ROOT" --config "$CONFIG" delete --force "$CT"
        kill -0 "$(cat "$T/victim")"
        kill "$(cat "$T/victim")"
}
