# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# Helpers of tests/engines: real engines with carrel as their runtime.
#
# Each file starts the engines it needs in setup_file and ends them in teardown_file. They have sockets, roots, logs and
# temporary files below $E, a cgroup of their own ($GROUP), and, since tests/lib/isolated gives the run namespaces of
# its own, a /run, /dev/shm, /etc and /usr/local/bin that nobody else sees: an engine of the host is never met. Written
# there as a user would: /usr/local/bin/carrel, /etc/docker/daemon.json, /etc/containers/containers.conf.

ENGINE_IMAGE=busybox

# ---- needs ----

# Why an engine cannot be tested, or nothing.
engine_lacks() {
        local program programs=(umoci)

        case $1 in
        docker) programs+=(containerd containerd-shim-runc-v2 dockerd docker runc) ;;
        containerd) programs+=(containerd containerd-shim-runc-v2 ctr runc) ;;
        cri) programs+=(containerd containerd-shim-runc-v2 ctr runc protoc curl /usr/lib/cni/bridge) ;;
        podman) programs+=(podman conmon runc) ;;
        conmon) programs=(conmon) ;;
        slurm) programs=(munged slurmctld slurmd srun) ;;
        esac
        for program in "${programs[@]}"; do
                if ! type -P "$program" >/dev/null; then
                        echo "no $program (tools/deps engines)"
                        return
                fi
        done
        if [ "$1" = cri ] && ! /usr/bin/python3 -c 'import google.protobuf, grpc' 2>/dev/null; then echo "no grpc for Python (tools/deps engines)"; fi
}

# An engine can be tested, or the test is skipped with the reason (REQUIRE=engines: fails).
need_engine() {
        local reason

        reason=$(engine_lacks "$1")
        [ -z "$reason" ] || lacking "$reason" engines
}

# The test asks for GPUs and expects that there is none: where there is one, it would be taken from whoever uses it.
need_no_gpu() {
        [ "$("$CARREL" gpu --json list | jq length)" -eq 0 ] || lacking 'this host has GPUs, which the test would take' gpu-free
}

# ---- places ----

# What the run has for itself, once for all files.
private_places() {
        local folder

        [ -n "${CARREL_ISOLATED-}" ] || fail "run me as: tools/test engines, or tests/lib/isolated bats FILE"
        if [ -e /run/carrel-engines ]; then return 0; fi
        mount -t tmpfs -o mode=755 tmpfs /run
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm
        mkdir -p /var/lib/cni
        mount -t tmpfs tmpfs /var/lib/cni
        mkdir -p /run/lock /run/carrel-engines
        for folder in /etc /usr/local/bin; do
                mkdir -p "/run/carrel-engines$folder"/{upper,work}
                mount -t overlay -o "lowerdir=$folder,upperdir=/run/carrel-engines$folder/upper,workdir=/run/carrel-engines$folder/work" \
                        overlay "$folder"
        done
        rm -rf /etc/slurm /etc/docker /etc/containerd /etc/containers/containers.conf* /etc/containers/storage.conf /etc/cni /etc/carrel
        mkdir -p /etc/docker /etc/containers /etc/carrel
}

# The carrel that engines find, with the configuration of the tests.
install_carrel() {
        CONFIG=$E/carrel.json configure '{}'
        printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$CARREL" "$E/carrel.json" >/usr/local/bin/carrel
        chmod +x /usr/local/bin/carrel
}

# ---- a file's engines ----

