/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The manifest of a driver bundle (docs/drivers.md): what is in it, for which kernel and devices, and what the guest
 * does with it. The host reads it from the bundle's end, the agent gets it with `create`; one schema for both, and both
 * check it, since whoever made the bundle need not be right.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json.h"

#define DRIVER_FORMAT 1U

/* Limits of a manifest. */
#define DRIVER_MANIFEST_MAX (256U << 10) /* bytes of its text */
#define DRIVER_NAME_MAX     64U
#define DRIVER_DEVICES_MAX  2048U
#define DRIVER_MODULES_MAX  64U
#define DRIVER_NODES_MAX    64U
#define DRIVER_LISTS_MAX    64U /* entries of each other list */
#define DRIVER_WAIT_MAX_MS  120000U
#define DRIVER_WAIT_MS      10000U /* unless the manifest says otherwise */

/* Serial number of the disk with the bundle, by which the agent finds it. */
#define DRIVER_SERIAL "carrel-driver"
/* Where the guest has it, for itself and in the container (in FILES there; BIN has links to the programs). */
#define DRIVER_GUEST "/run/carrel/driver"
#define DRIVER_ROOT  "/usr/lib/carrel-driver"
#define DRIVER_FILES DRIVER_ROOT "/files"
#define DRIVER_BIN   DRIVER_ROOT "/bin"

typedef struct DriverKernel {
        char *release;  /* uname -r */
        char *vermagic; /* of all modules; as in the kernel itself */
} DriverKernel;

typedef struct DriverModule {
        char *file;       /* in the image */
        char *parameters; /* as insmod takes them; may be NULL */
        char **depends;   /* modules it needs, by name; filled in when the bundle is built */
} DriverModule;

/* Device nodes the container gets. */
typedef struct DriverNode {
        char *path;     /* below /dev. Without MAJOR a pattern of what the kernel makes itself (glob(7)) */
        char *major;    /* name in /proc/devices: the agent makes the node, since the driver does not */
        uint32_t minor; /* with MAJOR */
        char *each;     /* with MAJOR: a pattern; for each of its N matches a node, '#' in PATH is 0 to N-1 */
        uint32_t mode;  /* permissions in the container; 0: 0666 */
} DriverNode;

typedef struct DriverWait {
        char *device; /* only if one that matches is in the guest (a pattern as in DEVICES); NULL: always */
        char **paths; /* patterns below /dev, /sys or /proc; each must have a match */
        uint32_t timeout_ms; /* 0: DRIVER_WAIT_MS */
} DriverWait;

typedef struct DriverManifest {
        uint32_t format;
        char *name, *version, *description;
        DriverKernel *kernel; /* NULL: no modules */
        char **devices;       /* patterns, see driver_pattern_match() */
        DriverModule *modules;
        size_t n_modules;
        char *firmware;   /* folder in the image */
        char **libraries; /* folders in the image */
        char **programs;  /* files in the image */
        DriverNode *nodes;
        size_t n_nodes;
        DriverWait *wait;
        size_t n_wait;
        char **env; /* "NAME=VALUE", or "NAME": not to be set in the container */
} DriverManifest;

extern const JsonField driver_manifest_fields[];

/* Everything but what needs the image. COMPLETE: as `carrel driver build` leaves it, with the kernel of its modules;
 * else as people write it. Errors are EINVAL or E2BIG and name the key. */
int driver_manifest_check(const DriverManifest *manifest, bool complete, Error *err);

/* Reads and checks LENGTH bytes of text. */
int driver_manifest_parse(const char *text, size_t length, bool complete, DriverManifest **ret, Error *err);
DriverManifest *driver_manifest_free(DriverManifest *manifest);
DEFINE_CLEANUP(DriverManifest *, driver_manifest_free);

/*
 * How well a PCI function suits a pattern of `devices`, 0 for not at all: "10de:2330" (4), "10de:*" (3), "class:0302"
 * (2; base class and subclass), "class:03" (1). CLASS is the 24-bit code. -EINVAL: not a pattern.
 */
int driver_pattern_match(const char *pattern, uint32_t vendor, uint32_t device, uint32_t class);

/* The kernel's name of a module in FILE: "a/nvidia-uvm.ko" is nvidia_uvm. Owned by the caller. */
char *driver_module_name(const char *file);
