#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Slurm: srun --container with carrel, for jobs of a user who is not root.

load ../lib/common
load ../lib/engines
load ../lib/slurm

setup_file() {
        engines_begin slurm
}

# The user's bundle.
bundle() {
        make_bundle
        chown -R "$SLURM_UID:$SLURM_UID" "$BUNDLE"
        cd "$T" || return
}

job_is() {
        [ "$(squeue --noheader --format=%T --job "$1" 2>/dev/null)" = "$2" ]
}

# The job has ended, and its record says so: job_ended ID STATE
job_ended() {
        scontrol --oneliner show job "$1" >"$T/job"
        grep -q " JobState=$2 " "$T/job"
}

has_line() {
        grep -q "$2" "$1"
}

# has_lines FILE COUNT PATTERN
has_lines() {
        [ "$(grep -c "$3" "$1")" -eq "$2" ]
}

# A container of the user's whose program waits, in the background: its job is $JOB, what it says is in $T/out.
waiting_job() {
        as_user srun --unbuffered --container "$BUNDLE" "$@" >"$T/out" 2>"$T/err" </dev/null 3>&- 4>&- &
        SRUN=$!
        sleep_until 60 has_line "$T/out" ready || fail "$(cat "$T/out" "$T/err")"
        JOB=$(squeue --noheader --format=%i)
}

@test "statuses; output and error; in a machine; as root, who is the user outside" {
        local code

        bundle
        for code in 0 7; do
                try slurm_run sh -c "echo out; echo err >&2; exit $code"
                assert_equal "$status,$output" "$code,out"
                [[ $stderr = *err* ]] || fail "$stderr"
        done
        must slurm_run sh -c 'uname -r; id -u; cd /; echo text >/file'
        assert_line --index 0 --partial carrel
        assert_line --index 1 0
        assert_equal "$(stat -c %u:%g "$BUNDLE/rootfs/file") $(cat "$BUNDLE/rootfs/file")" "$SLURM_UID:$SLURM_UID text"
        try slurm_run no-such-program
        assert_equal "$status" 127
        [[ $stderr = *'exec: "no-such-program": executable file not found in $PATH'* ]] || fail "$stderr"
        assert_clean 20
}

@test "standard input; the job's environment; what the bundle says of its own" {
        bundle
        cd "$BUNDLE"
        edit '.process.env += ["OF_BUNDLE=1"] | .hostname = "over.there"'
        cd "$T"
        try slurm_run sh -c 'cat; echo $OF_BUNDLE $SLURM_JOB_ID $SLURM_NTASKS; hostname' < <(echo in)
        assert_equal "$status" 0
        assert_line --index 0 in
        assert_line --index 1 --regexp '^1 [0-9]+ 1$'
        assert_line --index 2 over.there
        OF_USER=yes must slurm_run sh -c 'echo $OF_USER'
        assert_output yes
        assert_clean 20
}

@test "a task on each of two nodes, each in its own machine; two steps at once; more than one on a node is Slurm's to refuse" {
        local boots

        bundle
        must slurm_run -N 2 -n 2 --label sh -c 'cat /proc/sys/kernel/random/boot_id; echo $SLURMD_NODENAME of $SLURM_STEP_NODELIST'
        boots=$(sed -n 's/^[01]: \([0-9a-f-]\{36\}\)$/\1/p' <<<"$output" | sort -u | wc -l)
        assert_equal "$boots" 2
        assert_line '0: n1 of n[1-2]'
        assert_line '1: n2 of n[1-2]'
        cat >"$T/job.sh" <<JOB
#!/bin/sh
for i in 1 2; do srun --exact -n 1 -N 1 --container "$BUNDLE" sh -c "cat /proc/sys/kernel/random/boot_id; exit \$i" & pids="\$pids \$!"; done
for pid in \$pids; do wait \$pid; echo status \$?; done
JOB
        install -o "$SLURM_UID" /dev/null "$T/batch"
        must as_user sbatch --wait --parsable -n 2 -N 1 --output="$T/batch" "$T/job.sh"
        sleep_until 10 has_lines "$T/batch" 2 '^status ' || true
        assert_equal "$(grep -cE '^[0-9a-f]{8}-[0-9a-f-]{27}$' "$T/batch")" 2
        assert_equal "$(sed -n 's/^status //p' "$T/batch" | sort | tr -d '\n')" 12
        try slurm_run -N 1 -n 2 true
        assert_not_equal "$status" 0
        assert_clean 20
}

