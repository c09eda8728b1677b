/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a guest kernel must have been built with, and why, as one table; and the comparison of a kernel's
 * configuration with it. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "runtime/host/unpack.h"

/* What an option is needed for: a set of bits. */
typedef enum KernelUse {
        KERNEL_USE_MACHINE = 1 << 0,   /* every VM: boots, finds its devices, talks to the host */
        KERNEL_USE_CONTAINER = 1 << 1, /* every container */
        KERNEL_USE_DIRECT = 1 << 2,    /* boot without firmware (qboot, PVH) */
        KERNEL_USE_UEFI = 1 << 3,      /* boot through OVMF */
        KERNEL_USE_GPU = 1 << 4,       /* a GPU in the VM */
        KERNEL_USE_ALL = (1 << 5) - 1,
} KernelUse;

typedef struct KernelOption {
        const char *name; /* without CONFIG_ */
        unsigned uses;    /* KernelUse bits */
        bool required;    /* false: something works worse, or fewer containers work */
        bool module_ok;   /* "m" is as good as "y" */
        bool unwanted;    /* it must be off */
        const char *why;  /* what goes wrong, in plain words */
} KernelOption;

extern const KernelOption kernel_options[]; /* ends with a NULL name */

typedef struct KernelLack {
        const KernelOption *option;
        char found; /* 'n', 'm' or, for unwanted ones, 'y' */
} KernelLack;

/* The options for USES that CONFIG (text of a .config) does not have as it should, in the order of the table, required
 * ones first. INITRD: how the initrd is packed; PACK_UNKNOWN: not known. Owned by the caller; returns how many. */
size_t kernel_config_check(const char *config, unsigned uses, PackFormat initrd, KernelLack **ret);

/* Value of an option: "y", "m", a number, a quoted text; *LENGTH bytes; NULL if it is not set. */
const char *kernel_config_get(const char *config, const char *name, size_t *ret_length);

/* "every VM", "GPUs", ... of the most important use among the bits. Static. */
const char *kernel_use_words(unsigned uses);
