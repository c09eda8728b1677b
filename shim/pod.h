/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pod: containers that share a virtual machine. Each has a shim of its own; the one with the VM passes on what those
 * of the further containers (members) and the agent say to each other. It translates numbers (CONTAINER_SHIFT) and does
 * not read what is said.
 */

#include "shim/requests.h"
#include "shim/session.h"

/* ---- in the shim with the VM ---- */

/* A frame from the shim of container CONTAINER. FN answers a request with FRAME's seq as its tag. EPROTO: nothing that a
 * member may say. */
int pod_pass_down(Session *session, uint32_t container, const Frame *frame, RequestFn fn, void *user,
                  Error *err);

/* The container that a frame of the agent is about. */
uint32_t pod_container(const Frame *frame);

/* Hands the frame to the container's shim, in its own numbers. */
void pod_pass_up(Channel *channel, const Frame *frame);

/* The shim of the container is gone: so is the container. */
void pod_remove(Session *session, uint32_t container);

/* ---- in the shim of a member ---- */

/* Instead of starting a VM: shares the container's files, connects to the pod's shim and asks to be let in. The answer
 * counts as the guest's hello, after which RESUME is called. */
int pod_join(Session *session, const ChannelHandlers *handlers, void (*resume)(Session *session), Error *err);
