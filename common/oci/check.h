/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The checks behind oci_spec_parse() and its relatives, and the few words they share. For this folder alone.
 *
 * AT is what goes in front of the key in a message: "process." when the object is part of config.json, "" when it
 * is the document itself. */

#include "common/oci/spec.h"

/* "<place>: expected <what>, found "<value>"", with the value made printable and shortened. */
int oci_unexpected(Error *err, const char *what, const char *value, const char *place, ...)
        __attribute__((format(printf, 4, 5)));

/* As above, unless PATH begins with a slash. */
int oci_check_absolute(Error *err, const char *path, const char *place, ...)
        __attribute__((format(printf, 3, 4)));

int oci_check_process(const OciProcess *process, const char *at, Error *err);
int oci_check_hooks(const OciHooks *hooks, Error *err);
int oci_check_mappings(const OciIdMapping *mappings, size_t n, const char *place, Error *err);
int oci_check_linux(const OciLinux *linux_, Error *err);
int oci_check_resources(const OciResources *resources, const char *at, Error *err);
