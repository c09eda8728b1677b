# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2120,SC2154
#
# Helpers of tests/engines/cri.bats: containerd as the kubelet finds it, and the calls that the kubelet makes.

CRI_BRIDGE=cni9

# ---- the engine ----

cri_begin() {
        export CONTAINERD_ADDRESS=$E/containerd.sock CONTAINERD_NAMESPACE=k8s.io
        mkdir -p "$E/cni"
        cat >"$E/cni/10-pods.conflist" <<NETWORK
{ "cniVersion": "0.4.0", "name": "pods", "plugins": [
  { "type": "bridge", "bridge": "$CRI_BRIDGE", "isGateway": true, "ipMasq": true, "hairpinMode": true,
    "ipam": { "type": "host-local", "dataDir": "$E/cni-data", "ranges": [[{ "subnet": "10.88.9.0/24" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
NETWORK
        cri_configuration >"$E/containerd.toml"
        containerd_start
        make_image_archive "$E/image/oci.tar"
        umoci config --image "$E/image/layout:latest" --tag pause --config.cmd sleep --config.cmd 1000000
        tar -C "$E/image/layout" -cf "$E/image/cri.tar" .
        ctr image import --base-name "docker.io/library/$ENGINE_IMAGE" "$E/image/cri.tar" >/dev/null
        protoc -I "$TESTS/lib" --descriptor_set_out="$E/cri.pb" cri.proto
        daemon cri "$TESTS/lib/cri" serve "$E/cri.pb" "$CONTAINERD_ADDRESS" "$E/cri.sock"
        sleep_until 30 test -S "$E/cri.sock" || fail "$(cat "$E/logs/cri")"
        sleep_until 30 cri_ready || fail "the CRI is not ready: $(cri Status) $(tail -n 20 "$E/logs/containerd")"
}

# (Not every host that runs tests lets runc lower the score of the pause container.)
cri_configuration() {
        cat <<CONFIGURATION
version = 2
root = "$E/containerd-root"
state = "$E/containerd-state"
[grpc]
  address = "$CONTAINERD_ADDRESS"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "docker.io/library/$ENGINE_IMAGE:pause"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$E/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
CONFIGURATION
        cri_document
}

# The lines that docs/kubernetes.md wants in config.toml.
cri_document() {
        sed -n '/^\[plugins.*runtimes\.carrel\]/,/^```/{/^```/d;p}' "$TESTS/../docs/kubernetes.md"
}

cri_ready() {
        [ "$(cri Status | jq '[.status.conditions[] | select(.type == "RuntimeReady" or .type == "NetworkReady") | select(.status)] | length')" = 2 ]
}

cri_containers() {
        cri ListContainers | jq -r '.containers[].id'
        cri ListPodSandbox | jq -r '.items[].id'
}

cri_sweep() {
        local id

        for id in $(cri ListPodSandbox | jq -r '.items[].id'); do
                cri StopPodSandbox "{\"pod_sandbox_id\": \"$id\"}"
                cri RemovePodSandbox "{\"pod_sandbox_id\": \"$id\"}"
        done
        pod_cgroup_gone '*'
}

# ---- calls ----

# cri METHOD [REQUEST]: prints the answer; both in JSON.
cri() {
        engine_call curl -s --fail-with-body -H Expect: --unix-socket "$E/cri.sock" "http://cri/$1" -d "${2-"{}"}"
}

# refused METHOD REQUEST: the error's text in $output.
refused() {
        try cri "$@"
        [ "$status" -ne 0 ] || fail "$1: $output"
}

# pod NAME [FILTER [JQ OPTION...]]: its id in $POD. It is as the kubelet wants it, but for FILTER; run by $HANDLER.
pod() {
        pod_config "$@"
        must cri RunPodSandbox "$(pod_request)"
        POD=$(jq -r .pod_sandbox_id <<<"$output")
}

pod_config() {
        local name=$1 filter=${2-.}
        shift $(($# < 2 ? $# : 2))

        rm -rf "$T/logs/$name"
        mkdir -p "$T/logs/$name"
        POD_CONFIG=$(jq -nc "$@" --arg name "$name" --arg uid "$CT-$name" --arg logs "$T/logs/$name" --arg group "/$GROUP/pod-$name" '
                { metadata: { name: $name, uid: $uid, namespace: "default" }, hostname: $name, log_directory: $logs,
                  linux: { cgroup_parent: $group, security_context: { namespace_options: { pid: "CONTAINER" } } } } | '"$filter")
}

pod_request() {
        jq -nc --arg handler "${HANDLER-carrel}" --argjson config "$POD_CONFIG" '{ config: $config, runtime_handler: $handler }'
}

# container NAME SCRIPT [FILTER [JQ OPTION...]]: created in $POD and started; its id in $C.
container() {
        container_config "$@"
        must cri CreateContainer "$(container_request)"
        C=$(jq -r .container_id <<<"$output")
        must cri StartContainer "$(of_container)"
}

container_config() {
        local name=$1 script=$2 filter=${3-.}
        shift $(($# < 3 ? $# : 3))

        CONTAINER_CONFIG=$(jq -nc "$@" --arg name "$name" --arg script "$script" --arg image "$CTR_IMAGE" '
                { metadata: { name: $name }, image: { image: $image }, command: ["sh", "-c", $script], log_path: "\($name).log",
                  linux: { security_context: { namespace_options: { pid: "CONTAINER" } } } } | '"$filter")
}

container_request() {
        jq -nc --arg pod "$POD" --argjson config "$CONTAINER_CONFIG" --argjson sandbox "$POD_CONFIG" \
                '{ pod_sandbox_id: $pod, config: $config, sandbox_config: $sandbox }'
}

# of_container [FIELDS]: a request about $C; of_pod: about $POD.
of_container() {
        jq -nc --arg id "$C" "{ container_id: \$id } + ${1-"{}"}"
}

of_pod() {
        jq -nc --arg id "$POD" "{ pod_sandbox_id: \$id } + ${1-"{}"}"
}

# container_status FILTER
container_status() {
        cri ContainerStatus "$(of_container)" | jq -r ".status | $1"
}

container_is() {
        [ "$(container_status .state)" = "CONTAINER_$1" ]
}

# ended: until $C has, and its log is whole; prints its status and why.
ended() {
        sleep_until "${1:-30}" container_is EXITED || fail "$C: $(container_status .)"
        sleep_until 10 log_is_closed "$(container_status .log_path)" || true
        container_status '"\(.exit_code) \(.reason)"'
}

# containerd writes logs beside everything else: the end of a container may be known before its last line is there.
log_is_closed() {
        [ -z "$(find "/proc/$(daemon_pid containerd)/fd" -lname "$1" 2>/dev/null)" ]
}

has_reason() {
        [ "$(container_status .reason)" = "$1" ]
}

# exec_sync TIMEOUT WORD...: in $C; its output, and its status in $status.
exec_sync() {
        local timeout=$1 request
        shift

        request=$(jq -nc --arg id "$C" --argjson timeout "$timeout" '{ container_id: $id, timeout: $timeout, cmd: $ARGS.positional }' --args -- "$@")
        try cri ExecSync "$request"
        if [ "$status" -ne 0 ]; then return 0; fi
        status=$(jq -r .exit_code <<<"$output")
        stderr=$(jq -r '.stderr | @base64d' <<<"$output")
        output=$(jq -r '.stdout | @base64d' <<<"$output")
}

in_container() {
        exec_sync 30 sh -c "$1"
        [ "$status" -eq 0 ] || fail "$1: $status: $output $stderr"
}

# The log of container NAME of pod POD: what it wrote to STREAM.
log_of() {
        sed -n "s/^[^ ]* ${3:-stdout} [FP] //p" "$T/logs/$1/$2.log"
}

# The pod ends, with all that is its; its cgroup is the kubelet's.
pod_gone() {
        must cri StopPodSandbox "$(of_pod)"
        must cri RemovePodSandbox "$(of_pod)"
        pod_cgroup_gone "$(jq -r .metadata.name <<<"$POD_CONFIG")"
}

pod_cgroup_gone() {
        sleep_until 10 remove_pod_cgroup "$1"
}

remove_pod_cgroup() {
        find /sys/fs/cgroup -mindepth 2 -maxdepth 3 -type d -path "*/$GROUP/pod-$1" -exec rmdir {} +
}

# both FUNCTION: prints the same with carrel as with runc; that is in $output.
both() {
        HANDLER=runc "$1" >"$T/theirs"
        HANDLER=carrel "$1" >"$T/ours"
        mapfile -t lines <"$T/ours"
        output=$(<"$T/ours")
        assert_equal "$output" "$(<"$T/theirs")"
}
