#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker run: what a container gets, and what its user sees of its end, beside the same with runc.

load ../lib/common
load ../lib/engines

setup_file() {
        engines_begin docker
}

@test "exit statuses" {
        local code

        for code in 0 1 42; do
                try docker_run "$ENGINE_IMAGE" sh -c "exit $code"
                assert_equal "$status $output $stderr" "$code  "
        done
        # docker-init is process 1, and says of its child what a shell would
        try docker_run --init "$ENGINE_IMAGE" sh -c 'kill -TERM $$'
        assert_equal "$status" 143
        try docker_run --init "$ENGINE_IMAGE" sh -c 'kill -KILL $$'
        assert_equal "$status" 137
        assert_clean
}

@test "a program that is not there (127), or cannot be run (126)" {
        same_as_runc "$ENGINE_IMAGE" no-such-program
        assert_equal "$status" 127
        [[ $stderr = *'exec: "no-such-program": executable file not found in $PATH'* ]] || fail "$stderr"
        same_as_runc "$ENGINE_IMAGE" /no/such/program
        assert_equal "$status" 127
        [[ $stderr = *'no such file or directory'* ]] || fail "$stderr"
        same_as_runc "$ENGINE_IMAGE" /etc
        assert_equal "$status" 126
        [[ $stderr = *'permission denied'* ]] || fail "$stderr"
        assert_clean
}

@test "standard input, output and error" {
        try docker_run -i "$ENGINE_IMAGE" sh -c 'echo out; echo err >&2; cat' < <(echo in)
        assert_equal "$status,$output,$stderr" $'0,out\nin,err'
        # megabytes both ways
        head -c 5000000 /dev/urandom >"$T/data"
        try docker_run -i "$ENGINE_IMAGE" sh -c 'tee /dev/stderr | md5sum' <"$T/data"
        assert_equal "$output" "$(md5sum <"$T/data")"
        cmp "$T/data" "$T/run.err"
        # without -i there is none
        try docker_run "$ENGINE_IMAGE" cat < <(echo in)
        assert_equal "$status $output" '0 '
        assert_clean
}

@test "what a container is by default: user, capabilities, environment, devices, masked and read-only places" {
        same_as_runc --hostname carrel-host "$ENGINE_IMAGE" sh -c '
                id; pwd; umask; env | sort; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status
                hostname; cat /etc/hostname; ls -l /dev | grep -v console | awk "{ print \$1, \$3, \$4, \$5, \$6, \$NF }"; ls /dev/pts /sys/firmware /proc/acpi
                for place in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/x; do echo x 2>/dev/null >$place || echo cannot write $place; done
                cat /proc/keys /proc/timer_list | wc -c; mount -t tmpfs none /mnt; unshare -n true; date -s 2001-01-01; mknod /tmp/sda b 8 0; echo $?'
        assert_equal "$status" 0
        assert_line carrel-host
        assert_line 'cannot write /proc/sys/kernel/hostname'
        assert_clean
}

@test "options on who the process is: user, groups, capabilities, environment, folder, limits, sysctl, host names" {
        same_as_runc --user 1000:1001 --group-add 2000 --group-add 3000 --cap-drop CHOWN --cap-add NET_ADMIN --cap-add SYS_TIME \
                --env A=b --env 'C=d e' --workdir /some/where --entrypoint sh --ulimit nofile=123:456 --ulimit core=0 --sysctl kernel.shmmax=123456 \
                --sysctl net.ipv4.ip_forward=1 --hostname over.there --add-host db:10.1.2.3 --security-opt no-new-privileges "$ENGINE_IMAGE" -c '
                id; grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status; env | sort; pwd; ulimit -n; ulimit -Hn; ulimit -c
                cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward /etc/hosts; hostname'
        assert_equal "$status" 0
        assert_line 'uid=1000(user) gid=1001 groups=1001,2000(more),3000'
        assert_line --regexp '^NoNewPrivs:.*1$'
        same_as_runc --cap-drop ALL --init "$ENGINE_IMAGE" sh -c 'grep Cap /proc/self/status; cat /proc/1/comm'
        assert_line docker-init
        assert_clean
}

