/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading the host's CDI specifications (runtime/gpu/cdi.h) below ROOT (host-root.h). */

#include "runtime/gpu/cdi.h"

/*
 * All of /etc/cdi and /var/run/cdi, of which the latter wins: files called *.json, *.yaml and *.yml. Does not fail:
 * a file that cannot be used is a line in the catalogue's problems, and the others count.
 */
CdiCatalog *cdi_catalog_read(int root);
