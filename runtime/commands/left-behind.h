/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What containers left that nobody will delete: folders of creates that were killed, with their cgroups, and devices of
 * containers that have ended or gone. A container that has stopped keeps its folder for its engine's `delete`. */

#include "runtime/commands/command.h"

/* A line for each, added to *LINES; changes nothing. */
void left_find(const Globals *globals, char ***lines);

/* Removes and gives back all of it, with a line for each thing done. With an error the first failure, after all was
 * tried. */
int left_repair(const Globals *globals, char ***lines, Error *err);
