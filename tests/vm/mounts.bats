#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The root file system and all kinds of mounts: one container looks at many of them.

load ../lib/common

setup_file() {
        can_vm || return 0
        test_begin "$BATS_FILE_TMPDIR"
        export SEEN=$BATS_FILE_TMPDIR/seen STATUS=$BATS_FILE_TMPDIR/status
        export HOST=$BATS_FILE_TMPDIR/host
        make_bundle
        mkdir -p "$HOST"/{rw,ro,tree/sub,shadow,nosuid} rootfs/existing
        echo from-host >"$HOST/rw/file"
        echo read-only >"$HOST/ro/file"
        echo outer >"$HOST/tree/file"
        mount -t tmpfs inner "$HOST/tree/sub"
        echo inner >"$HOST/tree/sub/file"
        echo 'nameserver 192.0.2.53' >"$HOST/resolv.conf"
        echo hidden >rootfs/existing/file
        echo link-target >rootfs/etc/real
        ln -s /etc/real rootfs/etc/link
        mkdir -p rootfs/var/lib
        ln -s /var/lib rootfs/var/alias
        cp rootfs/bin/busybox "$HOST/nosuid/busybox"
        edit '.mounts += [
                {destination: "/rw", type: "bind", source: "\($host)/rw", options: ["rbind", "rw"]},
                {destination: "/ro", type: "bind", source: "\($host)/ro", options: ["rbind", "ro"]},
                {destination: "/tree", type: "bind", source: "\($host)/tree", options: ["rbind", "rro"]},
                {destination: "/flat", type: "bind", source: "\($host)/tree", options: ["bind", "ro"]},
                {destination: "/etc/resolv.conf", type: "bind", source: "\($host)/resolv.conf", options: ["bind", "ro"]},
                {destination: "/etc/link", type: "bind", source: "\($host)/resolv.conf", options: ["bind", "ro"]},
                {destination: "/new/deep/folder", type: "bind", source: "\($host)/rw", options: ["bind"]},
                {destination: "/var/alias/there", type: "bind", source: "\($host)/rw", options: ["bind"]},
                {destination: "/nosuid", type: "bind", source: "\($host)/nosuid", options: ["bind", "nosuid", "nodev", "noexec", "relatime"]},
                {destination: "/existing", type: "tmpfs", source: "tmpfs", options: ["size=1m", "mode=1770", "uid=3", "gid=4", "nosuid", "noexec"]},
                {destination: "/copied", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]},
                {destination: "/no-source", type: "tmpfs"},
                {destination: "/shared", type: "bind", source: "\($host)/rw", options: ["bind", "rshared"]},
                {destination: "/cgroup-rw", type: "cgroup2", source: "cgroup", options: ["rw"]}
        ]' --arg host "$HOST"
        mkdir -p rootfs/copied
        echo copied >rootfs/copied/file
        cat >rootfs/bin/probe <<'PROBE'
#!/bin/sh
section() { echo "== $1"; }
try() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
section mountinfo; cat /proc/self/mountinfo
section rw; cat /rw/file; try sh -c 'echo from-guest >/rw/new'
section ro; cat /ro/file; try sh -c 'echo x >/ro/new'
section tree; cat /tree/file /tree/sub/file; try sh -c 'echo x >/tree/new'; try sh -c 'echo x >/tree/sub/new'
section flat; cat /flat/file; cat /flat/sub/file 2>/dev/null || echo nothing
section file; cat /etc/resolv.conf; try sh -c 'echo x >>/etc/resolv.conf'
section link; cat /etc/link; ls -ld /etc/real >/dev/null && cat /etc/real
section deep; cat /new/deep/folder/file
section alias; cat /var/lib/there/file
section flags; try /nosuid/busybox true
section tmpfs; stat -c '%a %u %g' /existing; ls /existing | wc -l; df -k /existing | awk 'NR == 2 { print $2 }'; try dd if=/dev/zero of=/existing/big bs=1k count=2048
section copied; cat /copied/file; try sh -c 'echo x >/copied/file'
section no-source; try sh -c 'echo x >/no-source/file'
section root; try sh -c 'echo guest-wrote >/made'; stat -f -c %T / 2>/dev/null
section cgroup; try mkdir /cgroup-rw/child; try mkdir /sys/fs/cgroup/child
section kinds; awk '{ print $5, $(NF - 2) }' /proc/self/mountinfo
section dev; ls -l /dev
section shm; df -k /dev/shm | awk 'NR == 2 { print $2 }'; stat -c %a /dev/shm
section mqueue; ls -d /dev/mqueue
section links; for link in fd stdin stdout stderr ptmx; do readlink /dev/$link; done
section masked; cat /proc/kcore | head -c 1 | wc -c; ls /sys/firmware | wc -l; cat /proc/timer_list | wc -c
section readonly; try sh -c 'echo 1 >/proc/sys/vm/overcommit_memory'; try sh -c 'echo h >/proc/sysrq-trigger'
section sys; try mkdir /sys/fs/cgroup/x; try sh -c 'echo >/sys/kernel/mm/ksm/run'
section wait; echo ready; read -r go; cat /rw/later; echo "$go"
section end
PROBE
        chmod +x rootfs/bin/probe
        args probe
        mkfifo "$BATS_FILE_TMPDIR/in"
        LIMIT=120 carrel run "$CT" <"$BATS_FILE_TMPDIR/in" >"$SEEN" 2>"$SEEN.err" &
        exec 9>"$BATS_FILE_TMPDIR/in"
        sleep_until 60 grep -q '^ready$' "$SEEN" || fail "the probe did not get there: $(cat "$SEEN.err")"
        # changes on the host while the guest runs
        echo later >"$HOST/rw/later"
        cat "$HOST/rw/new" >"$BATS_FILE_TMPDIR/new-while-running" || true
        echo go >&9
        exec 9>&-
        local status=0
        wait $! || status=$?
        echo "$status" >"$STATUS"
        umount "$HOST/tree/sub"
}

