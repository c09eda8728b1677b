# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2119,SC2120,SC2154
#
# Helpers of all bats files. From the environment (tools/test sets it):
#
#   CARREL                 the carrel under test, installed with its shim
#   CARREL_IMAGES          folder with vmlinux, vmlinuz and initrd
#   CARREL_ACCELERATOR     auto (default), kvm or tcg
#   CARREL_VIRTIOFSD       a virtiofsd to use in place of the one that the host has
#   CARREL_CACHE           where big bundles are kept between runs
#   REQUIRE                suites, with commas ("vm,integration"), whose tests fail instead of being skipped for want
#                          of something; "vm" is meant by whatever needs a VM
#
# Each test has a folder of its own ($T), a state folder ($ROOT), a configuration
# ($CONFIG), a bundle when it asks for one ($BUNDLE, the working folder), and a
# prefix of ids that no other test has ($CT).

TESTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file

# ---- places ----

# test_begin FOLDER: what every test starts with.
test_begin() {
        T=$1
        ROOT=$T/root
        CONFIG=$T/carrel.json
        BUNDLE=$T/bundle
        CT=ct$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')
        mkdir -p "$T/tmp"
        # QEMU's user has to get at what a test makes
        chmod a+x "${BATS_RUN_TMPDIR:-$T}" "$T"
        # setup_file's tests are processes of their own
        export T ROOT CONFIG BUNDLE CT TMPDIR=$T/tmp
        [ -n "${CARREL_ISOLATED-}" ] || fail "run me as: tools/test SUITE, or tests/lib/isolated bats FILE"
        [ -x "${CARREL-}" ] || fail "CARREL does not name the carrel to test"
        configure '{}'
        snapshot >"$T/before"
}

# test_end: what the test left is shown once, then removed, so that the next one
# starts clean.
test_end() {
        if [ -z "${T-}" ]; then return 0; fi
        local pid

        while read -r pid _; do
                kill -KILL "$pid" 2>/dev/null || true
        done < <(ours_running | grep -vxF -f "$T/before.processes" || true)
        sleep_until 5 none_running || true
        find /sys/fs/cgroup -depth -type d -name "*$CT*" -exec rmdir {} + 2>/dev/null || true
        umount_below "$T"
        assert_sane
}

