/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The control socket: runtime commands and exec proxies. Only root can reach it (it lies in the state folder, mode
 * 0600); still everything is bounded. Requests are answered by the agent or by the session. */

#include "shim/session.h"

/* Listens on STATE_CONTROL in the state folder. */
int control_new(Session *session, Control **ret, Error *err);
/* Ends all connections. Execs are heard of before the container: waits up to a second for their proxies. */
Control *control_free(Control *control);

/* Has the agent make the network while it makes the container. At START it is looked at again: an engine may still have
 * changed it, and what failed here is tried, and told of, there. */
void control_make_network(Control *control);

/* A stream frame or EXITED of a process that some connection started. */
int control_process_frame(Control *control, const Frame *frame, uint32_t process, Error *err);

/* A frame about a further container of the pod. */
int control_member_frame(Control *control, const Frame *frame, uint32_t container, Error *err);

/* Something happened in the guest: whoever is connected and runs nothing is told. */
int control_event(Control *control, const Frame *frame, Error *err);

/* Writes what is queued for the connections, before the end. */
void control_flush(Control *control);