setup() {
        need_vm
}

teardown() {
        :
}

teardown_file() {
        umount "$HOST/tree/sub" 2>/dev/null || true
        test_end
}

section() {
        sed -n "/^== $1\$/,/^== /{/^== /d;p}" "$SEEN"
}

@test "it ran to its end" {
        [ "$(cat "$STATUS") $(tail -n 1 "$SEEN")" = '0 == end' ] || fail "status $(cat "$STATUS"): $(cat "$SEEN.err")"
}

@test "a read-write bind: both ways, while it runs" {
        assert_equal "$(section rw)" $'from-host\nyes'
        assert_equal "$(cat "$BATS_FILE_TMPDIR/new-while-running")" from-guest
        assert_equal "$(section wait)" $'ready\nlater\ngo'
}

@test "a read-only bind" {
        assert_equal "$(section ro)" $'read-only\nno'
        [ ! -e "$HOST/ro/new" ]
}

@test "a recursive bind, recursively read-only" {
        assert_equal "$(section tree)" $'outer\ninner\nno\nno'
}

@test "a bind that is not recursive" {
        assert_equal "$(section flat)" $'outer\nnothing'
}

@test "a file, read-only" {
        assert_equal "$(section file)" $'nameserver 192.0.2.53\nno'
}

@test "onto a symbolic link: its target is mounted over, within the root" {
        assert_equal "$(section link)" $'nameserver 192.0.2.53\nnameserver 192.0.2.53'
        assert_equal "$(section alias)" from-host
}

@test "a mount point that is not there is made" {
        assert_equal "$(section deep)" from-host
}

@test "nosuid, nodev, noexec, relatime" {
        assert_equal "$(section flags)" no
        section mountinfo | awk '$5 == "/nosuid" { print $6 }' | grep -q 'nosuid' 
        section mountinfo | awk '$5 == "/nosuid" { print $6 }' | grep -q 'nodev.*noexec\|noexec.*nodev'
}

@test "tmpfs: size, mode, owner" {
        assert_equal "$(section tmpfs)" $'1770 3 4\n0\n1024\nno'
}

@test "tmpfs with a copy of what was there" {
        assert_equal "$(section copied)" $'copied\nyes'
        assert_equal "$(cat "$BUNDLE/rootfs/copied/file")" copied
}

@test "tmpfs without a source" {
        assert_equal "$(section no-source)" yes
}

@test "the root file system can be written, the host sees it" {
        assert_equal "$(section root | head -n 1)" yes
        assert_equal "$(cat "$BUNDLE/rootfs/made")" guest-wrote
}

@test "cgroup: read-only where asked for" {
        assert_equal "$(section cgroup)" $'yes\nno'
}

@test "proc, sysfs, devpts, mqueue, shm" {
        local expected
        for expected in '/proc proc' '/sys sysfs' '/dev/pts devpts' '/dev/mqueue mqueue' '/dev/shm tmpfs' '/dev tmpfs'; do
                section kinds | grep -qx "$expected" || fail "no $expected"
        done
        assert_equal "$(section shm)" $'65536\n1777'
}

@test "devices and links that every container has" {
        local name
        for name in null zero full random urandom tty; do
                section dev | grep -q "^crw-rw-rw-.* $name\$" || fail "no /dev/$name"
        done
        assert_equal "$(section links)" $'/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx'
}

@test "masked and read-only paths" {
        assert_equal "$(section masked)" $'0\n0\n0'
        assert_equal "$(section readonly)" $'no\nno'
}