# What sanitizers have reported fails the test it happened in. A process that is
# killed while LeakSanitizer looks at it at its end leaves one line that says so,
# or the empty file for that line: no finding.
assert_sane() {
        local report text=''

        if [ -z "${CARREL_SANITIZER_LOGS-}" ]; then return 0; fi
        for report in "$CARREL_SANITIZER_LOGS"/*; do
                if [ ! -e "$report" ]; then continue; fi
                text+=$(grep -vx '==[0-9]*==Unable to get registers from thread [0-9]*\.' "$report" | head -n 40 || true)
                rm -f "$report"
        done
        [ -z "$text" ] || fail "$text"
}

none_running() {
        ! ours_running | grep -qvxF -f "$T/before.processes"
}

umount_below() {
        local point

        while read -r point; do
                umount -l "$point" 2>/dev/null || true
        done < <(awk -v below="$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}

setup() {
        test_begin "$BATS_TEST_TMPDIR"
}

teardown() {
        test_end
}

# ---- the program ----

# configure JSON: the configuration of the test, over what the environment says.
configure() {
        jq -n --arg accelerator "${CARREL_ACCELERATOR:-auto}" --arg images "${CARREL_IMAGES-}" --arg virtiofsd "${CARREL_VIRTIOFSD-}" --argjson more "$1" '
                { accelerator: $accelerator }
                + (if $virtiofsd != "" then { virtiofsd: $virtiofsd } else {} end)
                + (if $images != "" then { vmlinux: "\($images)/vmlinux", vmlinuz: "\($images)/vmlinuz", initrd: "\($images)/initrd" } else {} end)
                + $more' >"$CONFIG"
}

# carrel ARGUMENT...: with the test's state and configuration, and a time limit.
carrel() {
        timeout --foreground -k 5 "${LIMIT:-60}" "$CARREL" --root "$ROOT" --config "$CONFIG" "$@" 3>&- 4>&-
}

# carrel_detached ARGUMENT...: without stdio of the test.
carrel_detached() {
        carrel "$@" </dev/null >"$T/detached.out" 2>"$T/detached.err" ||
                fail "carrel $*: status $?: $(cat "$T/detached.err")"
}

# As bats' run --separate-stderr ($status, $output, $lines, $stderr), but through
# files: a container that goes on running would keep a pipe open.
run_carrel() {
        status=0
        carrel "$@" >"$T/run.out" 2>"$T/run.err" || status=$?
        output=$(tr -d '\0' <"$T/run.out")
        stderr=$(tr -d '\0' <"$T/run.err")
        # shellcheck disable=SC2034 # what bats-assert looks at
        mapfile -t lines <"$T/run.out"
}

# ---- bundles ----

# A root file system of busybox and a little more.
make_rootfs() {
        local busybox

        busybox=$(command -v busybox) || fail "busybox is missing (busybox-static)"
        mkdir -p "$1"/{bin,dev,etc,proc,root,sys,tmp,usr/bin,var,run,home}
        chmod 1777 "$1/tmp"
        cp "$busybox" "$1/bin/busybox"
        chroot "$1" /bin/busybox --install -s /bin
        printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' >"$1/etc/passwd"
        printf 'root:x:0:\nuser:x:1000:\nmore:x:2000:\n' >"$1/etc/group"
}

# make_bundle [PROGRAM [ARGUMENT...]]: in $BUNDLE, which becomes the working folder.
make_bundle() {
        mkdir -p "$BUNDLE"
        cd "$BUNDLE" || return
        make_rootfs rootfs
        cp "$TESTS/lib/config.json" config.json
        if [ $# -gt 0 ]; then args "$@"; fi
}

# edit FILTER [JQ OPTION...]: config.json through jq.
edit() {
        local filter=$1
        shift
        jq "$@" "$filter" config.json >config.json.new
        mv config.json.new config.json
}

# args PROGRAM [ARGUMENT...]: what the container runs.
args() {
        jq '.process.args = $ARGS.positional' config.json --args -- "$@" >config.json.new
        mv config.json.new config.json
}

script() {
        args sh -c "$1"
}

mount_entry() {
        edit '.mounts += [$entry]' --argjson entry "$1"
}

# ---- waiting ----

# sleep_until SECONDS COMMAND...: until it succeeds.
sleep_until() {
        local end=$((SECONDS + $1))
        shift

        while ! "$@"; do
                if [ "$SECONDS" -ge "$end" ]; then return 1; fi
                sleep 0.05
        done
}

status_is() {
        [ "$(carrel state "$1" 2>/dev/null | jq -r .status)" = "$2" ]
}

wait_status() {
        sleep_until "${3:-20}" status_is "$1" "$2" || fail "$1 is not $2: $(carrel state "$1" 2>&1)"
}

# gone PID: or a zombie. One look: between two of them it may be reaped.
gone() {
        local stat

        stat=$(ps -o stat= -p "$1") || true
        [[ -z $stat || $stat = Z* ]]
}

# ---- what is left behind ----

# Processes of carrel in this run: "PID NAME".
ours_running() {
        ps -eo pid=,stat=,comm= | awk '$2 !~ /^Z/ && $3 ~ /^(carrel|qemu-system|virtiofsd)/ { print $1, $3 }'
}

# pid_of NAME: the one process of that name that the test has started.
pids_of() {
        ours_running | grep -vxF -f "$T/before.processes" | awk -v name="$1" 'index($2, name) == 1 { print $1 }'
}

snapshot() {
        ours_running | sort >"$T/processes"
        [ -e "$T/before.processes" ] || { cp "$T/processes" "$T/before.processes" && echo '-' >>"$T/before.processes"; }
        sed 's/^/process /' "$T/processes"
        awk '{ print "mount", $5, $(NF - 2), $(NF - 1) }' /proc/self/mountinfo | sort
        find /sys/fs/cgroup -type d -name "*$CT*" -printf 'cgroup %p\n' 2>/dev/null | sort
        ip -o link 2>/dev/null | awk '{ print "link", $2 }' | sort
        # "~lock" is the store's own and stays
        find "$ROOT" -mindepth 1 -maxdepth 1 ! -name '~lock' -printf 'state %f\n' 2>/dev/null | sort
        find "$TMPDIR" -mindepth 1 -maxdepth 1 -printf 'temporary file %f\n' | sort
        snapshot_more
}

# For files that start more than carrel.
snapshot_more() {
        return 0
}

looks_like_before() {
        snapshot >"$T/after"
        cmp -s "$T/before" "$T/after"
}

# Nothing is there that was not there before: processes, mounts, cgroups, network
# links, state folders, temporary files. What is killed may take a moment.
assert_clean() {
        if sleep_until "${1:-10}" looks_like_before; then return 0; fi
        fail "left behind (>) or lost (<):
$(diff "$T/before" "$T/after" | grep '^[<>]')"
}

# One line for the person, naming the program.
assert_one_line_error() {
        local text=${1-$stderr}

        assert_equal "$(printf '%s\n' "$text" | grep -vc '^carrel: warning: ')" 1
        [[ $text = *"carrel: "* ]] || fail "not the words of carrel: $text"
}

# A command that must fail with status 1, one line that matches, and nothing left.
assert_refused() {
        local pattern=$1
        shift

        run_carrel "$@"
        assert_equal "$status" 1
        assert_equal "$output" ''
        assert_one_line_error
        [[ $stderr =~ $pattern ]] || fail "expected /$pattern/ in: $stderr"
        assert_clean
}

# assert_timeline LAST TEXT: what `trace` prints of a life that has got as far as LAST: every phase by its name and once,
# each after the one before it, and the times between them add up.
assert_timeline() {
        local last=$1 text names

        text=$(grep -Ev '^(carrel: )?warning: ' <<<"$2")
        names=$(sed -n '2,$s/^ *[0-9.]* *[0-9.]*  \(.*[^ #]\) *#*$/\1/p' <<<"$text")
        assert_equal "$(tail -n 1 <<<"$names")" "$last"
        # what runs beside the rest has no place of its own, and not every machine has each of these
        assert_equal "$(grep -vxE 'QEMU answers|hooks are done|virtiofsd listens|firmware loads the kernel|kernel boots' <<<"$names")" \
                "$(sed "/^$last\$/q" <<'PHASES'
carrel plans, shim starts
shared tree is mounted
QEMU is started
agent reports
container is created
start is called
program runs
program ends
machine is gone
PHASES
)"
        assert_equal "$(grep -cxE 'QEMU answers|hooks are done' <<<"$names")" 2
        assert_equal "$(sort <<<"$names" | uniq -d)" ''
        awk 'NR == 1 && $1 " " $2 " " $3 " " $4 != "at ms took ms" { exit 1 }
                NR > 1 && ($1 < at || $1 - at - $2 > 0.15 || $1 - at - $2 < -0.15) { exit 1 }
                NR > 1 { at = $1 }' <<<"$text" || fail "the times do not add up: $text"
}

# ---- needs ----

# lacking REASON [SUITE]: the test is skipped, or fails if REQUIRE has the suite (that of the file unless it is named).
lacking() {
        local suite=${2:-$(basename -- "$(dirname -- "$BATS_TEST_FILENAME")")}

        case ",${REQUIRE-}," in
        *,"$suite",*) fail "cannot run: $1 (REQUIRE=$REQUIRE)" ;;
        esac
        skip "$1"
}

# need REASON COMMAND...: the command says that what is needed is there.
need() {
        local reason=$1
        shift

        "$@" >/dev/null 2>&1 || lacking "$reason"
}

need_program() {
        need "no $1" command -v "$1"
}

# need_built FILE: of the build under test.
need_built() {
        need "${1##*/} was not built" test -x "${CARREL_BUILD-}/$1"
}

need_tun() {
        need "no /dev/net/tun" test -c /dev/net/tun
}

# What a VM lacks here, or nothing.
vm_lacks() {
        if [ -z "${CARREL_IMAGES-}" ] || ! [ -r "$CARREL_IMAGES/vmlinux" ]; then
                echo "no guest kernel (CARREL_IMAGES)"
        elif ! command -v qemu-system-x86_64 >/dev/null; then
                echo "no qemu-system-x86_64"
        fi
}

# A VM can run here. (In setup_file, which can skip nothing: `can_vm || return 0`.)
need_vm() {
        can_vm || lacking "$(vm_lacks)" vm
}

can_vm() {
        [ -z "$(vm_lacks)" ]
}
