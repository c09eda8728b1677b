/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Waiting for a container or an exec in the foreground: our signals are its signals, our terminal is its terminal. */

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "runtime/host/launch.h"

typedef struct Foreground Foreground;

/* From here on signals are caught and, unless MASTER is -1, the terminal is the pty's. SHIM is borrowed. */
int foreground_new(const Shim *shim, int master, Foreground **ret, Error *err);

/* Until the shim has ended and its terminal is read to the end; the exit status. */
int foreground_wait(Foreground *foreground, Error *err);

/* Gives the terminal back. */
Foreground *foreground_free(Foreground *foreground);
DEFINE_CLEANUP(Foreground *, foreground_free);
