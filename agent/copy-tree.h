/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "common/base/error.h"

/* Copies what is in the folder FROM into the folder TO: folders, files, links, devices, with owner, mode,
 * times and those extended attributes that TO can hold. One file system only; hard links become copies. */
int copy_tree(int from, int to, Error *err);
