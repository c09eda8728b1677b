# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion of carrel(8) for bash. tests/integration/completion.bats holds the words against carrel --help.

_carrel_commands="cdi checkpoint config console create delete doctor driver events exec features gpu kill list pause plan ps restore resume run spec start state trace update"

# Options of a command; without one, those in front of it.
_carrel_options() {
        case $1 in
        '') echo "--root --config --log --log-format --debug --systemd-cgroup --rootless --criu --version -v" ;;
        cdi) echo "--output --vendor --class" ;;
        config | trace) echo "--json" ;;
        console) echo "--follow -f" ;;
        create) echo "--bundle -b --pid-file --console-socket --pidfd-socket --env -e --no-pivot --no-new-keyring --preserve-fds" ;;
        delete) echo "--force -f" ;;
        doctor) echo "--json --kernel --repair" ;;
        driver) echo "--json --output -o --compress --nvidia-open --tree --kernel" ;;
        events) echo "--interval --stats" ;;
        exec)
                echo "--process -p --detach -d --pid-file --tty -t --console-socket --pidfd-socket --user -u" \
                        "--additional-gids -g --cwd --env -e --cap -c --no-new-privs --cgroup --ignore-paused --apparmor" \
                        "--process-label --preserve-fds"
                ;;
        gpu) echo "--json --force -f" ;;
        kill) echo "--all -a" ;;
        list) echo "--format -f --quiet -q" ;;
        plan) echo "--bundle -b --facts --id" ;;
        ps) echo "--format -f --guest" ;;
        run)
                echo "--bundle -b --pid-file --console-socket --pidfd-socket --env -e --no-pivot --no-new-keyring --preserve-fds" \
                        "--detach -d --keep --no-subreaper --trace"
                ;;
        spec) echo "--bundle -b" ;;
        update)
                echo "--resources -r --memory --memory-reservation --memory-swap --cpu-quota --cpu-period --cpu-burst" \
                        "--cpu-share --cpu-idle --cpu-rt-period --cpu-rt-runtime --cpuset-cpus --cpuset-mems --pids-limit" \
                        "--blkio-weight --kernel-memory --kernel-memory-tcp --l3-cache-schema --mem-bw-schema"
                ;;
        *) ;;
        esac
        echo "--help -h"
}

# What the option's value is: a folder, a file, one of some words, or something only the user knows.
_carrel_value() {
        case $1:$2 in
        *:--root | *:--bundle | *:-b) echo folder ;;
        :--log-format) echo "text json" ;;
        list:--format | list:-f | ps:--format | ps:-f) echo "table json" ;;
        *:--config | *:--log | *:--criu | *:--pid-file | *:--console-socket | *:--pidfd-socket | *:--kernel | *:--facts | cdi:--output) echo file ;;
        driver:--output | driver:-o | driver:--nvidia-open | driver:--tree) echo file ;;
        exec:--process | exec:-p | update:--resources | update:-r) echo file ;;
        :--rootless) echo "true false auto" ;;
        *:--preserve-fds | plan:--id | create:--env | create:-e | run:--env | run:-e) echo none ;;
        exec:--user | exec:-u | exec:--additional-gids | exec:-g | exec:--env | exec:-e | exec:--cap | exec:-c) echo none ;;
        exec:--cwd | exec:--apparmor | exec:--process-label | exec:--cgroup | events:--interval) echo none ;;
        update:--* | cdi:--vendor | cdi:--class) echo none ;;
        *) ;;
        esac
}

_carrel_ids() {
        local root=${1:-/run/carrel}

        carrel --root "$root" list --quiet 2>/dev/null
}

_carrel() {
        local current=${COMP_WORDS[COMP_CWORD]} previous='' command='' root='' value words=''
        local -i i positional=0

        COMPREPLY=()
        for ((i = 1; i < COMP_CWORD; i++)); do
                previous=${COMP_WORDS[i]}
                [ "$previous" = --root ] && root=${COMP_WORDS[i + 1]}
                value=$(_carrel_value "$command" "$previous")
                if [ -n "$value" ] && ((i + 1 < COMP_CWORD)); then
                        i+=1
                        previous=''
                        continue
                fi
                [[ $previous = -* ]] && continue
                if [ -z "$command" ]; then command=$previous; else positional+=1; fi
        done
        value=$(_carrel_value "$command" "$previous")
        case $value in
        folder) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
        file) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
        none) return ;;
        '') ;;
        *) words=$value ;;
        esac
        if [ -z "$words" ]; then
                if [[ $current = -* ]]; then
                        words=$(_carrel_options "$command")
                elif [ -z "$command" ]; then
                        words=$_carrel_commands
                elif ((positional == 0)); then
                        case $command in
                        console | delete | events | exec | kill | pause | ps | resume | start | state | trace | update) words=$(_carrel_ids "$root") ;;
                        cdi) words=generate ;;
                        driver) words="build list inspect verify" ;;
                        plan | run) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
                        *) ;;
                        esac
                elif [ "$command" = driver ]; then
                        compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$current") && return
                elif [ "$command" = kill ]; then
                        words="TERM KILL INT HUP QUIT USR1 USR2 STOP CONT"
                fi
        fi
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _carrel carrel