@test "an image's own user, folder, environment and entry point" {
        docker import --change 'USER user' --change 'WORKDIR /tmp' --change 'ENV WORD=said' --change 'ENTRYPOINT ["/bin/sh", "-c"]' \
                --change 'CMD ["id -un; pwd; echo $WORD $HOME"]' - configured <"$E/image/rootfs.tar" >/dev/null
        same_as_runc configured
        assert_equal "$output" $'user\n/tmp\nsaid /home'
        docker save configured | docker load -q >/dev/null
        same_as_runc configured 'echo $WORD'
        docker rmi -f configured >/dev/null
        assert_clean
}

@test "file systems: read-only root, tmpfs, /dev/shm" {
        same_as_runc --read-only --tmpfs /t:size=1m,mode=1750,uid=7 --shm-size 7m "$ENGINE_IMAGE" sh -c '
                touch /file || echo read-only; touch /dev/shm/x /t/x && echo written; df -k /t /dev/shm | awk "{ print \$2, \$6 }"
                stat -c "%a %u" /t /dev/shm; dd if=/dev/zero of=/t/big bs=1M count=2 2>&1 | grep -c "No space"'
        assert_line read-only
        assert_line '1024 /t'
        assert_line '7168 /dev/shm'
        assert_clean
}

@test "volumes: folders, files, read-only, named, with what both sides write" {
        mkdir -p folder/below read-only
        echo text >file
        echo text >read-only/file
        echo other >folder/below/file
        chown 1000:1001 folder/below/file
        chmod 640 folder/below/file
        docker volume create carrel-volume >/dev/null
        same_as_runc -v "$T/folder:/folder" -v "$T/file:/etc/one-file" -v "$T/read-only:/ro:ro" -v carrel-volume:/home \
                --mount "type=bind,source=$T/read-only,target=/ro2,readonly" "$ENGINE_IMAGE" sh -c '
                cat /folder/below/file /etc/one-file /ro/file /ro2/file; stat -c "%a %u %g" /folder/below/file
                touch /ro/x || echo refused; touch /ro2/x || echo refused; echo more >>/etc/one-file; echo new >/folder/new; chown 7:8 /folder/new
                ln -sf new /folder/link; rm -f /folder/fifo; mkfifo /folder/fifo; echo kept >/home/kept; ls /home; echo text >/etc/one-file'
        assert_equal "$status" 0
        assert_equal "$(cat folder/link)" new
        assert_equal "$(stat -c '%u %g' folder/new)" '7 8'
        test -p folder/fifo
        assert_equal "$(cat file)" text
        same_as_runc --volume carrel-volume:/v:ro "$ENGINE_IMAGE" cat /v/kept
        assert_equal "$output" kept
        docker volume rm carrel-volume >/dev/null
        assert_clean
}

@test "limits of memory, processors and processes act in the guest" {
        try docker_run --memory 64m --cpus 0.5 --pids-limit 20 --cpu-shares 512 "$ENGINE_IMAGE" sh -c '
                cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; nproc
                for i in $(seq 30); do sleep 1 & done 2>/dev/null; jobs | wc -l'
        assert_line --index 0 67108864
        assert_line --index 1 '50000 100000'
        assert_line --index 2 20
        # more memory than it may have
        try docker_run --memory 32m "$ENGINE_IMAGE" sh -c 'tail /dev/zero; echo $?'
        assert_line 137
        assert_clean
}

@test "--device: block devices of the host, for writing and only for reading; none that was not given" {
        local data other fd

        need "no loop devices" losetup -f
        truncate -s 8M data
        truncate -s 16M other
        printf 'from the host' | dd of=data conv=notrunc status=none
        data=$(losetup -f --show data)
        exec {fd}<>"$data"
        # goes when nobody has it open any more
        losetup -d "$data"
        other=$(losetup -f --show other)
        try docker_run --device "$data:/dev/data" --device "$other:/dev/other:r" "$ENGINE_IMAGE" sh -c '
                head -c 13 /dev/data; echo; stat -c "%F %a" /dev/data; blockdev --getsize64 /dev/data; blockdev --getsize64 /dev/other
                printf "from the guest" >/dev/data; sync
                echo x >/dev/other || echo refused; ls /dev/vd* || true'
        assert_equal "$status $output" "0 from the host
block special file $(stat -c %a "$data")
8388608
16777216
refused"
        assert_equal "$(head -c 14 "$data")" 'from the guest'
        assert_equal "$(head -c 2 "$other" | tr '\0' 0)" 00
        losetup -d "$other"
        # a file system on it
        mkfs.ext4 -q -F "$data"
        try docker_run --cap-add SYS_ADMIN --security-opt seccomp=unconfined --device "$data" "$ENGINE_IMAGE" sh -c "mkdir /m && mount -t ext4 $data /m && echo kept >/m/file && umount /m && mount -t ext4 $data /m && cat /m/file"
        assert_equal "$status $output" '0 kept'
        exec {fd}>&-
        assert_clean
}

