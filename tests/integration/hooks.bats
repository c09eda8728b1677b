#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hooks on the host: their order, what they are told, what their failure does.

load ../lib/common
load ../lib/fake

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
        make_bundle sh -c 'echo program'
        cat >"$T/hook" <<'HOOK'
#!/bin/sh
# usage: hook FOLDER NAME: notes that it ran and what it was told
cat >"$1/$2.state"
echo "$2" >>"$1/order"
readlink /proc/self/ns/net >"$1/$2.net"
readlink /proc/self/ns/mnt >"$1/$2.mnt"
env >"$1/$2.env"
pwd >"$1/$2.pwd"
HOOK
        chmod +x "$T/hook"
}

# hook KIND [JSON]: adds one; JSON goes over its object.
hook() {
        edit '.hooks[$kind] += [{path: $path, args: ["hook", $folder, $kind]} + $more]' \
                --arg kind "$1" --arg path "$T/hook" --arg folder "$T" --argjson more "${2:-{\}}"
}

all_hooks() {
        local kind
        for kind in prestart createRuntime createContainer poststart poststop; do hook "$kind"; done
}

@test "order, and the state each is told" {
        all_hooks
        carrel create "$CT" </dev/null >"$T/out" 2>&1
        assert_equal "$(cat "$T/order")" $'prestart\ncreateRuntime\ncreateContainer'
        local pid kind
        pid=$(carrel state "$CT" | jq .pid)
        carrel start "$CT"
        wait_status "$CT" stopped
        assert_equal "$(tail -n 1 "$T/order")" poststart
        carrel delete "$CT"
        assert_equal "$(cat "$T/order")" $'prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop'
        for kind in prestart createRuntime createContainer poststart poststop; do
                assert_equal "$kind $(jq -r '.id + " " + .bundle' "$T/$kind.state")" "$kind $CT $BUNDLE"
                assert_equal "$(jq -r '.ociVersion | test("^1")' "$T/$kind.state")" true
        done
        for kind in prestart createRuntime createContainer; do
                assert_equal "$kind $(jq -r .pid "$T/$kind.state")" "$kind $pid"
                assert_equal "$kind $(jq -r .status "$T/$kind.state")" "$kind creating"
        done
        assert_equal "$(jq -r .status "$T/poststart.state")" running
        assert_equal "$(jq -r .status "$T/poststop.state")" stopped
        assert_clean
}

@test "run calls them all" {
        all_hooks
        run_carrel run "$CT"
        assert_equal "$output" program
        assert_equal "$(cat "$T/order")" $'prestart\ncreateRuntime\ncreateContainer\npoststart\npoststop'
        assert_clean
}

@test "namespaces: prestart and createRuntime on the host, createContainer in the container's" {
        all_hooks
        hook createRuntime
        args sleep 30
        carrel_detached create "$CT"
        local pid
        pid=$(carrel state "$CT" | jq .pid)
        assert_equal "$(cat "$T/prestart.net")" "$(readlink /proc/self/ns/net)"
        assert_equal "$(cat "$T/createRuntime.mnt")" "$(readlink /proc/self/ns/mnt)"
        assert_equal "$(cat "$T/createContainer.net")" "$(readlink "/proc/$pid/ns/net")"
        [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]
        carrel delete --force "$CT"
        assert_clean
}

@test "environment and arguments are the hook's own" {
        hook prestart '{"env": ["ONLY=this"]}'
        carrel run "$CT" </dev/null >/dev/null
        grep -qx ONLY=this "$T/prestart.env"
        if grep '^HOME=' "$T/prestart.env"; then fail "the hook got carrel's environment"; fi
        assert_clean
}

@test "a hook that fails before start ends the container: its name and words are shown, poststop runs" {
        local kind
        for kind in prestart createRuntime createContainer; do
                rm -f "$T/order"
                cp "$TESTS/lib/config.json" config.json
                edit '.hooks[$kind] = [{path: "/bin/sh", args: ["sh", "-c", "echo broken leg >&2; exit 3"]}]' --arg kind "$kind"
                hook poststop
                run_carrel create "$CT"
                assert_equal "$status" 1
                assert_one_line_error
                [[ $stderr = *hook* && $stderr = *"broken leg"* ]] || fail "$kind: $stderr"
                assert_clean
        done
}

@test "a hook that is not there is named" {
        hook prestart '{"path": "/no/such/hook"}'
        assert_refused '/no/such/hook' create "$CT"
}

@test "a hook that takes too long is killed" {
        edit '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", $line], timeout: 1}]' --arg line "echo \$\$ >$T/hook.pid; exec sleep 100"
        local start=$SECONDS
        assert_refused 'hook.*(time|second)' create "$CT"
        [ $((SECONDS - start)) -lt 20 ]
        [ -s "$T/hook.pid" ]
        if kill -0 "$(<"$T/hook.pid")" 2>/dev/null; then fail "the hook still runs"; fi
}

@test "a hook that reads nothing of its input" {
        edit '.hooks.prestart = [{path: "/bin/true"}] | .annotations = {"big": $big}' --arg big "$(head -c 100000 /dev/zero | tr '\0' x)"
        run_carrel run "$CT"
        assert_equal "$output" program
        assert_clean
}

@test "a poststop hook that fails is only warned about" {
        edit '.hooks.poststop = [{path: "/bin/false"}]'
        run_carrel run "$CT"
        assert_equal "$status" 0
        assert_equal "$output" program
        assert_clean
}

@test "a poststart hook that fails ends the container" {
        edit '.hooks.poststart = [{path: "/bin/false"}]'
        args sleep 30
        carrel_detached create "$CT"
        run_carrel start "$CT"
        assert_equal "$status" 1
        [[ $stderr = *hook* ]]
        carrel delete --force "$CT"
        assert_clean
}

@test "a network interface that a hook moves in is there at start" {
        # the classic of engines: the namespace is named by the pid in the state
        cat >"$T/net" <<'HOOK'
#!/bin/sh
pid=$(sed -e 's/.*"pid": *\([0-9]*\).*/\1/' | head -n 1)
ip tuntap add dev "$1" mode tap && ip link set "$1" netns "$pid"
HOOK
        chmod +x "$T/net"
        edit '.hooks.prestart = [{path: $path, args: ["net", "moved7"]}]' --arg path "$T/net"
        need_tun
        args sleep 30
        carrel_detached create "$CT"
        run nsenter -t "$(carrel state "$CT" | jq .pid)" -n ip -o link
        assert_output --partial moved7
        carrel delete --force "$CT"
        assert_clean
}