@test "a read-only root, with what may be written in it" {
        cd "$BUNDLE"
        cp config.json all.json
        cp "$TESTS/lib/config.json" config.json
        edit '.root.readonly = true'
        mount_entry '{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}'
        script 'echo x >/file 2>/dev/null && echo root; echo x >/tmp/file && echo tmp; echo x >/dev/null && echo null'
        run_carrel run "$CT-2"
        [ "$status" -eq 0 ] || fail "$stderr"
        assert_equal "$output" $'tmp\nnull'
        [ ! -e rootfs/file ]
}

@test "rootfsPropagation; private, slave and shared binds" {
        cd "$BUNDLE"
        cp "$TESTS/lib/config.json" config.json
        edit '.linux.rootfsPropagation = "rshared"
                | .mounts += [{destination: "/priv", type: "bind", source: $host, options: ["rbind", "rprivate"]},
                              {destination: "/slave", type: "bind", source: $host, options: ["rbind", "rslave"]}]' --arg host "$HOST/rw"
        script 'awk "\$5 ~ /^\/(priv|slave)?\$/" /proc/self/mountinfo'
        run_carrel run "$CT-3"
        [ "$status" -eq 0 ] || fail "$stderr"
        # the optional fields of proc_pid_mountinfo(5); a slave that has no master, since nobody shares its source, is private
        assert_equal "$(awk '{ print $5, $7 == "-" ? "private" : $7 }' <<<"$output" | sed 's/:[1-9][0-9]*$/:N/' | sort)" \
                $'/ shared:N\n/priv private\n/slave private'
        # binds that ask for it are shared, in the container of the other tests
        [[ $(section mountinfo | awk '$5 == "/shared" { print $7 }') = shared:* ]] || fail "$(section mountinfo)"
}

@test "idmapped binds: the host maps, with the container's user namespace or without" {
        make_bundle sh -c 'stat -c "%u %g" /mapped/file /own/file /plain/file; touch /mapped/new || echo cannot; id -u'
        mkdir -p "$T/mapped"
        echo x >"$T/mapped/file"
        chown 10:20 "$T/mapped" "$T/mapped/file"
        edit '.process.user = {uid: 1010, gid: 2020} | .mounts += [
                {destination: "/mapped", type: "bind", source: $path, options: ["bind", "idmap"],
                 uidMappings: [{containerID: 0, hostID: 1000, size: 100}], gidMappings: [{containerID: 0, hostID: 2000, size: 100}]},
                {destination: "/own", type: "bind", source: $path, options: ["rbind", "ro", "ridmap"],
                 uidMappings: [{containerID: 10, hostID: 77, size: 1}], gidMappings: [{containerID: 20, hostID: 78, size: 1}]},
                {destination: "/plain", type: "bind", source: $path, options: ["bind"]}]' --arg path "$T/mapped"
        run_carrel run "$CT"
        assert_equal "$output" $'1010 2020\n77 78\n10 20\n1010'
        # what it made belongs to whom it would there
        assert_equal "$(stat -c '%u %g' "$T/mapped/new")" '10 20'

        args sh -c 'stat -c "%u %g" /mapped/file; touch /mapped/two; stat -c "%u %g" /mapped/two'
        chown 0:0 "$T/mapped" "$T/mapped/file"
        chown -R 100000:100000 rootfs
        edit '.process.user = {uid: 0, gid: 0} | .linux.namespaces += [{type: "user"}]
                | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
                | .mounts = [.mounts[] | select(.destination != "/own" and .destination != "/plain") | del(.uidMappings, .gidMappings)]'
        run_carrel run "$CT"
        assert_equal "$output" $'0 0\n0 0'
        assert_equal "$(stat -c '%u %g' "$T/mapped/two")" '0 0'
        assert_clean
}

@test "a file system that cannot be idmapped is refused in words" {
        make_bundle true
        mkdir -p "$T/ram"
        mount -t ramfs ramfs "$T/ram"
        edit '.mounts += [{destination: "/mapped", type: "bind", source: $path, options: ["bind", "idmap"],
                uidMappings: [{containerID: 0, hostID: 1000, size: 100}], gidMappings: [{containerID: 0, hostID: 2000, size: 100}]}]' \
                --arg path "$T/ram"
        run_carrel run "$CT"
        assert_equal "$status" 1
        [[ $stderr = *"sharing $T/ram with the guest: its file system cannot be idmapped"* ]] || fail "$stderr"
        umount "$T/ram"
        assert_clean
}

