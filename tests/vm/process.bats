#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The process section of config.json: one container prints all there is to know of itself, the tests look at it.

load ../lib/common

setup_file() {
        can_vm || return 0
        test_begin "$BATS_FILE_TMPDIR"
        export SEEN=$BATS_FILE_TMPDIR/seen EXIT=$BATS_FILE_TMPDIR/exit
        make_bundle
        mkdir -p rootfs/work/deep rootfs/own/bin
        chmod 777 rootfs/work
        cat >rootfs/own/bin/probe <<'PROBE'
#!/bin/sh
section() { echo "== $1"; }
section arguments; printf '%s\n' "$0" "$@"
section environment; env
section cwd; pwd
section id; id -u; id -g; id -G
section umask; umask
section status; cat /proc/self/status
section limits; cat /proc/self/limits
section oom; cat /proc/self/oom_score_adj
section file; touch /work/made; stat -c '%u %g %a' /work/made
section hostname; hostname; cat /proc/sys/kernel/domainname
section personality; cat /proc/self/personality
section scheduler; cat /proc/self/stat
section terminal; test -t 0 || echo none
section fds; ls /proc/self/fd
section end
exit 33
PROBE
        chmod +x rootfs/own/bin/probe
        args probe one 'two words' '' 'ünï'
        edit '
                .process.env = ["PATH=/own/bin:/bin", "A=b c", "EMPTY=", "HOME=/home"]
                | .process.cwd = "/work/deep"
                | .process.user = {uid: 1000, gid: 1001, additionalGids: [2000, 2001], umask: 23}
                | .process.noNewPrivileges = true
                | .process.oomScoreAdj = 321
                | .process.rlimits = [
                        {type: "RLIMIT_NOFILE", soft: 123, hard: 456},
                        {type: "RLIMIT_CORE", soft: 0, hard: 0},
                        {type: "RLIMIT_NPROC", soft: 99, hard: 99},
                        {type: "RLIMIT_STACK", soft: 1048576, hard: 18446744073709551615}]
                | .process.capabilities = {
                        bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"], permitted: ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
                        effective: ["CAP_KILL"], inheritable: ["CAP_NET_BIND_SERVICE"], ambient: ["CAP_NET_BIND_SERVICE"]}
                | .process.scheduler = {policy: "SCHED_BATCH", nice: 5}
                | .linux.personality = {domain: "LINUX32"}
                | .hostname = "desk" | .domainname = "library"'
        # jq 1.6 has no integers of that size
        sed -i 's/18446744073709552000/18446744073709551615/' config.json
        local status=0
        carrel run "$CT" </dev/null >"$SEEN" 2>"$SEEN.err" || status=$?
        echo "$status" >"$EXIT"
        assert_clean
}

setup() {
        need_vm
}

teardown() {
        :
}

teardown_file() {
        test_end
}

# section NAME: its lines.
section() {
        sed -n "/^== $1\$/,/^== /{/^== /d;p}" "$SEEN"
}

field() {
        section status | awk -v key="$1:" '$1 == key { print $2 }'
}

@test "it ran to its end and its status came back" {
        [ "$(cat "$EXIT") $(tail -n 1 "$SEEN")" = '33 == end' ] || fail "status $(cat "$EXIT"): $(cat "$SEEN.err")"
}

@test "args: found on the container's PATH, passed on as they are" {
        assert_equal "$(section arguments)" $'/own/bin/probe\none\ntwo words\n\nünï'
}

@test "env: exactly what is given" {
        assert_equal "$(section environment | grep -v '^\(PWD\|SHLVL\|_\|OLDPWD\)=' | sort)" $'A=b c\nEMPTY=\nHOME=/home\nPATH=/own/bin:/bin'
}

@test "cwd" {
        assert_equal "$(section cwd)" /work/deep
}

@test "user, group and additional groups" {
        assert_equal "$(section id | head -n 2)" $'1000\n1001'
        assert_equal "$(section id | tail -n 1 | tr ' ' '\n' | sort -n | tr '\n' ' ')" '1001 2000 2001 '
        assert_equal "$(section file)" '1000 1001 640'
}

@test "umask" {
        assert_equal "$(section umask)" 0027
}

@test "capabilities: five sets" {
        # CHOWN 0, KILL 5, NET_BIND_SERVICE 10
        assert_equal "$(field CapBnd)" 0000000000000421
        assert_equal "$(field CapInh)" 0000000000000400
        assert_equal "$(field CapAmb)" 0000000000000400
        # a user other than 0 keeps across exec what is ambient
        assert_equal "$(field CapPrm)" 0000000000000400
        assert_equal "$(field CapEff)" 0000000000000400
}

@test "noNewPrivileges" {
        assert_equal "$(field NoNewPrivs)" 1
}

@test "rlimits" {
        assert_equal "$(section limits | awk '/^Max open files/ { print $4, $5 }')" '123 456'
        assert_equal "$(section limits | awk '/^Max core file size/ { print $5, $6 }')" '0 0'
        assert_equal "$(section limits | awk '/^Max processes/ { print $3, $4 }')" '99 99'
        assert_equal "$(section limits | awk '/^Max stack size/ { print $4, $5 }')" '1048576 unlimited'
}

@test "oomScoreAdj" {
        assert_equal "$(section oom)" 321
}

@test "hostname and domainname" {
        assert_equal "$(section hostname)" $'desk\nlibrary'
}

@test "personality" {
        assert_equal "$(section personality)" 00000008
}

@test "scheduler: policy and nice" {
        # fields 19 (nice) and 41 (policy) of proc_pid_stat(5); SCHED_BATCH is 3
        assert_equal "$(section scheduler | sed 's/^.*) //' | awk '{ print $17, $39 }')" '5 3'
}

@test "no descriptors but stdio" {
        # ls has one for the folder
        assert_equal "$(section fds | tr '\n' ' ')" '0 1 2 3 '
}
