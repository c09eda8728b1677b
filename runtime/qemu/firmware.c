/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/qemu/firmware.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "runtime/plan/words.h"

#define DESCRIPTOR_MAX (256U << 10) /* bytes; real ones have one or two thousand */

typedef struct File {
        char *filename;
        char *format;
} File;

typedef struct Mapping {
        char *device;
        char *mode;      /* of flash: "split" (default), "combined", "stateless" */
        File executable; /* flash */
        File nvram;      /* flash */
        char *filename;  /* memory */
} Mapping;

typedef struct Target {
        char *architecture;
        char **machines;
} Target;

typedef struct Descriptor {
        char **interfaces;
        Mapping mapping;
        Target *targets;
        size_t n_targets;
        char **features;
} Descriptor;

static const JsonField file_fields[] = {
        { JSON_FIELD(File, filename, "filename", JSON_KIND_STRING), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(File, format, "format", JSON_KIND_STRING) },
        {},
};

static const JsonField optional_file_fields[] = {
        { JSON_FIELD(File, filename, "filename", JSON_KIND_STRING) },
        { JSON_FIELD(File, format, "format", JSON_KIND_STRING) },
        {},
};

static const JsonField mapping_fields[] = {
        { JSON_FIELD(Mapping, device, "device", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(Mapping, mode, "mode", JSON_KIND_STRING) },
        { JSON_OBJECT_FIELD(Mapping, executable, "executable", file_fields) },
        { JSON_OBJECT_FIELD(Mapping, nvram, "nvram-template", optional_file_fields) },
        { JSON_FIELD(Mapping, filename, "filename", JSON_KIND_STRING) },
        {},
};

static const JsonField target_fields[] = {
        { JSON_FIELD(Target, architecture, "architecture", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(Target, machines, "machines", JSON_KIND_STRV), .flags = JSON_REQUIRED },
        {},
};

static const JsonField descriptor_fields[] = {
        { JSON_FIELD(Descriptor, interfaces, "interface-types", JSON_KIND_STRV), .flags = JSON_REQUIRED },
        { JSON_OBJECT_FIELD(Descriptor, mapping, "mapping", mapping_fields), .flags = JSON_REQUIRED },
        { JSON_ARRAY_FIELD(Descriptor, targets, "targets", target_fields), .flags = JSON_REQUIRED },
        { JSON_FIELD(Descriptor, features, "features", JSON_KIND_STRV), .flags = JSON_REQUIRED },
        {},
};

/* Machines are globs; those of real descriptors are "pc-q35-*" and its like. */
static bool is_q35(const char *glob) {
        return str_after(glob, "pc-q35-") || streq(glob, "pc-*") || streq(glob, "*");
}

static bool suits(const Descriptor *d) {
        if (!strv_contains(d->interfaces, "uefi"))
                return false;
        for (size_t i = 0; i < d->n_targets; i++) {
                if (!streq(d->targets[i].architecture, "x86_64"))
                        continue;
                STRV_FOR_EACH (machine, d->targets[i].machines)
                        if (is_q35(*machine))
                                return true;
        }
        return false;
}

/* Code that is read from one file as it is; formats other than raw and flash combined with its variables are not. */
static const char *code_of(const Mapping *m) {
        if (streq(m->device, "memory"))
                return m->filename;
        if (!streq(m->device, "flash") || streq(m->mode, "combined"))
                return NULL;
        return !m->executable.format || streq(m->executable.format, "raw") ? m->executable.filename : NULL;
}

int firmware_parse(const char *path, const char *text, size_t length, FirmwareFact *ret, Error *err) {
        const JsonLimits limits = { .bytes = DESCRIPTOR_MAX };
        Descriptor d = { 0 };
        int r = json_read_text(text, length, &limits, descriptor_fields, &d, err);
        const char *code;

        if (r < 0)
                return r;
        code = suits(&d) ? code_of(&d.mapping) : NULL;
        if (code)
                *ret = (FirmwareFact){
                        .descriptor = xstrdup(path),
                        .executable = xstrdup(code),
                        .nvram = TAKE_PTR(d.mapping.nvram.filename),
                        .device = TAKE_PTR(d.mapping.device),
                        .features = TAKE_PTR(d.features),
                };
        json_clear(descriptor_fields, &d);
        return code != NULL;
}

void firmware_fact_done(FirmwareFact *fact) {
        free(fact->descriptor);
        free(fact->executable);
        free(fact->nvram);
        free(fact->device);
        strv_free(fact->features);
        *fact = (FirmwareFact){ 0 };
}

/* Secure boot refuses our unsigned kernel, and its variables need SMM; confidential guests are another machine. */
static bool is_plain(const FirmwareFact *fact) {
        STRV_FOR_EACH (feature, fact->features)
                if (word_in("secure-boot enrolled-keys requires-smm", *feature))
                        return false;
        return true;
}

const FirmwareFact *firmware_choose(const FirmwareFact *firmware, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (is_plain(&firmware[i]))
                        return &firmware[i];
        return NULL;
}

typedef struct VhostUser {
        char *type;
        char *binary;
} VhostUser;

static const JsonField vhost_user_fields[] = {
        { JSON_FIELD(VhostUser, type, "type", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(VhostUser, binary, "binary", JSON_KIND_STRING), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        {},
};

int firmware_parse_virtiofsd(const char *text, size_t length, char **ret, Error *err) {
        const JsonLimits limits = { .bytes = DESCRIPTOR_MAX };
        VhostUser v = { 0 };
        int r = json_read_text(text, length, &limits, vhost_user_fields, &v, err);

        if (r < 0)
                return r;
        r = streq(v.type, "fs");
        if (r > 0)
                *ret = TAKE_PTR(v.binary);
        json_clear(vhost_user_fields, &v);
        return r;
}
