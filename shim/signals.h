/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The signals a stand-in for a process passes on: all that can be caught and that a sender may mean for it. */

#include "common/base/loop.h"

/* Reports them, SIGCHLD and SIGWINCH on the loop; ignores SIGPIPE. */
int signals_catch(Loop *loop, LoopSignalFn fn, void *user, Error *err);
