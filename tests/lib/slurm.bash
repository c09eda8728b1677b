# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# Helpers of tests/engines/slurm.bats: a cluster of two nodes, which are both this machine, with carrel for its containers.
# Configured in /etc/slurm as a cluster is (the run has an /etc of its own, tests/lib/engines.bash); oci.conf is the
# document's. Jobs are those of a user who is not root.

SLURM_USER=carrel-user
SLURM_UID=4711

slurm_begin() {
        local folder=$E/slurm host

        host=$(uname -n)
        printf '%s:x:%s:%s::%s:/bin/sh\n' "$SLURM_USER" "$SLURM_UID" "$SLURM_UID" "$E" >>/etc/passwd
        printf '%s:x:%s:\n' "$SLURM_USER" "$SLURM_UID" >>/etc/group
        # Slurm looks addresses up with AI_ADDRCONFIG, to which a machine with only a loopback has none
        # (of a file of tests before this one: the network is that of the whole run)
        ip link delete slurm0 2>/dev/null || true
        ip link add slurm0 type bridge
        ip address add 198.51.100.1/24 dev slurm0
        ip link set slurm0 up
        mkdir -p "$folder"/{state,spool-n1,spool-n2,log} /etc/slurm
        chmod a+x "$folder"
        install -d -m 1777 /run/carrel-users
        slurm_conf "$folder" "$host" >/etc/slurm/slurm.conf
        slurm_oci_conf >/etc/slurm/oci.conf
        munge_begin "$folder/munge"
        daemon slurmctld slurmctld -D
        daemon slurmd-n1 slurmd -D -N n1
        daemon slurmd-n2 slurmd -D -N n2
        sleep_until 60 slurm_answers || fail "Slurm does not start: $(tail -n 20 "$folder"/log/* "$E"/logs/slurm*)"
}

munge_begin() {
        install -d -m 755 "$1"
        head -c 1024 /dev/urandom >"$1/key"
        chmod 600 "$1/key"
        # --force: it is run as root, below a folder that anybody may write to
        munged --force --socket "$1/socket" --key-file "$1/key" --pid-file "$1/pid" --log-file "$1/log" --seed-file "$1/seed" \
                >>"$E/logs/munged" 2>&1 </dev/null 3>&- 4>&- || fail "munge does not start: $(cat "$E/logs/munged")"
}

slurm_conf() {
        cat <<CONFIGURATION
ClusterName=$GROUP
SlurmctldHost=$2(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$1/munge/socket
StateSaveLocation=$1/state
SlurmdSpoolDir=$1/spool-%n
SlurmctldPidFile=$1/slurmctld.pid
SlurmdPidFile=$1/slurmd-%n.pid
SlurmctldLogFile=$1/log/slurmctld
SlurmdLogFile=$1/log/slurmd-%n
SlurmdDebug=debug
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
KillWait=5
ReturnToService=2
NodeName=n1 NodeHostname=$2 NodeAddr=127.0.0.1 Port=17001 CPUs=2 RealMemory=1000
NodeName=n2 NodeHostname=$2 NodeAddr=127.0.0.1 Port=17002 CPUs=2 RealMemory=1000
PartitionName=all Nodes=n1,n2 Default=YES State=UP
CONFIGURATION
}

# The lines that docs/slurm.md wants in oci.conf.
slurm_oci_conf() {
        sed -n 's/^    \(RunTime.*\)/\1/p' "$TESTS/../docs/slurm.md"
}

slurm_answers() {
        [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]
}

slurm_containers() {
        squeue --noheader --format='job %i %T' 2>/dev/null
        find /run/carrel-users "$E"/slurm/spool-* -mindepth 1 \( -name '~lock' -o -name 'cred_state*' \) -o -mindepth 2 -print 2>/dev/null
}

slurm_sweep() {
        scancel --signal=KILL --full --state=RUNNING || true
        scancel --state=PENDING || true
        sleep_until 20 slurm_idle
}

slurm_idle() {
        [ -z "$(squeue --noheader)" ]
}

# As the user, in a session of its own: srun takes signals for itself.
as_user() {
        engine_call setpriv --reuid="$SLURM_UID" --regid="$SLURM_UID" --init-groups env -u TMPDIR "$@"
}

# slurm_run ARGUMENT...: the test's bundle, by the user.
slurm_run() {
        as_user srun --container "$BUNDLE" "$@"
}
