/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The virtual machine's processes: virtiofsd and QEMU, children of the shim in its pid namespace, each with exactly
 * the descriptors launch.h numbers. What they say on standard error is kept as their last words.
 */

#include <stdbool.h>

#include "common/base/loop.h"
#include "common/protocol/launch.h"

typedef struct Vm Vm;

/* A process of the VM has ended unasked; WHY is one line with its last words. Called once. */
typedef void (*VmEndedFn)(Vm *vm, const char *why, void *user);

/* Our ends of QEMU's sockets, to be taken over by the caller. */
typedef struct VmSockets {
        int qmp, agent, console;
} VmSockets;

typedef struct VmSpec {
        Loop *loop;
        const LaunchPlan *plan;
        const int *taps; /* LaunchPlan.network_cards of them; the caller's */
        Timeline *timeline;
        VmEndedFn ended;
        void *user;
} VmSpec;

/* Starts virtiofsd (when planned) and QEMU. The timeline gets the moments, relative to the plan's zero. */
int vm_start(const VmSpec *spec, Vm **ret, VmSockets *ret_sockets, Error *err);
Vm *vm_free(Vm *vm);
DEFINE_CLEANUP(Vm *, vm_free);

/* Kills what runs and waits until it is gone (every process of our pid namespace, QEMU's memory and devices with
 * it). Must be pid 1 of the namespace or have only the VM's processes as children. */
void vm_kill(Vm *vm);

/* SIGCHLD: reaps; to be called from the signal handler of the loop. */
void vm_reap(Vm *vm);

/* Microseconds since the plan's zero. */
uint64_t timeline_now(const LaunchPlan *plan);
