#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent's container environment, on this machine's kernel: namespaces, mounts, devices, identity.

load ../lib/common

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        PROGRAM=${CARREL_BUILD-}/tests/integration/environment-run
        need_built tests/integration/environment-run
        make_bundle
        # Not every host lets root set limits of others.
        edit 'del(.process.rlimits)'
        mkdir -p "$T/source/below"
        echo text >"$T/source/file"
}

teardown() {
        # What the agent prepares for a user namespace goes with its VM; here it is this machine's /dev.
        rm -f /dev/carrel-20000-1-7
        test_end
}

# environment SCRIPT: what it prints in the container ($output), stderr apart.
environment() {
        script "$1"
        run --separate-stderr timeout -k 5 30 "$PROGRAM" config.json
}

prints() {
        environment "$1"
        assert_equal "$status:$stderr" '0:'
        assert_equal "$output" "$2"
}

refuses() {
        run --separate-stderr timeout -k 5 30 "$PROGRAM" config.json
        assert_equal "$status:$output" '125:'
        assert_equal "$stderr" "$1"
}

bind() {
        mount_entry "$(jq -nc '{destination: $ARGS.positional[0], type: "bind", source: $ARGS.positional[1], options: $ARGS.positional[2:]}' --args -- "$@")"
}

tmpfs() {
        mount_entry "$(jq -nc '{destination: $ARGS.positional[0], type: "tmpfs", source: "tmpfs", options: $ARGS.positional[1:]}' --args -- "$@")"
}

# For scripts: flags PATH prints the options of the mount there, optional PATH its propagation.
show='flags() { awk -v p="$1" "\$5 == p { o = \$6 } END { print o }" /proc/self/mountinfo; }
optional() { awk -v p="$1" "\$5 == p { o = \$7 } END { print o }" /proc/self/mountinfo | sed "s/:.*//"; }
'

with_user_namespace() {
        edit '.linux.namespaces += [{type: "user"}]
                | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
                | .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]'
        chown -R 100000:200000 rootfs
        chmod o+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$T" "$BUNDLE"
}

# ---- mounts ----

@test "options of mounts" {
        tmpfs /one ro noexec nodev nosuid noatime
        tmpfs /two rw nodiratime nosymfollow strictatime
        tmpfs /three noexec exec nosuid suid nodev dev ro rw
        tmpfs /four defaults relatime mode=0711 size=1m uid=5,gid=6
        prints "$show"'flags /one; flags /two; flags /three; flags /four; stat -c "%a %u %g" /four; df -k /four | tail -1 | awk "{ print \$2 }"' \
                'ro,nosuid,nodev,noexec,noatime
rw,nodiratime,nosymfollow
rw,relatime
rw,relatime
711 5 6
1024'
}

@test "a tmpfs takes the mode of what it covers" {
        mkdir -m 2750 rootfs/covered
        tmpfs /covered
        tmpfs /new
        prints 'stat -c %a /covered /new' $'2750\n1777'
}

@test "tmpcopyup fills a tmpfs with what it covers" {
        mkdir -p rootfs/data/deep
        echo content >rootfs/data/deep/file
        ln -s file rootfs/data/deep/link
        mkfifo rootfs/data/fifo
        mknod rootfs/data/null c 1 3
        chown 7:8 rootfs/data rootfs/data/deep/file
        chmod 4711 rootfs/data/deep/file
        chmod 710 rootfs/data
        touch -d '2001-02-03 04:05:06 UTC' rootfs/data/deep/file
        tmpfs /data tmpcopyup ro
        prints "$show"'flags /data; cat /data/deep/link; stat -c "%u %g %a %Y" /data/deep/file; stat -c "%u %g %a" /data
test -p /data/fifo && stat -c %t:%T /data/null; touch /data/x 2>/dev/null || echo read-only' \
                'ro,relatime
content
7 8 4711 981173106
7 8 710
1:3
read-only'
        assert_equal "$(cat rootfs/data/deep/file)" content
}

@test "tmpcopyup is for tmpfs" {
        bind /x "$T/source" bind tmpcopyup
        refuses 'mounts[7] (/x): options: tmpcopyup is for tmpfs only'
}

