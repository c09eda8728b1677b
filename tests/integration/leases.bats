#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Leases of devices as a user sees them: gpu release, doctor --repair, delete; and what of it is the shim's. The devices
# are ones that no host has: those of the lab are really given and taken (tests/lab/scenarios/lease-*).

load ../lib/common
load ../lib/fake

LEASES=/run/carrel-gpus
DEVICE=fffe:fd:1f.6
OTHER=fffe:fd:1f.7

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        fake
}

teardown() {
        rm -f "$LEASES"/fffe:fd:*
        rmdir "$LEASES" 2>/dev/null || true
        test_end
}

# lease ADDRESS MEMBERS: as JSON, besides the address.
lease() {
        mkdir -p "$LEASES"
        jq -n --arg address "$1" --argjson more "$2" '{ address: $address } + $more' >"$LEASES/$1.json"
}

# held ADDRESS: by $CT.
held() {
        lease "$1" "$(jq -n --arg id "$CT" --arg root "$ROOT" '{ id: $id, root: $root, driver: "nvidia", power: "auto" }')"
}

leases() {
        find "$LEASES" -name 'fffe:fd:*.json' -printf '%f\n' | sort
}

# journal ADDRESS: the container's journal says that it has it.
journal() {
        jq -nc --arg address "$1" --arg id "$CT" --arg root "$ROOT" \
                '{ kind: "gpu", address: $address, id: $id, root: $root, step: "probe" }' >>"$ROOT/$CT/journal"
}

@test "gpu release: what is wrong is said in one line" {
        assert_refused 'gpu release: expected PCI addresses' gpu release
        assert_refused 'gpu release: expected a PCI address .0000:65:00.0., found "x\\x0ay"' gpu release $'x\ny'
        assert_refused "gpu $DEVICE: nobody has it: no container, and it is not in quarantine" gpu release "$DEVICE"
        assert_refused "gpu $DEVICE: nobody has it" gpu release --force "$DEVICE"
        assert_refused 'gpu release: --json is for "list" and "why"' gpu --json release "$DEVICE"
        assert_refused 'gpu list: --force is for "release"' gpu --force list
        assert_refused 'gpu: expected "list", "why" or "release", found "free"' gpu free
}

@test "gpu release: a container that lives keeps its devices; one that is gone does not" {
        make_bundle sleep 60
        carrel_detached create "$CT"
        held "$DEVICE"
        run_carrel gpu release --force "$DEVICE"
        assert_equal "$status: $stderr" "1: carrel: gpu $DEVICE: container $CT has it: end that container (carrel delete --force $CT)"
        carrel_detached start "$CT"
        run_carrel gpu release "$DEVICE"
        assert_equal "$status" 1
        assert_equal "$(leases)" "$DEVICE.json"
        # it has nothing in its journal: this one was written by hand
        carrel_detached delete --force "$CT"
        assert_equal "$(leases)" "$DEVICE.json"
        held "$OTHER"
        run_carrel gpu release "$DEVICE" fffe:fd:00.0 "$OTHER"
        assert_equal "$status" 1
        assert_equal "$output" "gpu $DEVICE: the host has no such device any more
gpu $OTHER: the host has no such device any more"
        assert_equal "$stderr" "carrel: gpu fffe:fd:00.0: nobody has it: no container, and it is not in quarantine"
        assert_equal "$(leases)" ''
        assert_clean
}

@test "gpu release: a quarantine ends by force only" {
        lease "$DEVICE" '{ "quarantine": "it does not answer", "driver": "nvidia" }'
        run_carrel gpu release "$DEVICE"
        assert_equal "$status: $stderr" "1: carrel: gpu $DEVICE: it is in quarantine: it does not answer; look at it, then: carrel gpu release --force $DEVICE"
        assert_equal "$(leases)" "$DEVICE.json"
}

@test "delete gives back what is in the journal, and no other container's" {
        make_bundle sleep 60
        carrel_detached create "$CT"
        held "$DEVICE"
        lease "$OTHER" '{ "id": "'"$CT"'", "root": "/somewhere/else" }'
        journal "$DEVICE"
        journal "$DEVICE"
        journal "$OTHER"
        carrel_detached delete --force "$CT"
        assert_equal "$(leases)" "$OTHER.json"
        assert_clean
}

@test "doctor --repair: devices of containers that have ended; those that live keep theirs" {
        local pid

        make_bundle sleep 60
        carrel_detached create --pid-file "$T/pid" "$CT"
        pid=$(cat "$T/pid")
        carrel_detached start "$CT"
        held "$DEVICE"
        lease "$OTHER" '{ "quarantine": "it does not answer" }'
        run_carrel doctor --repair
        assert_equal "$status: $output$stderr" '0: Nothing is left of dead containers.'
        kill -KILL "$pid"
        sleep_until 10 none_running
        run_carrel doctor --json
        assert_equal "$(jq -r '.checks[] | select(.code == "left-behind") | "\(.status): \(.detail): \(.fix)"' <<<"$output")" \
                "warn: gpu $DEVICE: container $CT had it and has gone: carrel doctor --repair"
        assert_equal "$(leases)" "$DEVICE.json
$OTHER.json"
        run_carrel doctor --repair
        assert_equal "$status: $output$stderr" "0: gpu $DEVICE: the host has no such device any more (container $CT had it)"
        assert_equal "$(leases)" "$OTHER.json"
        run_carrel doctor --repair
        assert_equal "$output" 'Nothing is left of dead containers.'
        # the container itself is its engine's to delete
        run_carrel state "$CT"
        assert_equal "$(jq -r .status <<<"$output")" stopped
        carrel_detached delete "$CT"
        assert_clean
}

