/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "shim/session.h"

/* Shares the container's files, starts virtiofsd and QEMU, and opens what leads there: AGENT handles the agent's frames. The
 * end of either program, or of the conversation with QEMU, ends the session. */
int machine_start(Session *session, const ChannelHandlers *agent, Error *err);