@test "binds of folders and files, read-only and not" {
        bind /folder "$T/source" bind
        bind /read-only "$T/source" rbind ro nosuid
        bind /etc/new-file "$T/source/file" bind ro
        bind /etc/passwd "$T/source/file" bind
        prints "$show"'echo more >/folder/made; cat /read-only/made; touch /read-only/x 2>/dev/null || echo read-only
cat /etc/new-file /etc/passwd; flags /folder; flags /read-only; flags /etc/new-file' \
                'more
read-only
text
text
rw,relatime
ro,nosuid,relatime
ro,relatime'
        assert_equal "$(cat "$T/source/made")" more
}

@test "a bind keeps the flags of its source unless told otherwise" {
        mount -t tmpfs -o nosuid,nodev,noexec tmpfs "$T/source/below"
        bind /kept "$T/source/below" bind ro
        bind /cleared "$T/source/below" bind exec suid dev
        prints "$show"'flags /kept; flags /cleared' $'ro,nosuid,nodev,noexec,relatime\nrw,relatime'
        umount "$T/source/below"
}

@test "recursive options reach what is mounted below" {
        mount -t tmpfs tmpfs "$T/source/below"
        bind /all "$T/source" rbind rro rnosuid rnoatime
        bind /top "$T/source" rbind ro
        bind /alone "$T/source" bind ro
        prints "$show"'flags /all; flags /all/below; flags /top; flags /top/below; flags /alone/below' \
                $'ro,nosuid,noatime\nro,nosuid,noatime\nro,relatime\nrw,relatime'
        umount "$T/source/below"
}

@test "propagation of mounts" {
        bind /shared "$T/source" bind shared
        bind /private "$T/source" bind rprivate
        bind /unbindable "$T/source" bind unbindable
        edit '.linux.rootfsPropagation = "rshared"'
        prints "$show"'optional /; optional /shared; optional /private; optional /unbindable; optional /proc' \
                'shared
shared
-
unbindable
shared'
}

@test "the root is private unless asked otherwise" {
        bind /rslave "$T/source" rbind rslave
        prints "$show"'optional /; optional /rslave' $'-\n-'
}

@test "a destination cannot leave the root" {
        mkdir -p "$T/outside"
        ln -s "$T/outside" rootfs/link
        ln -s ../../../../../.. rootfs/up
        tmpfs /link/made
        tmpfs "/up/$T/outside/made-too"
        prints 'echo fine' fine
        assert_equal "$(ls "$T/outside")" ''
        assert_dir_exists "rootfs$T/outside/made"
        assert_dir_exists "rootfs$T/outside/made-too"
}

@test "a mount on the root itself" {
        edit '.mounts = [{destination: "/", type: "bind", source: $path, options: ["rbind"]}] + .mounts' --arg path "$BUNDLE/rootfs"
        tmpfs /late
        prints 'grep -c . /proc/self/mountinfo >/dev/null; awk "\$5 == \"/late\" { print \$9 }" /proc/self/mountinfo' tmpfs
}

@test "remount changes what is there" {
        mount_entry '{"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["remount", "ro", "size=128k"]}'
        prints "$show"'flags /dev/shm; df -k /dev/shm | tail -1 | awk "{ print \$2 }"' $'ro,nosuid,nodev,noexec,relatime\n128'
}

@test "what cannot be mounted is said" {
        bind /etc/passwd "$T/source" bind
        refuses 'mounts[7] (/etc/passwd): a file can be mounted on a file only, a folder on a folder: not a directory'
        edit '.mounts[7].source = "/no/such/place"'
        refuses 'mounts[7] (/etc/passwd): /no/such/place: open_tree: No such file or directory'
        edit '.mounts[7] = {destination: "/x", type: "nofs", source: "x"}'
        refuses "mounts[7] (/x): file system nofs: the guest's kernel has no such file system"
        edit '.mounts[7] = {destination: "/x", type: "tmpfs", source: "x", options: ["size=abc"]}'
        refuses "mounts[7] (/x): file system tmpfs: tmpfs: Bad value for 'size' (Invalid argument)"
        edit '.mounts[7] = {destination: "/x", source: "x"}'
        refuses 'mounts[7] (/x): type: missing, and no bind mount is asked for'
}

