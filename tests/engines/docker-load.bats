#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many containers, and a larger image: tools/test engines --full.

# bats file_tags=full

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin docker
}

# What the daemons and the run hold: descriptors, mounts, cgroups, processes.
holdings() {
        local name

        for name in dockerd containerd; do
                find "/proc/$(daemon_pid $name)/fd" -mindepth 1 | wc -l
        done
        wc -l </proc/self/mountinfo
        find /sys/fs/cgroup -type d -path "*/$GROUP*" | wc -l
        engine_processes | wc -l
}

@test "twenty at once" {
        local i pids=() result

        for i in $(seq 20); do
                LIMIT=200 docker run --rm --network none --memory 64m "$ENGINE_IMAGE" sh -c "sleep 2; echo $i; exit $i" >"$T/out$i" 2>"$T/err$i" </dev/null &
                pids[i]=$!
        done
        for i in $(seq 20); do
                result=0
                wait "${pids[i]}" || result=$?
                assert_equal "$result $(cat "$T/out$i")" "$i $i"
        done
        assert_clean 30
}

@test "sixty, one after the other: nothing grows" {
        local i before after

        for i in $(seq 62); do
                if [ "$i" -eq 3 ]; then mapfile -t before < <(holdings); fi
                try docker_run "$ENGINE_IMAGE" sh -c "exit $i"
                assert_equal "$status" "$i"
        done
        sleep_until 10 looks_like_before
        mapfile -t after < <(holdings)
        # connections come and go in the daemons, but not one for each container
        for i in 0 1; do [ "${after[i]}" -le $((before[i] + 15)) ] || fail "descriptors: ${before[*]} became ${after[*]}"; done
        for i in 2 3 4; do assert_equal "${after[i]}" "${before[i]}"; done
        assert_clean
}

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