@test "whoever enters the mount namespace of the container's pid finds its files, not the host's" {
        local pid

        mkdir folder
        echo text >folder/file
        ln -s /etc rootfs/sideways
        mount_entry '{"destination": "/new/folder", "type": "bind", "source": "folder", "options": ["rbind"]}'
        mount_entry '{"destination": "/sideways/one", "type": "bind", "source": "folder/file", "options": ["bind", "ro"]}'
        mount_entry '{"destination": "/volatile", "type": "tmpfs", "source": "tmpfs"}'
        mount_entry '{"destination": "/volatile/folder", "type": "bind", "source": "folder", "options": ["rbind"]}'
        args sleep 300
        carrel_detached run -d "$CT"
        pid=$(carrel state "$CT" | jq .pid)

        run nsenter -t "$pid" -m /bin/busybox sh -c 'cat /new/folder/file /etc/one; ls /; echo written >/written; echo more >/new/folder/more; echo x >/etc/one'
        assert_line --index 0 text
        assert_line --index 1 text
        assert_line --partial 'Read-only file system'
        refute_line old_root
        refute_line boot
        assert_equal "$(cat rootfs/written folder/more)" $'written\nmore'
        [ ! -e /written ]
        [ ! -e /etc/one ]
        run_carrel exec "$CT" sh -c 'sleep 1.1; cat /written /new/folder/more /volatile/folder/file'
        assert_equal "$output" $'written\nmore\ntext'
        carrel delete --force "$CT"
        # the mount points of a folder that only the guest has are not made on the host
        [ ! -e rootfs/volatile/folder ]
        assert_clean
}

@test "a bind onto /dev/shm is a tmpfs of the same size" {
        mkdir shm
        mount -t tmpfs -o size=7m,mode=1777 tmpfs shm
        edit '.mounts |= map(select(.destination != "/dev/shm"))'
        mount_entry '{"destination": "/dev/shm", "type": "bind", "source": "'"$PWD/shm"'", "options": ["bind", "nosuid"]}'
        script 'df -k /dev/shm | tail -n 1 | awk "{ print \$2 }"; stat -c %a /dev/shm'
        run_carrel run "$CT"
        umount shm
        assert_equal "$output" $'7168\n1777'
        assert_clean
}

# docker 28 writes /etc/hosts and /etc/resolv.conf only then.
@test "a file that the host writes between create and start is whole" {
        local turn

        mount_entry "$(jq -n --arg source "$T/hosts" '{ destination: "/etc/hosts", type: "bind", source: $source, options: ["bind"] }')"
        script 'cat /etc/hosts >/out'
        for turn in 1 2 3; do
                echo short >"$T/hosts"
                carrel_detached create "$CT"
                printf 'long in turn %s\n%s\n' "$turn" "$(seq 100)" >"$T/hosts"
                carrel start "$CT"
                wait_status "$CT" stopped 60
                assert_equal "$(cat rootfs/out)" "$(cat "$T/hosts")"
                carrel delete "$CT"
        done
        assert_clean
}

@test "what the host changes shows within a second" {
        mkdir "$T/shared"
        echo one >"$T/shared/file"
        mount_entry "$(jq -n --arg source "$T/shared" '{ destination: "/shared", type: "bind", source: $source, options: ["bind"] }')"
        args sleep 1000
        carrel_detached run -d "$CT"
        run_carrel exec "$CT" cat /shared/file
        assert_output one
        # of the same size, so that only the time tells
        echo two >"$T/shared/file"
        sleep 1.2
        run_carrel exec "$CT" cat /shared/file
        assert_output two
        echo more >"$T/shared/new"
        rm "$T/shared/file"
        sleep 1.2
        run_carrel exec "$CT" ls /shared
        assert_output new
        run_carrel exec "$CT" sh -c 'echo inside >/shared/file; cat /shared/file'
        assert_output inside
        assert_equal "$(cat "$T/shared/file")" inside
        carrel delete --force "$CT"
        assert_clean
}

@test "what has not changed is not read again" {
        local pid before after

        # the virtiofsd in Rust cannot be told how long, and its own "auto" reads again with each open()
        args sleep 1000
        if carrel plan | jq -e '.launch.virtiofsd[] | select(startswith("--shared-dir="))' >/dev/null; then
                configure '{"virtiofsCache": "always"}'
        fi
        carrel_detached run -d "$CT"
        carrel exec "$CT" true
        pid=$(pids_of virtiofsd | tail -n 1)
        before=$(awk '/^rchar/ { print $2 }' "/proc/$pid/io")
        for _ in 1 2 3; do carrel exec "$CT" true; done
        after=$(awk '/^rchar/ { print $2 }' "/proc/$pid/io")
        [ $((after - before)) -lt 500000 ] || fail "busybox was read again: $((after - before)) bytes"
        carrel delete --force "$CT"
        assert_clean
}
