/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The administrator's configuration: /etc/carrel/config.json and drop-ins config.d/NAME.json in name order, later
 * keys winning. Comments are allowed. One table describes every key; `carrel config` and carrel-config(5) are made
 * from it. Annotations "io.carrel.<key>" override only the keys listed in allow_annotations.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/json.h"

typedef struct RuntimeConfig {
        char *accelerator;    /* auto, kvm, tcg */
        char *firmware;       /* auto, none (direct boot), seabios, ovmf */
        char *share;          /* auto, virtiofs, 9p */
        char *virtiofs_cache; /* auto, always, none */
        uint32_t vcpus;       /* 0: from the container's limits, else the host's CPUs, at most 4 */
        uint64_t memory_mib;  /* MiB; 0: from the container's limit, else 2048 */
        char *qemu;           /* program; NULL: looked up on PATH */
        char *qemu_user;      /* name or number; "root" turns the change of user off */
        char *virtiofsd;      /* program; NULL: through QEMU's vhost-user descriptors */
        char *vmlinux, *vmlinuz, *initrd; /* NULL: below the data folder */
        char *ovmf;                       /* NULL: below the data folder, else what QEMU's descriptors name */
        char *driver;                     /* auto, none, or the name of a bundle */
        char *driver_path;                /* folder of bundles beside the data folder's; NULL: none */
        char *kernel_append;              /* added to the guest's kernel command line */
        bool check_kernel;                /* the kernel is looked at before it is started */
        uint64_t boot_timeout_ms;
        uint32_t network_cards; /* of the guest */
        uint64_t console_limit; /* bytes of console log kept a container */
        char **gpu_devices;     /* other devices than GPUs that may be passed: addresses, models; "*": any */
        bool gpu_from_environment; /* NVIDIA_VISIBLE_DEVICES is a wish also without NVIDIA's hook */
        bool gpu_boot_display;     /* the display that the host booted with may be passed */
        char *huge_pages;          /* auto, always, never: memory of a VM with a passed device */
        bool hide_hypervisor;      /* the guest is not told that it is one */
        char **allow_annotations;  /* keys (without io.carrel.) a bundle may override; "*": all */
} RuntimeConfig;

extern const JsonField runtime_config_fields[]; /* with .doc on every field */

/* Annotations begin with this; the key follows as it is written in the file. */
#define ANNOTATION_PREFIX "io.carrel."

/* Defaults, then files. PATH NULL: the compiled-in folder; then missing files are fine. A path given by the user
 * (--config) must exist and no drop-ins are read. Unknown keys are an error here (a typo must not pass silently), named
 * with the file. */
int runtime_config_load(const char *path, RuntimeConfig **ret, Error *err);
RuntimeConfig *runtime_config_free(RuntimeConfig *config);
DEFINE_CLEANUP(RuntimeConfig *, runtime_config_free);

/* A configuration with the defaults only. */
RuntimeConfig *runtime_config_new(void);

/* Applies io.carrel.* annotations that name configuration keys. A key that exists and is not allowed is EPERM with a
 * line that says which administrator setting allows it. Annotations of other subsystems (io.carrel.gpu) are left. */
int runtime_config_apply_annotations(RuntimeConfig *config, const StrMap *annotations, Error *err);

/* Checks values (known words, ranges); the error names the key. */
int runtime_config_check(const RuntimeConfig *config, Error *err);

/* The effective configuration as a file that can be read back; DOCS puts what each key means above it. Owned by the
 * caller. */
char *runtime_config_to_text(const RuntimeConfig *config, bool docs);

/* ---- parts ---- */

/* As runtime_config_load(NULL) with another folder. */
int runtime_config_load_from(const char *folder, RuntimeConfig **ret, Error *err);
/* The text of one file: its keys into MERGED, over what is there; `null` takes a key back to its default. */
int runtime_config_merge(Json *merged, const char *text, size_t length, Error *err);
/* Defaults with MERGED over them, checked. */
int runtime_config_from_tree(const Json *merged, RuntimeConfig **ret, Error *err);

/* NULL: no such key. */
const JsonField *runtime_config_field(const char *key);
/* The key that was probably meant; NULL: none is like it. */
const char *runtime_config_nearest_key(const char *key);
