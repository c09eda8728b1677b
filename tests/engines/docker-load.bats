#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many containers, much output, a larger image. With tools/test --full there are more of each, and all tests run.

load ../lib/common
load ../lib/engines

setup_file() {
        # with the default bridge: links come and go with each container
        DOCKERD_MORE='{ "bridge": null, "bip": "172.30.79.1/24" }' engines_begin docker
}

# ---- what is held ----

descriptors() {
        find "/proc/$1/fd" -mindepth 1 | wc -l
}

resident() {
        awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

# What the run holds that nobody may hold for a container that is gone: mounts, cgroups, processes, links. (Docker itself
# keeps a network namespace for up to a minute longer.)
holdings() {
        grep -vc "$E/exec/netns" /proc/self/mountinfo
        find /sys/fs/cgroup -type d -path "*/$GROUP*" | wc -l
        engine_processes | wc -l
        ip -o link | wc -l
        tc qdisc show | wc -l
}

same_holdings() {
        holdings >"$T/holdings.new"
        cmp -s "$T/holdings" "$T/holdings.new"
}

# What is held when nothing goes on any more, in $T/holdings.
settle() {
        sleep_until 30 looks_like_before || true
        : >"$T/holdings"
        until same_holdings; do
                mv "$T/holdings.new" "$T/holdings"
                sleep 1
        done
}

# figures PID...: descriptors and KiB of each.
figures() {
        local pid

        for pid; do echo "$(descriptors "$pid") $(resident "$pid")"; done
}

# growth WHAT BEFORE AFTER DESCRIPTORS KIB: two lines of figures, and how much more there may be.
growth() {
        echo "$1: $2 became $3 (descriptors, KiB)" >&3
        [ "${3% *}" -le $((${2% *} + $4)) ] || fail "descriptors of $1: $2 became $3"
        [ "${3#* }" -le $((${2#* } + $5)) ] || fail "memory of $1: $2 became $3"
}

# sequence COUNT COMMAND...: COMMAND N once for each N, and holdings and figures of the daemons from the third time on.
sequence() {
        local count=$1 i before after
        shift

        for i in $(seq $((count + 2))); do
                if [ "$i" -eq 3 ]; then
                        settle
                        mapfile -t before < <(figures "$(daemon_pid dockerd)" "$(daemon_pid containerd)")
                fi
                "$@" "$i" || fail "time $i"
        done
        mapfile -t after < <(figures "$(daemon_pid dockerd)" "$(daemon_pid containerd)")
        # connections and arenas come and go, but not one for each container
        growth "dockerd, $count containers" "${before[0]}" "${after[0]}" 15 $((12000 + 60 * count))
        growth "containerd, $count containers" "${before[1]}" "${after[1]}" 15 $((8000 + 40 * count))
        sleep_until 30 same_holdings || fail "$(diff "$T/holdings" "$T/holdings.new")"
        assert_clean
}

# as_wanted SHORT LONG
as_wanted() {
        if [ -n "${CARREL_FULL-}" ]; then echo "$2"; else echo "$1"; fi
}

# ---- tests ----

# bats test_tags=full
@test "twenty at once" {
        local i pids=() result

        for i in $(seq 20); do
                LIMIT=200 docker run --rm --network none --memory 64m "$ENGINE_IMAGE" sh -c "sleep 2; echo $i; exit $i" >"$T/out$i" 2>"$T/err$i" </dev/null &
                pids[i]=$!
        done
        for i in $(seq 20); do
                result=0
                wait "${pids[i]}" || result=$?
                assert_equal "$result $(cat "$T/out$i" "$T/err$i")" "$i $i"
        done
        assert_clean 30
}

by_docker() {
        try docker run --rm "$ENGINE_IMAGE" sh -c "exit $(($1 % 256))"
        [ "$status" -eq $(($1 % 256)) ]
}

@test "one after the other, by docker: nothing grows" {
        sequence "$(as_wanted 6 200)" by_docker
}

@test "a process after the other in one container: nothing grows" {
        local i before after count pids

        count=$(as_wanted 10 200)
        docker_detached one "$ENGINE_IMAGE" sleep 1000
        pids=("$(inspect one '{{.State.Pid}}')" "$(pgrep -f 'containerd-shim-runc-v2 .*-id '"$(inspect one '{{.Id}}')")")
        for i in $(seq $((count + 5))); do
                if [ "$i" -eq 6 ]; then mapfile -t before < <(figures "${pids[@]}"); fi
                try docker exec one sh -c "echo $i; exit 3"
                assert_equal "$status $output" "3 $i"
        done
        # the last one's connection is closed beside its end
        sleep_until 10 eval '[ "$(descriptors "${pids[0]}")" -le "${before[0]% *}" ]' || true
        mapfile -t after < <(figures "${pids[@]}")
        growth "carrel-shim, $count exec" "${before[0]}" "${after[0]}" 0 256
        growth "containerd's shim, $count exec" "${before[1]}" "${after[1]}" 5 $((4000 + 20 * count))
        assert_equal "$(docker exec one ps | grep -c .)" 3
        must docker rm -f one
        assert_clean
}

@test "a slow reader of much output: the monitor does not grow with it, nor is any of it lost" {
        local mib pid

        mib=$(as_wanted 16 1024)
        LIMIT=$((200 + mib))
        head -c 1048576 /dev/urandom | base64 -w 1023 | head -c 1048576 >"$T/mebibyte"
        mkfifo "$T/pipe"
        must docker create --name one --network none -v "$T/mebibyte:/mebibyte" "$ENGINE_IMAGE" sh -c "for i in \$(seq $mib); do cat /mebibyte; done"
        docker start -a one </dev/null >"$T/pipe" 2>"$T/err" &
        "$TESTS/lib/slow-reader" $((mib << 20)) $((16 << 20)) "$T/mark" <"$T/pipe" >"$T/read" &
        # what is on its way through dockerd and its client is more than the reader still wants
        sleep_until 60 eval '[ "$(inspect one "{{.State.Pid}}")" -gt 0 ]'
        pid=$(inspect one '{{.State.Pid}}')
        while [ ! -e "$T/mark" ] && [ -e "/proc/$pid/status" ]; do
                awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" >"$T/peak.new" 2>/dev/null && [ -s "$T/peak.new" ] && mv "$T/peak.new" "$T/peak"
                sleep 0.1
        done
        sleep_until "$LIMIT" test -e "$T/mark" || fail "$(cat "$T/err")"
        rm "$T/mark"
        sleep_until 60 test -s "$T/read"
        echo "$mib MiB: monitor's peak $(cat "$T/peak") KiB (limit 6144)" >&3
        assert_equal "$(cat "$T/read")" "$((mib << 20)) $(for _ in $(seq "$mib"); do cat "$T/mebibyte"; done | sha256sum | cut -d' ' -f1)"
        [ "$(cat "$T/peak")" -le 6144 ]
        # the log has it too
        assert_equal "$(docker logs one | wc -c)" $((mib << 20))
        must docker rm one
        assert_clean
}

# bats test_tags=full
@test "a Debian image: its package tools and python" {
        "$TESTS/../tools/debian-bundle" --cache "${CARREL_CACHE:-/var/cache/carrel}" --with gcc,libc6-dev "$E/debian" >"$T/log" 2>&1 || fail "$(tail -n 5 "$T/log")"
        tar -C "$E/debian/rootfs" -cf - . | LIMIT=300 docker import - debian >/dev/null
        try docker_run debian sh -c 'dpkg --audit && apt-get --version | head -n 1; python3 -c "import sys, hashlib, socket; print(sys.platform)"
                printf "int main(void) { return 7; }" >/tmp/a.c && gcc -o /tmp/a /tmp/a.c && /tmp/a; echo $?'
        assert_line --regexp '^apt '
        assert_line linux
        assert_line 7
        must docker rmi -f debian
        assert_clean
}
