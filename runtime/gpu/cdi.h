/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The Container Device Interface (github.com/cncf-tags/container-device-interface, SPEC.md), as far as its names lead
 * to devices that can be passed: a name is "vendor.com/class=device", a specification says which device nodes it
 * stands for. Engines apply specifications themselves; where they only hand names on (annotations cdi.k8s.io/NAME)
 * they are looked up here. Reading the files is runtime/host/cdi.c's. Pure.
 */

#include "common/base/error.h"
#include "runtime/gpu/facts.h"
#include "runtime/gpu/request.h"

#define CDI_ANNOTATION_PREFIX "cdi.k8s.io/"
#define CDI_KIND_MAX          317U /* vendor, a DNS name of 253 bytes; slash; class of 63 */

typedef struct CdiDevice {
        char *name;        /* qualified */
        char *file;        /* that it was found in */
        unsigned priority; /* of the file's folder: the greater one wins */
        char *rival;       /* another file of the same priority that has the name too; NULL: none */
        char **nodes;      /* of the host, in the file's order */
        char *address;     /* PCI address, of its annotations or its name; NULL: not said */
} CdiDevice;

typedef struct CdiCatalog {
        CdiDevice *devices;
        size_t n_devices;
        char **folders;  /* that were looked into */
        char **problems; /* one line for each file that cannot be used */
} CdiCatalog;

CdiCatalog *cdi_catalog_free(CdiCatalog *catalog);
DEFINE_CLEANUP(CdiCatalog *, cdi_catalog_free);

/* Adds what one file describes, or nothing. EINVAL, E2BIG: what is wrong with it, without its name. */
int cdi_catalog_add(CdiCatalog *catalog, const Json *spec, const char *file, unsigned priority, Error *err);

/* "vendor.com/class", by the specification's grammar. */
bool cdi_kind_is_valid(const char *kind);
/* "vendor.com/class=device" */
bool cdi_name_is_valid(const char *name);

/* What the devices that NAME stands for are called in a request. CATALOG NULL: none was read. */
int cdi_request(const CdiCatalog *catalog, const char *name, const char *source, const GpuFacts *facts,
                GpuRequest *request, Error *err);

/*
 * A specification of KIND for the host's GPUs: one device each, named by its address, and "all". WARNINGS takes lines
 * on GPUs that are left out. ENODEV: there is nothing to describe.
 */
int cdi_generate(const GpuFacts *facts, const char *kind, bool boot_display, Json **ret, char ***warnings,
                 Error *err);

/*
 * What cdi_generate() lets an engine put into the environment beside /dev/vfio/14: CARREL_GPU_GROUP_14=ADDRESS,...;
 * ESTALE when the group holds something else by now.
 */
#define CDI_ENVIRONMENT "CARREL_GPU_GROUP_"
int cdi_check_environment(char *const *environment, uint32_t group, const GpuFacts *facts, Error *err);