@test "doctor --repair: what interrupted creates left is removed, with its cgroups and devices" {
        local cgroup=/sys/fs/cgroup/memory/$CT

        if [ ! -d /sys/fs/cgroup/memory ]; then cgroup=/sys/fs/cgroup/$CT; fi
        mkdir -p "$ROOT/$CT" "$cgroup"
        jq -nc --arg path "$cgroup" '{ kind: "cgroup", path: $path }' >"$ROOT/$CT/journal"
        journal "$DEVICE"
        held "$DEVICE"
        run_carrel doctor --json
        assert_equal "$(jq -r '.checks[] | select(.code == "left-behind") | .detail' <<<"$output")" \
                "container $CT: an interrupted create left $ROOT/$CT; gpu $DEVICE: container $CT had it and has gone"
        [ -d "$cgroup" ]
        run_carrel doctor --repair
        assert_equal "$status: $output$stderr" "0: container $CT: what an interrupted create left is removed"
        assert_equal "$(leases)" ''
        [ ! -e "$cgroup" ]
        assert_clean
        assert_refused 'doctor: --repair goes with neither --json nor --kernel' doctor --repair --json
}

@test "doctor --repair leaves alone what a command works on" {
        mkdir -p "$ROOT/$CT"
        held "$DEVICE"
        : >"$ROOT/$CT/lock"
        exec 9<"$ROOT/$CT/lock"
        flock 9
        run_carrel doctor --repair
        exec 9>&-
        assert_equal "$output" 'Nothing is left of dead containers.'
        assert_equal "$(leases)" "$DEVICE.json"
        rm -r "${ROOT:?}/$CT"
}

# ---- the shim's part ----

# plan JSON: a launch plan with a state folder.
plan() {
        mkdir -p "$T/state/vm"
        jq -n --arg dir "$T/state" --argjson more "$1" '{ id: "x", stateDir: $dir, guest: {} } + $more' >"$T/plan.json"
}

# parts ARGUMENT...: in a mount namespace of its own, as the shim is.
parts() {
        need_built tests/integration/shim-parts
        run --separate-stderr unshare --mount "$CARREL_BUILD/tests/integration/shim-parts" "$@"
}

@test "QEMU's /dev has the nodes that the plan names, also in a folder of it, and no others" {
        need_tun
        plan '{ "qemuDevices": ["/dev/tty", "/dev/net/tun"] }'
        parts jail "$T/plan.json" sh -c 'cd /dev && find . -mindepth 1 | sort && stat -c "%F %a %t:%T" net/tun'
        assert_equal "$status: $stderr" '0: '
        assert_equal "$output" "./full
./net
./net/tun
./null
./random
./tty
./urandom
./zero
character special file 666 a:c8"
        for device in /dev/../etc/passwd /dev/a/b/c /etc/passwd; do
                plan "$(jq -n --arg device "$device" '{ qemuDevices: [$device] }')"
                parts jail "$T/plan.json" true
                assert_equal "$status: $stderr" "125: starting true: QEMU's device $device: not a node of /dev"
        done
}

@test "QEMU may pin as much memory as the plan says" {
        local hard

        hard=$(bash -c 'ulimit -H -l')
        plan '{ "memlock": 4194304 }'
        ulimit -S -l 64
        parts jail "$T/plan.json" bash -c 'ulimit -S -l; ulimit -H -l'
        assert_equal "$stderr: $output" ": 4096
$hard"
        plan '{}'
        parts jail "$T/plan.json" bash -c 'ulimit -S -l'
        assert_equal "$output" 64
        plan '{ "memlock": 1 }'
        sed -i 's/"memlock": 1/"memlock": 18446744073709551615/' "$T/plan.json" # more than jq's numbers hold
        parts jail "$T/plan.json" bash -c 'ulimit -S -l'
        # 24: CAP_SYS_RESOURCE
        if [ "$hard" = unlimited ] || [ $((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status) >> 24 & 1)) -eq 1 ]; then
                assert_equal "$stderr: $output" ': unlimited'
        else
                assert_equal "$stderr" "starting bash: raising QEMU's limit of locked memory to unlimited (LimitMEMLOCK=infinity of the engine's service): Operation not permitted"
        fi
}

@test "an orphan's devices are given back when its folder is gone" {
        plan '{ "lastAct": ["sh", "-c", "if [ -e \"$1\" ]; then echo there; else echo gone; fi >\"$2\"", "sh", "'"$T/state"'", "'"$T/said"'"] }'
        parts orphan "$T/plan.json"
        assert_equal "$status: $stderr" '0: '
        assert_equal "$(cat "$T/said")" gone
        plan '{ "lastAct": ["/no/such/program"] }'
        parts orphan "$T/plan.json"
        [[ $stderr = *'warning: '*'/no/such/program'* ]] || fail "$stderr"
        [ ! -e "$T/state" ]
}
