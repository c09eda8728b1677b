#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the README tells a person to type into an engine does what it says.

load ../lib/common
load ../lib/engines
load ../lib/slurm

setup_file() {
        engines_begin containerd docker podman slurm
}

# The indented lines of a section.
commands_of() {
        sed -n "/^## $1\$/,/^## /{s/^    //p}" "$TESTS/../README.md"
}

# What stands between the README and a machine of one's own: systemd, and the network that images come from.
stand_ins() {
        mkdir -p "$T/bin"
        cat >"$T/bin/systemctl" <<STAND_IN
#!/bin/sh
[ "\$*" = 'restart docker' ] || exit 1
kill "\$(cat "$E/docker.pid")"
while kill -0 "\$(cat "$E/dockerd.pid")" 2>/dev/null; do sleep 0.1; done
dockerd --data-root "$E/docker" --exec-root "$E/exec" --pidfile "$E/docker.pid" --host "$DOCKER_HOST" --containerd "$E/containerd.sock" \\
        --cgroup-parent "/$GROUP" --bip 172.30.77.1/24 >>"$E/logs/dockerd" 2>&1 </dev/null &
echo \$! >"$E/dockerd.pid"
for i in \$(seq 100); do
        if "$DOCKER" version >/dev/null 2>&1; then exit 0; fi
        sleep 0.2
done
exit 1
STAND_IN
        cat >"$T/bin/ctr" <<STAND_IN
#!/bin/sh
case "\$*" in 'image pull $CTR_IMAGE') exit 0 ;; esac
exec "$(type -P ctr)" "\$@"
STAND_IN
        ln -s "$DOCKER" "$T/bin/docker"
        chmod +x "$T/bin"/*
}

type_readme() {
        stand_ins
        commands_of "$1" >"$T/commands"
        [ "$(wc -l <"$T/commands")" -ge "$2" ]
        PATH=$T/bin:$PATH try bash -eux "$T/commands" </dev/null 3>&- 4>&-
        [ "$status" -eq 0 ] || fail "$stderr"
        [[ ${lines[-1]} = Linux*carrel* ]] || fail "$output"
}

@test "docker" {
        type_readme docker 4
        must docker run --rm "$ENGINE_IMAGE" uname -r
        refute_output --partial carrel # it is not the rule yet
}

@test "podman" {
        podman tag "$ENGINE_IMAGE" docker.io/library/busybox
        type_readme podman 3
}

@test "Slurm" {
        make_bundle
        cd "$T"
        rm /etc/slurm/oci.conf
        type_readme Slurm 8
        # and the document has the same lines
        assert_equal "$(commands_of Slurm | grep ^RunTime | sort)" "$(slurm_oci_conf | sort)"
        assert_clean 20
}

@test "containerd" {
        type_readme containerd 2
        assert_clean
}