@test "a batch script in the container" {
        bundle
        printf '#!/bin/sh\nuname -r; echo $SLURM_JOB_ID; exit 5\n' >"$T/job.sh"
        install -o "$SLURM_UID" /dev/null "$T/batch"
        try as_user sbatch --wait --parsable --container "$BUNDLE" --output="$T/batch" "$T/job.sh"
        assert_equal "$status" 5
        sleep_until 10 has_line "$T/batch" "^$output\$" || true
        assert_equal "$(tail -n 1 "$T/batch")" "$output"
        # the kernel is that of its machine; nothing else is said but that this is emulated
        assert_regex "$(tail -n 2 "$T/batch" | head -n 1)" '^[0-9.]+-carrel'
        assert_equal "$(head -n -2 "$T/batch" | grep -v 'carrel: warning: accelerator')" ""
        assert_clean 20
}

@test "a signal reaches the program; scancel ends it, also one that does not listen; a step that is killed takes its machine along" {
        bundle
        waiting_job sh -c 'trap "echo usr1" USR1; trap "echo term; exit 3" TERM; echo ready; while :; do sleep 0.2; done'
        scancel --signal=USR1 "$JOB"
        sleep_until 20 has_line "$T/out" usr1 || fail "$(cat "$T/out" "$T/err")"
        scancel "$JOB"
        sleep_until 30 gone "$SRUN"
        assert_equal "$(tail -n 1 "$T/out")" term
        sleep_until 20 job_ended "$JOB" CANCELLED || fail "$(cat "$T/job")"
        sleep_until 20 slurm_idle
        assert_clean 20

        waiting_job sh -c 'trap "" TERM INT HUP; echo ready; while :; do sleep 0.2; done'
        scancel "$JOB"
        sleep_until 30 gone "$SRUN"
        sleep_until 20 slurm_idle
        assert_clean 20

        waiting_job sh -c 'echo ready; sleep 1000'
        scancel --signal=KILL "$JOB"
        sleep_until 30 gone "$SRUN"
        sleep_until 20 slurm_idle
        assert_clean 20
}

@test "what cannot be run is said, and leaves nothing" {
        bundle
        try as_user srun --container "$T/nowhere" true
        assert_not_equal "$status" 0
        echo '{' >"$BUNDLE/config.json"
        try slurm_run true
        assert_not_equal "$status" 0
        rm -rf "$BUNDLE"
        bundle
        cd "$BUNDLE"
        edit '.linux.namespaces += [{ type: "user" }] | .linux.uidMappings = [{ containerID: 0, hostID: 0, size: 1000 }] | .linux.gidMappings = .linux.uidMappings'
        cd "$T"
        try slurm_run true
        assert_equal "$status" 1
        [[ $stderr = *'linux.uidMappings: who is not root has one id for the container'* ]] || fail "$stderr"
        assert_clean 20
}

# bats test_tags=full
@test "a time limit" {
        bundle
        LIMIT=150 waiting_job --time=1 sh -c 'trap "echo term; exit 3" TERM; echo ready; while :; do sleep 0.2; done'
        sleep_until 150 gone "$SRUN"
        assert_equal "$(tail -n 1 "$T/out")" term
        sleep_until 20 job_ended "$JOB" TIMEOUT || fail "$(cat "$T/job")"
        assert_clean 20
}
