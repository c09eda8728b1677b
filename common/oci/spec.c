/* SPDX-License-Identifier: Apache-2.0 */
#include "common/oci/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/oci/check.h"

#define UTS_NAME_MAX 64U

/* ---- tables ---- */

static const JsonField root_fields[] = {
        { JSON_FIELD(OciRoot, path, "path", JSON_KIND_STRING), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(OciRoot, readonly, "readonly", JSON_KIND_BOOL) },
        { 0 },
};

const JsonField oci_mount_fields[] = {
        { JSON_FIELD(OciMount, destination, "destination", JSON_KIND_STRING),
          .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(OciMount, type, "type", JSON_KIND_STRING) },
        { JSON_FIELD(OciMount, source, "source", JSON_KIND_STRING) },
        { JSON_FIELD(OciMount, options, "options", JSON_KIND_STRV) },
        { JSON_ARRAY_FIELD(OciMount, uid_mappings, "uidMappings", oci_id_mapping_fields) },
        { JSON_ARRAY_FIELD(OciMount, gid_mappings, "gidMappings", oci_id_mapping_fields) },
        { 0 },
};

const JsonField oci_spec_fields[] = {
        { JSON_FIELD(OciSpec, oci_version, "ociVersion", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_OBJECT_PTR_FIELD(OciSpec, process, "process", oci_process_fields), .flags = JSON_REQUIRED },
        { JSON_OBJECT_PTR_FIELD(OciSpec, root, "root", root_fields), .flags = JSON_REQUIRED },
        { JSON_FIELD(OciSpec, hostname, "hostname", JSON_KIND_STRING) },
        { JSON_FIELD(OciSpec, domainname, "domainname", JSON_KIND_STRING) },
        { JSON_ARRAY_FIELD(OciSpec, mounts, "mounts", oci_mount_fields) },
        { JSON_OBJECT_PTR_FIELD(OciSpec, hooks, "hooks", oci_hooks_fields) },
        { JSON_FIELD(OciSpec, annotations, "annotations", JSON_KIND_STRING_MAP) },
        { JSON_OBJECT_PTR_FIELD(OciSpec, linux_, "linux", oci_linux_fields) },
        { 0 },
};

/* ---- checks ---- */

static int check_mounts(const OciSpec *spec, Error *err) {
        for (size_t i = 0; i < spec->n_mounts; i++) {
                const OciMount *m = &spec->mounts[i];
                cleanup_free char *uids = xasprintf("mounts[%zu].uidMappings", i);
                cleanup_free char *gids = xasprintf("mounts[%zu].gidMappings", i);
                int r = oci_check_absolute(err, m->destination, "mounts[%zu].destination", i);

                if (r >= 0)
                        r = oci_check_mappings(m->uid_mappings, m->n_uid_mappings, uids, err);
                if (r >= 0)
                        r = oci_check_mappings(m->gid_mappings, m->n_gid_mappings, gids, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* As long as the kernel's utsname takes them. */
static int check_name(const char *name, const char *key, Error *err) {
        size_t length = name ? strlen(name) : 0;

        return length > UTS_NAME_MAX ? error_set(err, EINVAL, "%s: expected at most %u characters, found %zu",
                                                 key, UTS_NAME_MAX, length)
                                     : 0;
}

static int check_spec(const OciSpec *spec, Error *err) {
        int r;

        if (!str_after(spec->oci_version, "1."))
                return oci_unexpected(err, "version 1.x", spec->oci_version, "ociVersion");
        r = oci_check_process(spec->process, "process.", err);
        if (r >= 0)
                r = check_name(spec->hostname, "hostname", err);
        if (r >= 0)
                r = check_name(spec->domainname, "domainname", err);
        if (r >= 0)
                r = check_mounts(spec, err);
        if (r >= 0 && spec->hooks)
                r = oci_check_hooks(spec->hooks, err);
        if (r >= 0 && spec->linux_)
                r = oci_check_linux(spec->linux_, err);
        return r;
}

/* ---- documents ---- */

int oci_spec_from_tree(const Json *v, OciSpec **ret, Error *err) {
        cleanup(oci_spec_freep) OciSpec *spec = xnew(OciSpec, 1);
        int r = json_read(v, oci_spec_fields, spec, err);

        if (r >= 0)
                r = check_spec(spec, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(spec);
        return 0;
}

int oci_spec_parse(const char *text, size_t length, OciSpec **ret, Error *err) {
        cleanup_json Json *v = NULL;
        int r = json_parse(text, length, NULL, &v, err);

        return r < 0 ? r : oci_spec_from_tree(v, ret, err);
}

OciSpec *oci_spec_free(OciSpec *spec) {
        if (spec)
                json_clear(oci_spec_fields, spec);
        free(spec);
        return NULL;
}

int oci_check_id(const char *id, Error *err) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
        size_t length = strlen(id);

        if (length == 0)
                return error_set(err, EINVAL, "container id cannot be empty");
        if (length > OCI_ID_MAX)
                return error_set(err, EINVAL, "container id too long: %zu characters, the limit is %u",
                                 length, OCI_ID_MAX);
        if (id[strspn(id, allowed)] || streq(id, ".") || streq(id, "..")) {
                cleanup_free char *shown = str_printable(id, length, 64);

                return error_set(err, EINVAL, "invalid container ID format: \"%s\"", shown);
        }
        return 0;
}
