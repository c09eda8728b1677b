# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by the tools: long work in named steps. A step tells its name, then
# every few seconds how long it has been at it and the last line of its output,
# then how long it took. The output itself goes to a log; a step that fails
# shows the end of it and, in one line, what to do.

steps_program=${0##*/}
steps_logs=
steps_beat=

say() {
        printf '%s\n' "$*"
}

die() {
        printf '%s: %s\n' "$steps_program" "$*" >&2
        exit 1
}

need_root() {
        [ "$(id -u)" -eq 0 ] || die "needs root: run it as root (sudo tools/$steps_program)"
}

need_debian() {
        local id='' codename=''

        if [ -r /etc/os-release ]; then
                id=$(. /etc/os-release && printf '%s' "${ID-}")
                codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
        fi
        [ "$id $codename" = "debian bookworm" ] ||
                die "this is ${id:-an unknown system} ${codename}, and what is installed here is for Debian 12 (bookworm)"
}

# steps_begin FOLDER: where the logs go.
steps_begin() {
        steps_logs=$1
        mkdir -p -- "$steps_logs"
}

steps_duration() {
        if [ "$1" -ge 60 ]; then
                printf '%d min %d s' $(($1 / 60)) $(($1 % 60))
        else
                printf '%d s' "$1"
        fi
}

# The last line a person would want to see: of what ends in CR or LF, without
# colours.
steps_last_line() {
        tail -c 600 -- "$1" 2>/dev/null | tr '\r' '\n' | sed -e 's/\x1b\[[0-9;]*[A-Za-z]//g' | grep -a '[^[:space:]]' | tail -n 1 |
                cut -c 1-100
}

steps_heartbeat() {
        local log=$1 start=$SECONDS pause=20 line

        if [ -t 1 ]; then pause=5; fi
        while sleep "$pause"; do
                line=$(steps_last_line "$log") || line=
                printf '    %s: %s\n' "$(steps_duration $((SECONDS - start)))" "${line:-...}"
        done
}

steps_still() {
        if [ -n "$steps_beat" ]; then
                kill "$steps_beat" 2>/dev/null || true
                wait "$steps_beat" 2>/dev/null || true
                steps_beat=
        fi
}

# Between steps_watch LOG and steps_still the heart beats.
steps_watch() {
        steps_heartbeat "$1" &
        steps_beat=$!
}

# step TITLE HINT COMMAND [ARGUMENT...]: 0, or the command's status after its
# last words and the hint. The command is a program (a function would run
# without errexit).
step() {
        local title=$1 hint=$2 start=$SECONDS status=0 log
        shift 2

        log=$steps_logs/$(printf '%s' "$title" | tr -c 'A-Za-z0-9' '-' | tr -s - | cut -c 1-60).log
        say "==> $title"
        steps_watch "$log"
        "$@" >"$log" 2>&1 </dev/null || status=$?
        steps_still
        if [ "$status" -eq 0 ]; then
                if [ $((SECONDS - start)) -ge 3 ]; then say "    done in $(steps_duration $((SECONDS - start)))"; fi
                return 0
        fi
        tail -n 25 -- "$log" | sed 's/^/    | /' >&2
        printf '%s: %s failed (status %d). %s All of its output: %s\n' \
                "$steps_program" "$title" "$status" "$hint" "$log" >&2
        return "$status"
}
