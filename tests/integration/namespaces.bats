#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# IPC and UTS namespaces that an engine (CRI-O) has made before: the shim is in them where nobody else is.

load ../lib/common
load ../lib/fake
load ../lib/network

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sleep 20
        pin
        snapshot >"$T/before"
        joins ipc "$T/pinned/ipc"
        joins uts "$T/pinned/uts"
}

teardown() {
        unpin || true
        test_end
}

same_namespace() {
        [ "$1" -ef "$2" ] || fail "$(stat -L -c '%n: %d %i' "$1" "$2")"
}

@test "an IPC and a UTS namespace without processes are the shim's, and stay when it goes" {
        local pid

        carrel_detached create "$CT"
        pid=$(carrel state "$CT" | jq .pid)
        same_namespace "/proc/$pid/ns/ipc" "$T/pinned/ipc"
        same_namespace "/proc/$pid/ns/uts" "$T/pinned/uts"
        [ ! "/proc/$pid/ns/net" -ef /proc/self/ns/net ]
        carrel start "$CT"
        wait_status "$CT" running
        assert_pinned
        carrel delete --force "$CT"
        assert_pinned
        # for the next one, too
        carrel_detached create "$CT"
        carrel delete "$CT"
        assert_pinned
        assert_clean
}

@test "each of them by itself: the other is new" {
        local type other pid

        while read -r type other; do
                joins "$type" "$T/pinned/$type"
                joins "$other" ''
                carrel_detached create "$CT"
                pid=$(carrel state "$CT" | jq .pid)
                same_namespace "/proc/$pid/ns/$type" "$T/pinned/$type"
                [ ! "/proc/$pid/ns/$other" -ef "$T/pinned/$other" ]
                [ ! "/proc/$pid/ns/$other" -ef "/proc/self/ns/$other" ]
                carrel delete "$CT"
        done <<<$'ipc uts\nuts ipc'
        assert_clean
}

@test "one in which a process lives is refused, and the process named" {
        local type pid

        for type in ipc uts; do
                nsenter "--$type=$T/pinned/$type" sleep 30 &
                pid=$!
                sleep_until 10 grep -qx sleep "/proc/$pid/comm"
                assert_refused "config.json: linux.namespaces: $type namespace $T/pinned/$type is that of process $pid \(sleep\): .*one of its own" \
                        create "$CT"
                kill "$pid"
                sleep_until 10 gone "$pid"
        done
        # and so is one in which one of ours lives
        mv "$T/before" "$T/empty"
        carrel_detached create "$CT"
        snapshot >"$T/before"
        assert_refused "ipc namespace .* is that of process .* \(carrel-shim\)" create "$CT-2"
        carrel delete "$CT"
        mv "$T/empty" "$T/before"
        assert_clean
}

@test "the host's mean no namespace: the guest's, with a warning" {
        local pid

        joins ipc /proc/1/ns/ipc
        joins uts /proc/self/ns/uts
        carrel_detached create "$CT"
        pid=$(carrel state "$CT" | jq .pid)
        [ ! "/proc/$pid/ns/ipc" -ef /proc/self/ns/ipc ]
        [ ! "/proc/$pid/ns/uts" -ef /proc/self/ns/uts ]
        for type in ipc uts; do
                grep -q "linux.namespaces: no $type namespace is asked for: that of the host cannot be used" "$ROOT/$CT/shim.log"
        done
        carrel delete "$CT"
        assert_clean
}

@test "a path that is gone, no namespace, or one of another type, is refused" {
        joins ipc "$T/gone"
        assert_refused "ipc namespace $T/gone: No such file or directory" create "$CT"
        : >"$T/file"
        joins ipc "$T/file"
        assert_refused "$T/file is not a namespace of type ipc" create "$CT"
        joins ipc "$T/pinned/uts"
        assert_refused "$T/pinned/uts is not a namespace of type ipc" create "$CT"
        joins ipc "$T/pinned/ipc"
        joins uts "$T/pinned/ipc"
        assert_refused "$T/pinned/ipc is not a namespace of type uts" create "$CT"
        mkfifo "$T/fifo"
        joins uts "$T/fifo"
        assert_refused "$T/fifo is not a namespace of type uts" create "$CT"
}

@test "pid and user namespaces of the host cannot be joined, even without processes" {
        local type

        for type in pid user; do
                edit ".linux.namespaces |= map(select(.type != \"$type\")) + [{type: \"$type\", path: \"/proc/self/ns/$type\"}]"
                assert_refused "linux.namespaces: $type: joining /proc/self/ns/$type: .*cannot be entered from inside a virtual machine" create "$CT"
                edit ".linux.namespaces |= map(select(.type != \"$type\"))"
        done
}