# engines_begin NAME...: for setup_file. Names of engines: docker, containerd, podman, slurm (tests/lib/slurm.bash), cri
# (tests/lib/cri.bash), conmon.
engines_begin() {
        local name

        export ENGINES="$*" E=$BATS_FILE_TMPDIR
        export GROUP=carrel-engines-${BATS_FILE_TMPDIR//[^A-Za-z0-9]/}
        for name; do
                if [ -n "$(engine_lacks "$name")" ]; then return 0; fi
        done
        can_vm || return 0
        chmod a+x "$BATS_RUN_TMPDIR" "$E"
        mkdir -p "$E"/{tmp,logs,image}
        export TMPDIR=$E/tmp
        private_places
        find /sys/fs/cgroup -maxdepth 2 -type d | sort >"$E/cgroups"
        install_carrel
        make_rootfs "$E/image/rootfs"
        if [ -x "$(exercise_program)" ]; then cp "$(exercise_program)" "$E/image/rootfs/bin/"; fi
        tar -C "$E/image/rootfs" -cf "$E/image/rootfs.tar" .
        for name; do "${name}_begin"; done
}

# For teardown_file: everything ends, also what a failed test has left.
engines_end() {
        local folder pid

        # whatever still runs here belongs to this file: all others are done
        for _ in 1 2 3; do
                while read -r pid; do
                        kill -KILL "$pid" 2>/dev/null || true
                done < <(engine_processes | awk '{ print $1 }')
                sleep 0.1
        done
        umount_below "$E"
        # the deepest first
        find /sys/fs/cgroup -maxdepth 2 -type d | sort | comm -13 "$E/cgroups" - | while read -r folder; do
                find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
}

# Of the run, "PID NAME": the engines, their monitors, what carrel runs.
engine_processes() {
        ps -eo pid=,stat=,comm= | awk '$2 !~ /^Z/ && $3 ~ /^(dockerd|containerd|conmon|podman|runc|munged|slurm|srun|carrel|qemu-system|virtiofsd)|^cri$/ { print $1, $3 }'
}

# ---- a test ----

# For setup: the test's own folder and the state of things before it.
engines_test() {
        local name

        need_vm
        for name in $ENGINES; do need_engine "$name"; done
        # of the test before: it would be missed at the end of this one
        sleep_until 10 no_monitors || true
        test_begin "$BATS_TEST_TMPDIR"
        cd "$T" || return
}

# For teardown: containers that a failed test has left must not meet the next one.
engines_test_end() {
        local name

        if [ -z "${T-}" ]; then return 0; fi
        for name in $ENGINES; do
                if [ -n "$(engine_lacks "$name")" ]; then return 0; fi
                "${name}_sweep" >/dev/null 2>&1 || true
        done
        test_end
}

setup() {
        engines_test
}

teardown() {
        engines_test_end
}

teardown_file() {
        engines_end
}

# The engines' processes of single containers. They end a little later than the engine says that it is done.
monitors() {
        ps -eo stat=,comm= | awk '$1 !~ /^Z/ && $2 ~ /^(containerd-shim|conmon|runc)/ { print "process", $2 }' | sort
}

no_monitors() {
        [ -z "$(monitors)" ]
}

# More of what assert_clean compares: the engines' own traces of a container.
snapshot_more() {
        local name

        monitors
        find /sys/fs/cgroup -type d -path "*/$GROUP/*" ! -name conmon -printf 'cgroup %p\n' 2>/dev/null | sort
        find "$E/tmp" -mindepth 1 -maxdepth 1 -printf 'temporary file %f\n' | sort
        find /run/carrel "$E"/exec/runtime-runc/* -mindepth 1 -maxdepth 1 ! -name '~lock' -printf 'state %p\n' 2>/dev/null | sort
        for name in $ENGINES; do "${name}_containers" 2>/dev/null | sed "s/^/container of $name: /"; done
}

# try COMMAND...: as bats' run --separate-stderr, through files, since a container
# that goes on running would keep a pipe open.
try() {
        status=0
        "$@" >"$T/run.out" 2>"$T/run.err" || status=$?
        output=$(tr -d '\0' <"$T/run.out")
        stderr=$(tr -d '\0' <"$T/run.err")
        mapfile -t lines <"$T/run.out"
}

# must COMMAND...: try, and it is an error if it fails.
must() {
        try "$@"
        [ "$status" -eq 0 ] || fail "$*: status $status: $output $stderr"
}

# In the test's own network namespace nothing of an engine is reached: limited in time, without bats' descriptors.
engine_call() {
        timeout --foreground -k 5 "${LIMIT:-60}" "$@" 3>&- 4>&-
}

# logs_settle ENGINE CONTAINER: until what was on its way is in the log too, which is then in $T/log.
logs_settle() {
        : >"$T/log"
        sleep_until 10 same_logs "$@" || fail "the log of $2 goes on"
}

same_logs() {
        "$1" logs "$2" >"$T/log.new" 2>&1
        if cmp -s "$T/log.new" "$T/log"; then return 0; fi
        mv "$T/log.new" "$T/log"
        return 1
}

# size_becomes ROWS COLUMNS: a step of tests/lib/terminal for a shell there. It says the size when that is the size: the engine
# brings a new one a moment later. (What it echoes of the line is no answer.)
size_becomes() {
        printf 'send:until stty size | grep "%s "%s; do sleep 0.1; done\\n' "$1" "$2"
}

# daemon NAME COMMAND...: in the background, its number in $E/NAME.pid.
daemon() {
        local name=$1
        shift

        "$@" >>"$E/logs/$name" 2>&1 </dev/null 3>&- 4>&- &
        echo $! >"$E/$name.pid"
        disown
}

daemon_pid() {
        cat "$E/$1.pid"
}

# daemon_kill NAME SIGNAL: and wait for its end.
daemon_kill() {
        kill "-$2" "$(daemon_pid "$1")"
        sleep_until 30 gone "$(daemon_pid "$1")" || fail "$1 does not end"
}

# An image as an archive of the OCI layout, made without a network.
make_image_archive() {
        local layout=$E/image/layout

        if [ -e "$1" ]; then return 0; fi

        umoci init --layout "$layout"
        umoci new --image "$layout:latest"
        umoci raw add-layer --image "$layout:latest" "$E/image/rootfs.tar"
        umoci config --image "$layout:latest" --config.cmd sh --config.env PATH=/usr/sbin:/usr/bin:/sbin:/bin
        tar -C "$layout" -cf "$1" .
}

# ---- conversations (tests/vm/network-exercise.c) ----

exercise_program() {
        echo "${CARREL_BUILD-}/tests/vm/network-exercise"
}

# From the test's own namespace; in a container it is the program network-exercise.
ask() {
        "$(exercise_program)" ask "$@"
}

# Until a bridge has looked whether anybody else has its IPv6 address (a second or so from its first port on), the host asks
# with a link-local one, and a datagram's answer then comes from another address than it was sent to.
own_addresses_settle() {
        sleep_until 10 eval '! ip -6 address show tentative | grep -q inet6'
}

# host_answers PORT TEXT: from now on, to whoever asks the host; until host_is_silent.
host_answers() {
        daemon host "$(exercise_program)" serve "$1" "$2"
        sleep_until 20 grep -q ready "$E/logs/host" || fail "$(cat "$E/logs/host")"
}

host_is_silent() {
        daemon_kill host TERM
        : >"$E/logs/host"
}

# ---- containerd ----

containerd_begin() {
        export CONTAINERD_ADDRESS=$E/containerd.sock CONTAINERD_NAMESPACE=$GROUP
        cat >"$E/containerd.toml" <<CONFIGURATION
version = 2
root = "$E/containerd-root"
state = "$E/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$CONTAINERD_ADDRESS"
CONFIGURATION
        containerd_start
        case " $ENGINES " in
        *' containerd '*)
                make_image_archive "$E/image/oci.tar"
                ctr image import --base-name "docker.io/library/$ENGINE_IMAGE" "$E/image/oci.tar" >/dev/null
                ;;
        esac
}

containerd_start() {
        daemon containerd containerd --config "$E/containerd.toml"
        sleep_until 30 containerd_answers || fail "containerd does not start: $(tail -n 20 "$E/logs/containerd")"
}

containerd_answers() {
        ctr version >/dev/null 2>&1
}

ctr() {
        engine_call ctr "$@"
}

# carrel as ctr wants to be told.
ctr_run() {
        ctr run --runc-binary /usr/local/bin/carrel "$@"
}

CTR_IMAGE=docker.io/library/$ENGINE_IMAGE:latest

containerd_containers() {
        ctr container ls -q
}

containerd_sweep() {
        local id

        for id in $(ctr task ls -q); do ctr task rm -f "$id"; done
        for id in $(ctr container ls -q); do ctr container rm "$id"; done
}

# ---- conmon by itself (crio.bats) ----

conmon_begin() {
        :
}

conmon_containers() {
        ls "$T/crio"
}

conmon_sweep() {
        local folder

        for folder in "$T"/crio/*; do /usr/local/bin/carrel --root="$T/crio" delete --force "${folder##*/}"; done
        sleep_until 10 no_monitors
        umount_below "$T"
}