# ---- root, hidden paths, devices ----

@test "a read-only root, and folders mounted into it" {
        edit '.root.readonly = true | .process.cwd = "/made/for/it"'
        tmpfs /scratch
        prints 'touch /x 2>/dev/null || echo read-only; touch /scratch/x && pwd' $'read-only\n/made/for/it'
}

@test "masked and read-only paths" {
        mkdir -p rootfs/secret/deep rootfs/fixed
        echo secret >rootfs/secret.txt
        touch rootfs/secret/deep/file
        edit '.linux.maskedPaths += ["/secret", "/secret.txt", "/no/such/path", "/secret.txt/below"]
                | .linux.readonlyPaths += ["/fixed", "/no/such/path"]'
        prints 'ls /secret; cat /secret.txt; touch /secret/x /fixed/x 2>/dev/null || echo no; echo 1 2>/dev/null >/proc/sys/kernel/msgmax || echo no' \
                $'no\nno'
}

@test "default devices and links" {
        prints 'for d in null zero full random urandom tty; do stat -c "%n %t:%T %a" /dev/$d; done
for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo x >/dev/null; head -c 3 /dev/zero | wc -c' \
                '/dev/null 1:3 666
/dev/zero 1:5 666
/dev/full 1:7 666
/dev/random 1:8 666
/dev/urandom 1:9 666
/dev/tty 5:0 666
/proc/self/fd
/proc/self/fd/0
/proc/self/fd/1
/proc/self/fd/2
pts/ptmx
3'
}

@test "devices of the configuration" {
        edit '.linux.devices = [{type: "c", path: "/dev/net/one", major: 10, minor: 200, fileMode: 416, uid: 3, gid: 4},
                {type: "b", path: "/dev/two", major: 7, minor: 0}, {type: "p", path: "/dev/pipe", fileMode: 384},
                {type: "c", path: "/dev/null", major: 1, minor: 3, fileMode: 438}]'
        prints 'stat -c "%F %t:%T %a %u %g" /dev/net/one /dev/two; stat -c "%F %a" /dev/pipe /dev/null' \
                'character special file a:c8 640 3 4
block special file 7:0 666 0 0
fifo 600
character special file 666'
}

@test "nothing is made in a /dev that is bound" {
        mkdir -p "$T/dev"
        edit '.mounts = [.mounts[0], {destination: "/dev", type: "bind", source: $path, options: ["bind"]}]' --arg path "$T/dev"
        prints 'ls /dev | wc -l' 0
        assert_equal "$(ls "$T/dev")" ''
}

@test "a terminal, with a name and a console of its own" {
        edit '.process.terminal = true | .process.consoleSize = {height: 30, width: 90}'
        environment 'tty; stty size; stat -c "%t:%T" /dev/console; test /dev/pts/0 -ef /dev/console && echo same'
        assert_equal "$status" 0
        assert_equal "${output//$'\r'/}" $'/dev/pts/0\n24 80\n88:0\nsame'
}

# ---- namespaces ----

@test "names of the machine, and settings" {
        local before
        before=$(hostname)

        edit '.hostname = "box" | .domainname = "example.org" | .linux.sysctl = {"kernel.msgmax": "12345", "kernel/shmmni": "77", "fs.mqueue.msg_max": "19"}'
        prints 'hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max' \
                $'box\nexample.org\n12345\n77\n19'
        assert_equal "$(hostname)" "$before"
        edit '.linux.sysctl = {"kernel/../../x": "1"}'
        refuses 'linux.sysctl: "kernel/../../x" is not the name of a setting'
        edit '.linux.sysctl = {"kernel.nosuchthing": "1"}'
        refuses 'linux.sysctl: kernel.nosuchthing: /proc/sys/kernel/nosuchthing: No such file or directory'
}

