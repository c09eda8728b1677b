#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What must hold with every virtiofsd there is: QEMU's own, in C, and the one in Rust that followed it. Each test runs with all that
# this host has, and with the one that CARREL_VIRTIOFSD names.

load ../lib/common

setup() {
        local program real

        need_vm
        test_begin "$BATS_TEST_TMPDIR"
        make_bundle
        SERVERS=()
        for program in ${CARREL_VIRTIOFSD:+"$CARREL_VIRTIOFSD"} $(named_by_descriptors) \
                /usr/libexec/virtiofsd /usr/lib/virtiofsd /usr/lib/qemu/virtiofsd; do
                if [ ! -x "$program" ]; then continue; fi
                real=$(realpath "$program")
                case " ${SERVERS[*]} " in
                *" $real "*) ;;
                *) SERVERS+=("$real") ;;
                esac
        done
        need "no virtiofsd" test "${#SERVERS[@]}" -gt 0
        echo "# with $(for program in "${SERVERS[@]}"; do printf '%s (%s) ' "$program" "$("$program" --version 2>&1 | head -n 1)"; done)" >&3
}

named_by_descriptors() {
        local file

        for file in /etc/qemu/vhost-user/*.json /usr/share/qemu/vhost-user/*.json; do
                if [ -s "$file" ]; then jq -r 'select(.type == "fs").binary' "$file"; fi
        done
}

use() {
        configure "$(jq -n --arg virtiofsd "$1" '{ virtiofsd: $virtiofsd }')"
}

is_rust() {
        ! grep -qF libglib-2.0.so "$1"
}

# The process that serves the files: the tree is its root. That of its parent, which only waits for it, is the tree too.
server_pid() {
        local pid found=

        for pid in $(carrel ps --format json "$CT" | jq '.[]' | sort -n); do
                if [ -d "/proc/$pid/root/rootfs" ] && [ -d "/proc/$pid/root/mounts" ]; then found=$pid; fi
        done
        echo "${found:?nobody serves the files}"
}

# confined TASK: to what is needed for the files in the tree.
confined() {
        local set

        # chown, dac_override, fowner, fsetid, setgid, setuid, mknod, setfcap; dac_read_search would open any file
        for set in CapPrm CapEff; do
                assert_equal "$((16#$(awk -v set="$set:" '$1 == set { print $2 }' "$1/status") & ~16#880000db))" 0
        done
        assert_equal "$(awk '/^Seccomp:/ { print $2 }' "$1/status")" 2
}

@test "its sandbox: namespaces of its own, the tree for its root, a filter, and no capability beyond those for the files in it" {
        local server pid task kind shim

        args sleep 1000
        for server in "${SERVERS[@]}"; do
                use "$server"
                carrel_detached run -d "$CT"
                pid=$(server_pid)
                shim=$(carrel state "$CT" | jq .pid)
                for task in "/proc/$pid/task"/*; do
                        # QEMU's C one has a thread of its library that it began with before it confined itself
                        if is_rust "$server" || [ "${task##*/}" = "$pid" ]; then confined "$task"; fi
                done
                for kind in mnt pid net; do
                        [ "$(readlink "/proc/$pid/ns/$kind")" != "$(readlink "/proc/$shim/ns/$kind")" ] || fail "$server: $kind"
                done
                [ ! -e "/proc/$pid/root/etc" ]
                carrel delete --force "$CT"
                assert_clean
        done
}

@test "killed: the one line is about that, with few open files allowed too" {
        local server run

        args sleep 1000
        for server in "${SERVERS[@]}"; do
                use "$server"
                (ulimit -n 5000 && carrel run "$CT") </dev/null >"$T/out" 2>"$T/err" &
                run=$!
                wait_status "$CT" running
                kill -KILL "$(pids_of virtiofsd | head -n 1)"
                wait "$run" && fail "status 0"
                assert_equal "$(grep -v '^carrel: warning: ' "$T/err")" 'carrel: virtiofsd was killed by signal 9'
                assert_clean
        done
}

@test "a script around it that calls it by another name: a container, and a further one in its machine" {
        local server

        for server in "${SERVERS[@]}"; do
                ln -sf "$server" "$T/file-server"
                printf '#!/bin/sh\nexec %s "$@"\n' "$T/file-server" >"$T/wrapped"
                chmod +x "$T/wrapped"
                use "$T/wrapped"
                cp "$TESTS/lib/config.json" config.json
                args sleep 1000
                carrel_detached run -d "$CT"
                # shellcheck disable=SC2016
                edit '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/proc/$(carrel state "$CT" | jq .pid)/ns/net"
                script 'echo served; exit 3'
                run_carrel run "$CT-more"
                assert_equal "$status $output" '3 served'
                carrel delete --force "$CT"
                assert_clean
        done
}

@test "files: owners, set-user-ID bits, links, open files without a name, folders of many, sockets, holes" {
        local server

        script '
                set -e; cd /tmp; umask 022
                echo a >s; chmod 6777 s; su user -c "echo b >>s"; stat -c "%a %u" s
                echo a >r; chmod 6777 r; echo b >>r; stat -c %a r
                mkdir -m 1777 w; su user -c "echo a >w/f; mkdir w/d; ln -s x w/l; mkfifo w/p; ln w/f w/h"
                stat -c "%u:%g %h %a %F" w/f w/d w/l w/p
                exec 4<>o; rm o; echo text >&4; cat /proc/self/fd/4 </dev/null; exec 4>&-
                mkdir m; i=0; while [ $i -lt 300 ]; do : >m/$i; i=$((i + 1)); done; ls m | wc -l; mv m n; ls n | wc -l; rm -r n
                ls -d m n 2>/dev/null | wc -l
                truncate -s 1G big; stat -c %s big; [ $(stat -c %b big) -lt 100 ]
                mkdir -m 2777 g; chown 0:2000 g; su user -c ": >g/f"; stat -c %g g/f
                ! ls nothing 2>/dev/null; ! rmdir w 2>/dev/null; ! ln w x 2>/dev/null
                touch -d @1000000000 old; stat -c %Y old'
        for server in "${SERVERS[@]}"; do
                use "$server"
                rm -rf rootfs/tmp/*
                run_carrel run "$CT"
                assert_equal "$(grep -v '^carrel: warning: ' <<<"$stderr")" ''
                assert_output '777 0
6777
1000:1000 2 644 regular file
1000:1000 2 755 directory
1000:1000 1 777 symbolic link
1000:1000 1 644 fifo
text
300
300
0
1073741824
2000
1000000000'
                assert_equal "$status" 0
                assert_equal "$(stat -c '%u:%g' rootfs/tmp/w/f rootfs/tmp/g/f | tr '\n' ' ')" '1000:1000 1000:2000 '
                assert_clean
        done
}

@test "a folder that only an additional group may write into: the one in Rust follows, the one in C cannot" {
        local server

        edit '.process.user = { uid: 1000, gid: 1000, additionalGids: [2000] }'
        script 'echo text >/tmp/shared/file; echo $?'
        for server in "${SERVERS[@]}"; do
                use "$server"
                rm -rf rootfs/tmp/shared
                install -d -m 770 -g 2000 rootfs/tmp/shared
                run_carrel run "$CT"
                if is_rust "$server"; then
                        assert_output 0
                        assert_equal "$(stat -c '%u:%g' rootfs/tmp/shared/file)" 1000:1000
                else
                        assert_output 1
                fi
                assert_clean
        done
}