# ---- docker ----

docker_begin() {
        if [ ! -e "$E/containerd.pid" ]; then containerd_begin; fi
        export DOCKER_HOST=unix://$E/docker.sock DOCKER_CONFIG=$E/docker-config
        mkdir -p "$DOCKER_CONFIG"
        echo '{}' >"$DOCKER_CONFIG/config.json"
        # the client that came with the daemon, if there are several
        for DOCKER in "$(dirname "$(type -P dockerd)")/docker" /usr/bin/docker "$(type -P docker)"; do
                if [ -x "$DOCKER" ]; then break; fi
        done
        export DOCKER
        jq -n --arg e "$E" --arg group "/$GROUP" --argjson more "${DOCKERD_MORE-"{}"}" '
                { runtimes: { carrel: { path: "/usr/local/bin/carrel" } }, "default-runtime": "carrel",
                  "data-root": "\($e)/docker", "exec-root": "\($e)/exec", pidfile: "\($e)/docker.pid", hosts: ["unix://\($e)/docker.sock"],
                  containerd: "\($e)/containerd.sock", "cgroup-parent": $group,
                  bridge: "none", iptables: false, ip6tables: false } + $more
                | with_entries(select(.value != null))' >"$E/daemon.json"
        docker_start
        docker import - "$ENGINE_IMAGE" <"$E/image/rootfs.tar" >/dev/null
}