@test "a time namespace with offsets" {
        edit '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 5, nanosecs: 9}, boottime: {secs: 1000000000}}'
        prints 'cut -d. -f1 /proc/uptime | awk "{ print (\$1 > 1000000000) }"; cat /proc/self/timens_offsets | tr -s " "' \
                $'1\nmonotonic 5 9\nboottime 1000000000 0'
}

@test "a user namespace" {
        with_user_namespace
        edit '.process.user = {uid: 1000, gid: 1001, additionalGids: [5]} | del(.process.capabilities)'
        bind /bound "$T/source" bind ro
        tmpfs /data tmpcopyup
        edit '.linux.devices = [{type: "c", path: "/dev/mine", major: 1, minor: 7, fileMode: 384, uid: 1000, gid: 1001}]'
        prints "$show"'id -u; id -g; id -G; awk "{ print \$2 }" /proc/self/uid_map /proc/self/gid_map; cat /bound/file; flags /bound
stat -c "%t:%T %a %u %g" /dev/mine; echo x >/dev/null; ls -d /sys/kernel; hostname; cat /proc/1/comm; stat -c "%u" /data' \
                '1000
1001
1001 5
100000
200000
text
ro,relatime
1:7 600 1000 1001
/sys/kernel
carrel
sh
0'
}

@test "a cgroup namespace, and what is seen without one" {
        need "no cgroup v2" grep cgroup2 /proc/filesystems
        prints 'grep ^0: /proc/self/cgroup' 0::/
        edit '.linux.namespaces |= map(select(.type != "cgroup"))'
        environment 'ls /sys/fs/cgroup/cgroup.procs; sed -n "s,^0::/,,p" /proc/self/cgroup'
        assert_line --index 0 /sys/fs/cgroup/cgroup.procs
        assert_line --index 1 --partial carrel-environment-
}

@test "namespaces with a path are refused" {
        edit '.linux.namespaces += [{type: "time", path: "/proc/1/ns/time"}]'
        refuses 'linux.namespaces[6].path: /proc/1/ns/time is not in the virtual machine'
}

# ---- the process ----

@test "identity, capabilities, privileges" {
        edit '.process.user = {uid: 1000, gid: 1001, umask: 54, additionalGids: [7, 8]}
                | .process.capabilities = {bounding: ["CAP_CHOWN", "CAP_NET_RAW"], permitted: ["CAP_CHOWN", "CAP_NET_RAW"],
                        effective: ["CAP_CHOWN"], inheritable: ["CAP_NET_RAW"], ambient: ["CAP_NET_RAW", "CAP_CHOWN"]}'
        prints 'id -u; id -g; id -G; umask; sed -n "s/^\(Cap\|NoNew\)//p" /proc/self/status | tr -s "\t" " "; echo $HOME' \
                '1000
1001
1001 7 8
0066
Inh: 0000000000002000
Prm: 0000000000002000
Eff: 0000000000002000
Bnd: 0000000000002001
Amb: 0000000000002000
Privs: 1
/root'
}

@test "limits and priorities" {
        edit '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 20, hard: 30}, {type: "RLIMIT_CORE", soft: 1, hard: 2}]
                | .process.oomScoreAdj = 321 | .process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}
                | .process.scheduler = {policy: "SCHED_BATCH", nice: 7} | .linux.personality = {domain: "LINUX32"}'
        prints 'ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj; ionice -p $$; awk "{ print \$19, \$41 }" /proc/$$/stat; cat /proc/self/personality; uname -m' \
                $'20\n30\n321\nidle\n7 3\n00000008\ni686'
        edit '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 20, hard: 10}]'
        refuses 'process.rlimits[0].soft: 20 is above the hard limit 10'
}

@test "the environment and HOME" {
        edit '.process.env = ["A=1", "PATH=/bin", "A=2", "HOME=", "B=x=y"] | .process.user.uid = 1000'
        prints 'env | grep -v -E "^(PWD|SHLVL|OLDPWD)=" | sort' $'A=2\nB=x=y\nHOME=/home\nPATH=/bin'
        edit '.process.env = ["PATH=/bin"] | .process.user.uid = 4711'
        prints 'echo $HOME' /
        edit '.process.env = ["PATH"]'
        refuses 'invalid environment variable: "PATH"'
}