@test "--cpuset-cpus: as many processors in the guest, those of the host for the machine" {
        local folder

        docker_detached one --cpuset-cpus 1 "$ENGINE_IMAGE" sleep 300
        assert_equal "$(docker exec one nproc)" 1
        folder=$(sed -n 's/^[0-9]*:cpuset://p' "/proc/$(inspect one '{{.State.Pid}}')/cgroup")
        assert_equal "$(cat "/sys/fs/cgroup/cpuset$folder/cpuset.cpus")" 1
        assert_equal "$(awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$(pids_of qemu-system)/status")" 1
        must docker rm -f one
        assert_clean
}

@test "propagation of volumes: what the host mounts later shows; what the guest mounts stays there" {
        mkdir -p "$T/volume/below"
        mount --bind "$T/volume" "$T/volume"
        mount --make-shared "$T/volume"
        docker_detached one -v "$T/volume:/slave:rslave" -v "$T/volume:/private" --cap-add SYS_ADMIN "$ENGINE_IMAGE" sleep 300
        mount -t tmpfs none "$T/volume/below"
        touch "$T/volume/below/late"
        # attributes are cached for a second
        sleep_until 20 docker exec one test -e /slave/below/late
        must docker exec one ls /private/below
        assert_output ''
        must docker rm -f one
        umount -R "$T/volume"
        assert_clean
}

@test "seccomp profiles" {
        cat >profile.json <<'PROFILE'
{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ { "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 } ] }
PROFILE
        same_as_runc --security-opt "seccomp=$T/profile.json" "$ENGINE_IMAGE" sh -c 'mkdir /x; grep Seccomp: /proc/self/status'
        assert_line --regexp 'Seccomp:.*2$'
        [[ $stderr = *'not supported'* ]] || fail "$stderr"
        same_as_runc --security-opt seccomp=unconfined "$ENGINE_IMAGE" sh -c 'mkdir /x; unshare -m true; grep Seccomp: /proc/self/status'
        assert_line --regexp 'Seccomp:.*0$'
        assert_clean
}

@test "--privileged: everything, in the guest" {
        try docker_run --privileged "$ENGINE_IMAGE" sh -c '
                grep -E "^(CapEff|Seccomp:)" /proc/self/status; mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted
                echo 1 >/proc/sys/vm/drop_caches && echo written; ls -d /dev/* | grep -E "kmsg|kvm|/sd|/vd"; true'
        assert_equal "$status" 0
        assert_line mounted
        assert_line written
        assert_line --regexp "^CapEff:[[:space:]]$(all_capabilities)\$"
        # nothing of the host's
        refute_line --regexp '^/dev/(kvm|sd|vd)'
        assert_clean
}

@test "a namespace of another container is refused with words; one of the host is the guest's" {
        docker_detached other --ipc shareable "$ENGINE_IMAGE" sleep 300
        try docker_run --pid container:other "$ENGINE_IMAGE" true
        assert_equal "$status" 125
        [[ $stderr = *'pid'*'namespace'* ]] || fail "$stderr"
        try docker_run --ipc container:other "$ENGINE_IMAGE" true
        assert_equal "$status" 125
        [[ $stderr = *'ipc'*'namespace'* ]] || fail "$stderr"
        same_as_runc --uts host "$ENGINE_IMAGE" hostname
        assert_equal "$output" "$(hostname)"
        try docker_run --pid host "$ENGINE_IMAGE" ps
        assert_equal "$status" 0
        assert_line --partial kthreadd
        refute_line --partial dockerd
        must docker rm -f other
        assert_clean
}
