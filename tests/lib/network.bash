# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Network namespaces as engines make them: bound to a file, without a process. The other side is the test's own.

# namespace NAME
namespace() {
        mkdir -p "$T/netns"
        : >"$T/netns/$1"
        unshare --net="$T/netns/$1" true
}

# inside NAME COMMAND...
inside() {
        local name=$1
        shift
        nsenter --net="$T/netns/$name" -- "$@"
}

# release NAME: the namespace goes; our ends of its pairs with it.
release() {
        umount "$T/netns/$1"
}

release_all() {
        local file
        for file in "$T"/netns/*; do umount "$file" 2>/dev/null || true; done
}

# joined PATH: the bundle's container joins that namespace.
joined() {
        # shellcheck disable=SC2016
        edit '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "$1"
}

# link NAME OURS THEIRS [OPTION...]: a pair, OURS in the test's namespace and THEIRS in namespace NAME, with options of
# ip link set (mtu N).
link() {
        local name=$1 ours=$2 theirs=$3
        shift 3
        ip link add "$ours" type veth peer name "$theirs" netns "$T/netns/$name"
        ip link set "$ours" up "$@"
        inside "$name" ip link set "$theirs" up "$@"
}

# ---- those that CRI-O pins besides: a host name, and System V IPC with a setting of its own ----

pin() {
        mkdir -p "$T/pinned"
        : >"$T/pinned/ipc"
        : >"$T/pinned/uts"
        unshare --ipc="$T/pinned/ipc" --uts="$T/pinned/uts" sh -c 'hostname of-the-pod; domainname example.test; echo 4321 >/proc/sys/kernel/shmmni'
}

# They are as they were made.
assert_pinned() {
        assert_equal "$(nsenter --uts="$T/pinned/uts" --ipc="$T/pinned/ipc" sh -c 'hostname; cat /proc/sys/kernel/shmmni')" $'of-the-pod\n4321'
}

unpin() {
        umount "$T/pinned/ipc" "$T/pinned/uts"
}

# joins TYPE PATH: the bundle's container is to be in that namespace; "": in a new one.
joins() {
        # shellcheck disable=SC2016
        edit '.linux.namespaces |= map(select(.type != $type)) + [{ type: $type } + if $path != "" then { path: $path } else {} end]' \
                --arg type "$1" --arg path "$2"
}
