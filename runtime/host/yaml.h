/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * YAML as a tree of JSON values: the part of it that has a counterpart there. yaml.c is the only file that knows
 * libyaml. Plain scalars are null, true, false, an integer, or else a string (so is 0.5). Refused: aliases, tags but
 * !!str, keys that are no scalars or come twice, more than one document.
 */

#include "common/base/json.h"

/* LENGTH bytes within LIMITS, of which bytes, depth and values count. Errors as of json_parse(). */
int yaml_to_json(const char *text, size_t length, const JsonLimits *limits, Json **ret, Error *err);
