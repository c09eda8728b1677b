/* SPDX-License-Identifier: Apache-2.0 */
#include "common/protocol/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/path.h"
#include "common/base/str.h"

#define PATH_LONGEST       255U
#define TEXT_LONGEST       256U
#define VERMAGIC_LONGEST   128U
#define PARAMETERS_LONGEST 1024U
#define ENV_LONGEST        1024U

#define DEVICE_WORDS "\"10de:2330\", \"10de:*\", \"class:0302\" or \"class:03\""
#define LETTERS      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS       "0123456789"

static const JsonField kernel_fields[] = {
        { JSON_FIELD(DriverKernel, release, "release", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(DriverKernel, vermagic, "vermagic", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        {},
};

static const JsonField module_fields[] = {
        { JSON_FIELD(DriverModule, file, "file", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(DriverModule, parameters, "parameters", JSON_KIND_STRING) },
        { JSON_FIELD(DriverModule, depends, "depends", JSON_KIND_STRV) },
        {},
};

static const JsonField node_fields[] = {
        { JSON_FIELD(DriverNode, path, "path", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(DriverNode, major, "major", JSON_KIND_STRING) },
        { JSON_FIELD(DriverNode, minor, "minor", JSON_KIND_UINT32) },
        { JSON_FIELD(DriverNode, each, "each", JSON_KIND_STRING) },
        { JSON_FIELD(DriverNode, mode, "mode", JSON_KIND_UINT32) },
        {},
};

static const JsonField wait_fields[] = {
        { JSON_FIELD(DriverWait, device, "device", JSON_KIND_STRING) },
        { JSON_FIELD(DriverWait, paths, "paths", JSON_KIND_STRV), .flags = JSON_REQUIRED | JSON_NONEMPTY },
        { JSON_FIELD(DriverWait, timeout_ms, "timeoutMs", JSON_KIND_UINT32) },
        {},
};

const JsonField driver_manifest_fields[] = {
        { JSON_FIELD(DriverManifest, format, "format", JSON_KIND_UINT32), .flags = JSON_REQUIRED },
        { JSON_FIELD(DriverManifest, name, "name", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(DriverManifest, version, "version", JSON_KIND_STRING) },
        { JSON_FIELD(DriverManifest, description, "description", JSON_KIND_STRING) },
        { JSON_OBJECT_PTR_FIELD(DriverManifest, kernel, "kernel", kernel_fields) },
        { JSON_FIELD(DriverManifest, devices, "devices", JSON_KIND_STRV) },
        { JSON_ARRAY_FIELD(DriverManifest, modules, "modules", module_fields) },
        { JSON_FIELD(DriverManifest, firmware, "firmware", JSON_KIND_STRING) },
        { JSON_FIELD(DriverManifest, libraries, "libraries", JSON_KIND_STRV) },
        { JSON_FIELD(DriverManifest, programs, "programs", JSON_KIND_STRV) },
        { JSON_ARRAY_FIELD(DriverManifest, nodes, "nodes", node_fields) },
        { JSON_ARRAY_FIELD(DriverManifest, wait, "wait", wait_fields) },
        { JSON_FIELD(DriverManifest, env, "env", JSON_KIND_STRV) },
        {},
};

/* ---- words ---- */

static int refuse(Error *err, const char *key, const char *value, const char *expected) {
        cleanup_free char *shown = str_printable(value, strlen(value), 64);

        return error_set(err, EINVAL, "%s: expected %s, found \"%s\"", key, expected, shown);
}

/* 1 to LONGEST characters, all out of SET. */
static bool is_made_of(const char *s, const char *set, size_t longest) {
        size_t n = strlen(s);

        return n > 0 && n <= longest && strspn(s, set) == n;
}

/* One line; every byte of it can be shown. */
static bool is_line(const char *s, size_t longest) {
        size_t n = 0;

        for (; s[n]; n++)
                if ((unsigned char)s[n] < ' ' || s[n] == 0x7f)
                        return false;
        return n <= longest;
}

static bool is_name(const char *s) {
        return is_made_of(s, LETTERS DIGITS "_.-", DRIVER_NAME_MAX) && *s != '.' && *s != '-';
}

/* A path in the image: relative, and without "." and "..". */
static bool is_inside(const char *path) {
        cleanup_free char *absolute = xasprintf("/%s", path);

        return *path && is_line(path, PATH_LONGEST) && path_is_normalized(absolute);
}

static bool is_below(const char *path, const char *folder) {
        const char *rest = str_after(path, folder);

        return rest && *rest && is_line(path, PATH_LONGEST) && path_is_normalized(path);
}

static bool is_observable(const char *path) {
        return is_below(path, "/dev/") || is_below(path, "/sys/") || is_below(path, "/proc/");
}

/* ---- devices ---- */

static bool parse_hex(const char *s, size_t digits, uint32_t *ret) {
        cleanup_free char *part = xstrndup(s, digits);
        uint64_t value;

        if (strspn(part, "0123456789abcdefABCDEF") != digits || !str_to_u64(part, 16, UINT32_MAX, &value))
                return false;
        *ret = (uint32_t)value;
        return true;
}

static int match_class(const char *digits, uint32_t class) {
        size_t n = strlen(digits);
        uint32_t wanted;

        if ((n != 2 && n != 4) || !parse_hex(digits, n, &wanted))
                return -EINVAL;
        if (n == 2)
                return class >> 16 == wanted ? 1 : 0;
        return class >> 8 == wanted ? 2 : 0;
}

int driver_pattern_match(const char *pattern, uint32_t vendor, uint32_t device, uint32_t class) {
        const char *digits = str_after(pattern, "class:");
        uint32_t wanted_vendor, wanted_device = 0;
        bool any;

        if (digits)
                return match_class(digits, class);
        if (strlen(pattern) < 6 || pattern[4] != ':' || !parse_hex(pattern, 4, &wanted_vendor))
                return -EINVAL;
        any = streq(pattern + 5, "*");
        if (!any && (strlen(pattern) != 9 || !parse_hex(pattern + 5, 4, &wanted_device)))
                return -EINVAL;
        if (vendor != wanted_vendor)
                return 0;
        return any ? 3 : device == wanted_device ? 4 : 0;
}

/* ---- checks, one for each part ---- */

static int check_count(size_t n, size_t most, const char *key, Error *err) {
        return n > most ? error_set(err, E2BIG, "%s: more than %zu", key, most) : 0;
}

static int check_head(const DriverManifest *m, Error *err) {
        if (m->format != DRIVER_FORMAT)
                return error_set(err, EINVAL, "format: expected %u, found %u: made for another carrel",
                                 DRIVER_FORMAT, m->format);
        if (!is_name(m->name))
                return refuse(err, "name", m->name, "at most 64 letters, digits and \"_.-\"");
        if (streq(m->name, "auto") || streq(m->name, "none"))
                return refuse(err, "name", m->name, "a name that is no word of the configuration");
        if (m->version && !is_line(m->version, TEXT_LONGEST))
                return refuse(err, "version", m->version, "one short line");
        if (m->description && !is_line(m->description, TEXT_LONGEST))
                return refuse(err, "description", m->description, "one short line");
        return 0;
}

static int check_kernel(const DriverManifest *m, bool complete, Error *err) {
        const char *rest;

        if (!m->kernel && complete && m->n_modules > 0)
                return error_set(err, EINVAL, "kernel: missing, although there are modules");
        if (!m->kernel)
                return 0;
        if (!is_made_of(m->kernel->release, LETTERS DIGITS "._+~-", DRIVER_NAME_MAX))
                return refuse(err, "kernel.release", m->kernel->release, "a release (uname -r)");
        rest = str_after(m->kernel->vermagic, m->kernel->release);
        if (!rest || *rest != ' ' || !is_line(m->kernel->vermagic, VERMAGIC_LONGEST))
                return refuse(err, "kernel.vermagic", m->kernel->vermagic, "the release and words behind it");
        return 0;
}

static int check_devices(const DriverManifest *m, Error *err) {
        int r = check_count(strv_length(m->devices), DRIVER_DEVICES_MAX, "devices", err);

        if (r < 0)
                return r;
        STRV_FOR_EACH (pattern, m->devices)
                if (driver_pattern_match(*pattern, 0, 0, 0) < 0)
                        return refuse(err, "devices", *pattern, DEVICE_WORDS);
        return 0;
}

char *driver_module_name(const char *file) {
        const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
        char *name = xstrndup(base, strcspn(base, "."));

        for (char *p = name; *p; p++)
                if (*p == '-')
                        *p = '_';
        return name;
}

/* A module is loaded after those it needs, and the bundle has all of them. */
static int check_order(const DriverManifest *m, size_t i, Error *err) {
        STRV_FOR_EACH (needed, m->modules[i].depends) {
                cleanup_free char *wanted = driver_module_name(*needed);
                bool found = false;

                if (!is_made_of(*needed, LETTERS DIGITS "_-", DRIVER_NAME_MAX))
                        return refuse(err, "depends", *needed, "the name of a module");
                for (size_t j = 0; j < i && !found; j++) {
                        cleanup_free char *name = driver_module_name(m->modules[j].file);

                        found = streq(name, wanted);
                }
                if (!found)
                        return error_set(err, EINVAL,
                                         "%s needs module %s, which is not listed before it: add it to "
                                         "\"modules\"",
                                         m->modules[i].file, *needed);
        }
        return 0;
}

static int check_module(const DriverManifest *m, size_t i, Error *err) {
        const DriverModule *module = &m->modules[i];
        cleanup_free char *name = NULL;
        int r;

        if (!is_inside(module->file) || !str_ends_with(module->file, ".ko"))
                return refuse(err, "file", module->file, "the path of a .ko file in the bundle");
        name = driver_module_name(module->file);
        if (!is_made_of(name, LETTERS DIGITS "_", DRIVER_NAME_MAX))
                return refuse(err, "file", module->file, "a file called as its module");
        if (module->parameters && !is_line(module->parameters, PARAMETERS_LONGEST))
                return refuse(err, "parameters", module->parameters, "one line");
        r = check_count(strv_length(module->depends), DRIVER_LISTS_MAX, "depends", err);
        return r < 0 ? r : check_order(m, i, err);
}

static int check_modules(const DriverManifest *m, Error *err) {
        int r = check_count(m->n_modules, DRIVER_MODULES_MAX, "modules", err);

        for (size_t i = 0; r >= 0 && i < m->n_modules; i++)
                if (check_module(m, i, err) < 0)
                        r = error_prefix(err, "modules[%zu]", i);
        return r;
}

static int check_paths(char *const *paths, const char *key, Error *err) {
        int r = check_count(strv_length(paths), DRIVER_LISTS_MAX, key, err);

        if (r < 0)
                return r;
        STRV_FOR_EACH (path, paths)
                /* the loader's files separate folders by these */
                if (!is_inside(*path) || strpbrk(*path, ": \t,"))
                        return refuse(err, key, *path, "a path in the bundle");
        return 0;
}

static int check_node(const DriverNode *node, Error *err) {
        const char *mark = strchr(node->path, '#');

        if (!is_below(node->path, "/dev/") || str_ends_with(node->path, "/"))
                return refuse(err, "path", node->path, "a path below /dev");
        if (node->mode > 0777)
                return error_set(err, EINVAL, "mode: expected permissions (438 is 0666), found %u",
                                 node->mode);
        if (!node->major)
                return node->each || node->minor || mark
                               ? error_set(err, EINVAL, "minor, each and '#' go with major")
                               : 0;
        if (!is_made_of(node->major, LETTERS DIGITS "_-./", DRIVER_NAME_MAX))
                return refuse(err, "major", node->major, "a name in /proc/devices");
        if (node->minor >= 1U << 20)
                return error_set(err, EINVAL, "minor: %u is too large", node->minor);
        if (strpbrk(node->path, "*?["))
                return refuse(err, "path", node->path, "no pattern, since there is a major");
        if (!node->each != !mark || (mark && strchr(mark + 1, '#')))
                return error_set(err, EINVAL, "each goes with one '#' in the path");
        if (node->each && !is_observable(node->each))
                return refuse(err, "each", node->each, "a pattern below /dev, /sys or /proc");
        return 0;
}

static int check_nodes(const DriverManifest *m, Error *err) {
        int r = check_count(m->n_nodes, DRIVER_NODES_MAX, "nodes", err);

        for (size_t i = 0; r >= 0 && i < m->n_nodes; i++)
                if (check_node(&m->nodes[i], err) < 0)
                        r = error_prefix(err, "nodes[%zu]", i);
        return r;
}

static int check_wait(const DriverWait *wait, Error *err) {
        if (wait->device && driver_pattern_match(wait->device, 0, 0, 0) < 0)
                return refuse(err, "device", wait->device, DEVICE_WORDS);
        if (check_count(strv_length(wait->paths), DRIVER_LISTS_MAX, "paths", err) < 0)
                return -err->code;
        STRV_FOR_EACH (path, wait->paths)
                if (!is_observable(*path))
                        return refuse(err, "paths", *path, "patterns below /dev, /sys or /proc");
        if (wait->timeout_ms > DRIVER_WAIT_MAX_MS)
                return error_set(err, EINVAL, "timeoutMs: expected at most %u, found %u", DRIVER_WAIT_MAX_MS,
                                 wait->timeout_ms);
        return 0;
}

static int check_waits(const DriverManifest *m, Error *err) {
        int r = check_count(m->n_wait, DRIVER_LISTS_MAX, "wait", err);

        for (size_t i = 0; r >= 0 && i < m->n_wait; i++)
                if (check_wait(&m->wait[i], err) < 0)
                        r = error_prefix(err, "wait[%zu]", i);
        return r;
}

static int check_env(char *const *env, Error *err) {
        int r = check_count(strv_length(env), DRIVER_LISTS_MAX, "env", err);

        if (r < 0)
                return r;
        STRV_FOR_EACH (item, env) {
                cleanup_free char *name = xstrndup(*item, strcspn(*item, "="));

                if (!is_made_of(name, LETTERS DIGITS "_", DRIVER_NAME_MAX) || !is_line(*item, ENV_LONGEST))
                        return refuse(err, "env", *item, "NAME=VALUE or NAME");
        }
        return 0;
}

int driver_manifest_check(const DriverManifest *m, bool complete, Error *err) {
        int r = check_head(m, err);

        if (r >= 0)
                r = check_kernel(m, complete, err);
        if (r >= 0)
                r = check_devices(m, err);
        if (r >= 0)
                r = check_modules(m, err);
        if (r >= 0 && m->firmware && !is_inside(m->firmware))
                r = refuse(err, "firmware", m->firmware, "a folder in the bundle");
        if (r >= 0)
                r = check_paths(m->libraries, "libraries", err);
        if (r >= 0)
                r = check_paths(m->programs, "programs", err);
        if (r >= 0)
                r = check_nodes(m, err);
        if (r >= 0)
                r = check_waits(m, err);
        return r < 0 ? r : check_env(m->env, err);
}

int driver_manifest_parse(const char *text, size_t length, bool complete, DriverManifest **ret, Error *err) {
        const JsonLimits limits = { .bytes = DRIVER_MANIFEST_MAX, .depth = 8, .values = 1U << 14 };
        cleanup(driver_manifest_freep) DriverManifest *m = xnew(DriverManifest, 1);
        int r = json_read_text(text, length, &limits, driver_manifest_fields, m, err);

        if (r >= 0)
                r = driver_manifest_check(m, complete, err);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

DriverManifest *driver_manifest_free(DriverManifest *manifest) {
        if (manifest)
                json_clear(driver_manifest_fields, manifest);
        free(manifest);
        return NULL;
}
