/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pausing: the virtual machine's processors are stopped and go on, by QMP. While they stand the guest answers nothing;
 * what is sent to it waits. */

#include "shim/session.h"

typedef struct Pause Pause;

/* ERROR NULL: done. */
typedef void (*PauseFn)(const Error *error, void *user, uint32_t tag);

Pause *pause_new(Session *session);
Pause *pause_free(Pause *pause);

/* Stops the machine (PAUSED) or lets it go on with its clock set right; FN is called exactly once, unless
 * pause_forget() comes first. One at a time: EBUSY. */
void pause_request(Pause *pause, bool paused, PauseFn fn, void *user, uint32_t tag);

/* USER goes away: nobody waits for the answer. */
void pause_forget(Pause *pause, void *user);

/* Lets a paused machine go on: the container is to be killed. */
void pause_break(Pause *pause);