@test "the words for programs that are not there" {
        mkdir -p rootfs/own
        echo '#!/nonexistent' >rootfs/own/script
        echo nonsense >rootfs/own/garbage
        chmod +x rootfs/own/script rootfs/own/garbage
        args foo
        refuses 'exec: "foo": executable file not found in $PATH'
        args /bin/foo
        refuses 'exec: "/bin/foo": stat /bin/foo: no such file or directory'
        args /etc/passwd
        refuses 'exec: "/etc/passwd": permission denied'
        args /bin
        refuses 'exec: "/bin": permission denied'
        args /etc/passwd/x
        refuses 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory'
        args ''
        refuses 'exec: "": executable file not found in $PATH'
        args /own/script
        refuses 'exec /own/script: no such file or directory'
        args /own/garbage
        refuses 'exec /own/garbage: exec format error'
        edit '.process.env = ["PATH=/own"]'
        args garbage
        refuses 'exec /own/garbage: exec format error'
        edit 'del(.process.env)'
        args true
        refuses 'exec: "true": executable file not found in $PATH'
}

@test "a program on a file system without exec, and one the user may not run" {
        bind /noexec "$BUNDLE/rootfs/bin" bind noexec
        args /noexec/busybox
        refuses 'exec /noexec/busybox: permission denied'
        cp rootfs/bin/busybox rootfs/etc/true
        chmod 700 rootfs/etc/true
        edit '.process.user.uid = 1000 | del(.process.capabilities)'
        args /etc/true
        refuses 'exec /etc/true: permission denied'
}

@test "the working folder" {
        edit '.process.cwd = "/bin/busybox"'
        refuses 'process.cwd: /bin/busybox: not a directory'
        mkdir -m 700 rootfs/mine
        edit '.process.cwd = "/mine" | .process.user.uid = 1000 | del(.process.capabilities)'
        prints 'pwd' /mine
        chown 1000 rootfs/mine
        prints 'pwd' /mine
}

@test "a seccomp filter, before and without no_new_privs" {
        local filter='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                syscalls: [{names: ["mkdir", "mkdirat", "no_such_call"], action: "SCMP_ACT_ERRNO", errnoRet: 28}]}'

        edit "$filter"
        prints 'sed -n "s/^Seccomp:.//p" /proc/self/status; mkdir /x 2>&1' $'2\nmkdir: can'\''t create directory '\''/x'\'': No space left on device' || true
        assert_line --partial 'No space left on device'
        edit '.process.noNewPrivileges = false'
        environment 'mkdir /x 2>&1'
        assert_output --partial 'No space left on device'
        edit '.linux.seccomp.syscalls[0].action = "SCMP_ACT_NOTIFY"'
        refuses 'linux.seccomp: syscalls[0]: action: SCMP_ACT_NOTIFY: the supervisor runs on the host and cannot look into the virtual machine'
}

@test "startContainer hooks run in the container, and can fail" {
        printf '#!/bin/sh\ncat >/tmp/state-$1; echo "$0 $X" >/tmp/said\n' >rootfs/bin/hook
        chmod +x rootfs/bin/hook
        edit '.hooks.startContainer = [{path: "/bin/hook", args: ["other-name", "one"], env: ["PATH=/bin", "X=y"]}] | .annotations = {a: "b"}'
        prints 'cat /tmp/said; cat /tmp/state-one' "/bin/hook y
{\"ociVersion\":\"1.2.0\",\"id\":\"test\",\"pid\":1,\"status\":\"created\",\"bundle\":\"\",\"annotations\":{\"a\":\"b\"}}"
        edit '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "echo because; exit 3"]}]'
        refuses 'hooks.startContainer[0]: /bin/sh: exit status 3: because'
        edit '.hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "while :; do :; done"], timeout: 1}]'
        refuses 'hooks.startContainer[0]: /bin/sh: did not end within 1 s'
}

@test "only descriptors 0 to 2 reach the program" {
        environment 'ls /proc/self/fd | tr "\n" " "'
        assert_output '0 1 2 3 '
}