docker_start() {
        daemon dockerd dockerd --config-file "$E/daemon.json"
        sleep_until 60 docker_answers || fail "dockerd does not start: $(tail -n 20 "$E/logs/dockerd")"
}

docker_answers() {
        docker version >/dev/null 2>&1
}

docker() {
        engine_call "$DOCKER" "$@"
}

# docker_since MAJOR: the daemon is of that version or a later one.
docker_since() {
        [ "$(docker version --format '{{.Server.Version}}' | cut -d . -f 1)" -ge "$1" ]
}

# All capabilities, as /proc/PID/status has them; newer docker means those that itself has.
all_capabilities() {
        if docker_since 28; then
                awk '/^CapEff:/ { print $2 }' "/proc/$(daemon_pid dockerd)/status"
        else
                echo '0*[13f]f+'
        fi
}

docker_containers() {
        docker ps -aq --no-trunc
}

docker_sweep() {
        local ids

        ids=$(docker ps -aq)
        # shellcheck disable=SC2086
        if [ -n "$ids" ]; then docker rm -f $ids; fi
        docker volume prune -f
}

# docker_run ARGUMENT...: a container that is removed at its end, without a network.
docker_run() {
        docker run --rm --network none "$@"
}

# Detached; its id in $ID, its name is $NAME if one is given before the options: docker_detached NAME ARGUMENT...
docker_detached() {
        local name=$1
        shift

        must docker run -d --name "$name" --network none "$@"
}

inspect() {
        docker inspect --format "$2" "$1"
}

state_is() {
        [ "$(inspect "$1" '{{.State.Status}}' 2>/dev/null)" = "$2" ]
}

wait_state() {
        sleep_until "${3:-30}" state_is "$1" "$2" || fail "$1 is not $2 but $(inspect "$1" '{{json .State}}')"
}

# The process on the host that stands for an exec of docker: exec_pid ID.
exec_pid() {
        curl -s --unix-socket "$E/docker.sock" "http://docker/exec/$1/json" | jq -r .Pid
}

# same_as_runc ARGUMENT...: "docker run" prints the same, and ends the same, as with runc.
same_as_runc() {
        local theirs theirs_status

        try docker_run --runtime runc "$@"
        theirs=$output theirs_status=$status
        try docker_run "$@"
        assert_equal "$status $output" "$theirs_status $theirs"
}

# ---- podman ----

podman_begin() {
        cat >/etc/containers/containers.conf <<CONFIGURATION
[containers]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "carrel"
image_copy_tmp_dir = "$E/tmp"

[engine.runtimes]
carrel = ["/usr/local/bin/carrel"]
CONFIGURATION
        cat >/etc/containers/storage.conf <<CONFIGURATION
[storage]
driver = "overlay"
graphroot = "$E/podman"
runroot = "/run/containers/storage"
CONFIGURATION
        make_image_archive "$E/image/oci.tar"
        podman load -q -i "$E/image/oci.tar" >/dev/null
        podman tag "$(podman images -q | head -n 1)" "$ENGINE_IMAGE"
}

podman() {
        engine_call podman "$@"
}

podman_containers() {
        podman ps -aq --no-trunc
}

podman_sweep() {
        podman rm -f -t 0 -a
}

podman_run() {
        podman run --rm --network none --cgroup-parent "/$GROUP" "$@"
}
