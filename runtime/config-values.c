/* SPDX-License-Identifier: Apache-2.0 */

/* The keys of the configuration: their table, defaults, limits, and how annotations set them. Pure. */

#include "runtime/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/protocol/network.h"
#include "runtime/plan/sizing.h"
#include "runtime/plan/words.h"

#define FILE_MAX        (1U << 20) /* bytes of one file */
#define VALUE_SHOWN_MAX 64U        /* bytes of a value that a message shows */

#define DEFAULT_ALLOWED "vcpus memoryMiB driver"

const JsonField runtime_config_fields[] = {
        { JSON_FIELD(RuntimeConfig, accelerator, "accelerator", JSON_KIND_STRING),
          .doc = "What runs the guest's processors: \"kvm\", \"tcg\" (emulation, many times slower), or "
                 "\"auto\": kvm where it "
                 "really works, else tcg with a warning. Default: \"auto\"." },
        { JSON_FIELD(RuntimeConfig, firmware, "firmware", JSON_KIND_STRING),
          .doc = "What starts the guest's kernel: \"none\" (QEMU starts it directly, the fastest), "
                 "\"seabios\", \"ovmf\" "
                 "(UEFI), or \"auto\": ovmf with a GPU; without one none where qboot and vmlinux are there, "
                 "else "
                 "seabios. Default: \"auto\"." },
        { JSON_FIELD(RuntimeConfig, share, "share", JSON_KIND_STRING),
          .doc = "How the guest reads the container's files: \"virtiofs\", \"9p\" (slower, and QEMU then "
                 "runs as root), or "
                 "\"auto\": virtiofs where virtiofsd is installed, else 9p with a warning. Default: "
                 "\"auto\"." },
        { JSON_FIELD(RuntimeConfig, virtiofs_cache, "virtiofsCache", JSON_KIND_STRING),
          .doc = "How long the guest may trust what it has read through virtiofs: \"auto\" (a second; then "
                 "it "
                 "asks whether it has changed), \"always\" (the fastest; changes made on the host may not be "
                 "seen), \"none\". Default: \"auto\"." },
        { JSON_FIELD(RuntimeConfig, vcpus, "vcpus", JSON_KIND_UINT32), .flags = JSON_WRITE_ZERO,
          .doc = "Processors of the guest. 0: as many as the container's CPU limit amounts to, without one "
                 "as many as the "
                 "host has, at most 4; for a pod more, if its containers' limits amount to more. Default: "
                 "0." },
        { JSON_FIELD(RuntimeConfig, memory_mib, "memoryMiB", JSON_KIND_UINT64), .flags = JSON_WRITE_ZERO,
          .doc = "Memory of the guest in MiB, at least 128. 0: the container's memory limit and what the "
                 "guest itself "
                 "needs; without a limit 2048, for a pod more if its containers' limits amount to more, and "
                 "never more than the cgroups above allow. Untouched memory costs the host nothing. Default: "
                 "0." },
        { JSON_FIELD(RuntimeConfig, network_cards, "networkCards", JSON_KIND_UINT32),
          .flags = JSON_WRITE_ZERO,
          .doc = "Network cards of the guest, at most 8: so many interfaces a container can have. One that "
                 "is not "
                 "used does not show in the container. Default: 2." },
        { JSON_FIELD(RuntimeConfig, qemu, "qemu", JSON_KIND_STRING),
          .doc = "QEMU, an absolute path. Default: qemu-system-x86_64 on PATH." },
        { JSON_FIELD(RuntimeConfig, qemu_user, "qemuUser", JSON_KIND_STRING),
          .doc = "User QEMU runs as, a name or a number; one that nothing else uses is best. \"root\": no "
                 "change of user. "
                 "Default: \"nobody\"." },
        { JSON_FIELD(RuntimeConfig, virtiofsd, "virtiofsd", JSON_KIND_STRING),
          .doc = "virtiofsd, an absolute path. Default: the one QEMU's vhost-user descriptors name." },
        { JSON_FIELD(RuntimeConfig, vmlinux, "vmlinux", JSON_KIND_STRING),
          .doc = "The guest's kernel for firmware \"none\": an ELF image with a PVH entry, an absolute path. "
                 "Default: "
                 "vmlinux in carrel's data folder." },
        { JSON_FIELD(RuntimeConfig, vmlinuz, "vmlinuz", JSON_KIND_STRING),
          .doc = "The same kernel for the other kinds of firmware: a bzImage with an EFI stub, an absolute "
                 "path. "
                 "Default: vmlinuz in carrel's data folder." },
        { JSON_FIELD(RuntimeConfig, initrd, "initrd", JSON_KIND_STRING),
          .doc = "The guest's initrd with carrel-agent, an absolute path. Default: initrd in carrel's data "
                 "folder." },
        { JSON_FIELD(RuntimeConfig, ovmf, "ovmf", JSON_KIND_STRING),
          .doc = "OVMF's code, as a flash image without variables, an absolute path. Default: ovmf.fd in "
                 "carrel's data folder, else what QEMU's firmware descriptors name." },
        { JSON_FIELD(RuntimeConfig, driver, "driver", JSON_KIND_STRING),
          .doc = "Driver bundle the guest gets (carrel driver list): a name, \"none\", or \"auto\": the one "
                 "that suits a device that is passed to the guest, if any. Default: \"auto\"." },
        { JSON_FIELD(RuntimeConfig, driver_path, "driverPath", JSON_KIND_STRING),
          .doc = "Folder in which driver bundles (*.erofs) are looked for before drivers in carrel's data "
                 "folder, an absolute path. Default: none." },
        { JSON_FIELD(RuntimeConfig, kernel_append, "kernelAppend", JSON_KIND_STRING),
          .doc = "Words added to the guest's kernel command line. Default: none." },
        { JSON_FIELD(RuntimeConfig, check_kernel, "checkKernel", JSON_KIND_BOOL), .flags = JSON_WRITE_ZERO,
          .doc = "Whether a kernel that lacks what its firmware or a GPU needs is refused before it is "
                 "started. "
                 "Default: true." },
        { JSON_FIELD(RuntimeConfig, boot_timeout_ms, "bootTimeoutMs", JSON_KIND_UINT64),
          .doc = "Milliseconds a guest may take from the start of QEMU until its agent answers. Default: "
                 "60000." },
        { JSON_FIELD(RuntimeConfig, console_limit, "consoleLimit", JSON_KIND_UINT64),
          .flags = JSON_WRITE_ZERO,
          .doc = "Bytes of the guest's console that are kept for each container, on the file system of the "
                 "state "
                 "folder. Default: 262144." },
        { JSON_FIELD(RuntimeConfig, gpu_devices, "gpuDevices", JSON_KIND_STRV), .flags = JSON_WRITE_ZERO,
          .doc = "What a bundle may ask for besides GPUs and what is bound to vfio-pci already: PCI "
                 "addresses "
                 "(\"0000:03:00.0\"), vendor and device ids (\"8086:0a54\"), or \"*\" for every device. "
                 "Default: none." },
        { JSON_FIELD(RuntimeConfig, gpu_from_environment, "gpuFromEnvironment", JSON_KIND_BOOL),
          .flags = JSON_WRITE_ZERO,
          .doc = "Whether NVIDIA_VISIBLE_DEVICES in a container's environment asks for GPUs by itself. "
                 "Images "
                 "set it, to all, so that every container of such an image gets them then. Without this it "
                 "counts only beside NVIDIA's hook, which docker adds for --gpus. Default: false." },
        { JSON_FIELD(RuntimeConfig, gpu_boot_display, "gpuBootDisplay", JSON_KIND_BOOL),
          .flags = JSON_WRITE_ZERO,
          .doc = "Whether the display that the host booted with may be given to a container; the host has no "
                 "screen then. Default: false." },
        { JSON_FIELD(RuntimeConfig, huge_pages, "hugePages", JSON_KIND_STRING),
          .doc = "Memory of a guest with a GPU, all of which is pinned at the start: \"always\" from huge "
                 "pages (vm.nr_hugepages), \"never\", or \"auto\": where enough are free. Default: "
                 "\"auto\"." },
        { JSON_FIELD(RuntimeConfig, hide_hypervisor, "hideHypervisor", JSON_KIND_BOOL),
          .flags = JSON_WRITE_ZERO,
          .doc = "Whether the guest is kept from seeing that it is a virtual machine, for drivers that "
                 "refuse "
                 "one. Its clock is slower then. Default: false." },
        { JSON_FIELD(RuntimeConfig, allow_annotations, "allowAnnotations", JSON_KIND_STRV),
          .flags = JSON_WRITE_ZERO,
          .doc = "Keys of this file that a bundle may set for itself by an annotation io.carrel.KEY; \"*\" "
                 "allows all "
                 "but this one. Whoever starts containers controls annotations, so programs, kernel and "
                 "initrd are "
                 "better not among them. Default: [\"vcpus\", \"memoryMiB\", \"driver\"]." },
        {},
};

RuntimeConfig *runtime_config_new(void) {
        RuntimeConfig *config = xnew(RuntimeConfig, 1);

        config->accelerator = xstrdup("auto");
        config->firmware = xstrdup("auto");
        config->share = xstrdup("auto");
        config->virtiofs_cache = xstrdup("auto");
        config->qemu_user = xstrdup("nobody");
        config->driver = xstrdup("auto");
        config->network_cards = 2;
        config->boot_timeout_ms = 60000;
        config->console_limit = 256U << 10;
        config->huge_pages = xstrdup("auto");
        config->check_kernel = true;
        config->allow_annotations = strv_split(DEFAULT_ALLOWED, " ");
        return config;
}

RuntimeConfig *runtime_config_free(RuntimeConfig *config) {
        if (config)
                json_clear(runtime_config_fields, config);
        free(config);
        return NULL;
}

/* ---- keys ---- */

const JsonField *runtime_config_field(const char *key) {
        for (const JsonField *field = runtime_config_fields; field->key; field++)
                if (streq(field->key, key))
                        return field;
        return NULL;
}

/* Letters to insert, drop or change (Levenshtein), with case ignored; words beyond the limit are far from all. */
static size_t distance(const char *a, const char *b) {
        enum { LONGEST = 32 };
        size_t row[LONGEST + 1], la = strlen(a), lb = strlen(b);

        if (la > LONGEST || lb > LONGEST)
                return SIZE_MAX;
        for (size_t j = 0; j <= lb; j++)
                row[j] = j;
        for (size_t i = 1; i <= la; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= lb; j++) {
                        bool same = (a[i - 1] | 0x20) == (b[j - 1] | 0x20);
                        size_t best = diagonal + !same;

                        diagonal = row[j];
                        if (row[j] + 1 < best)
                                best = row[j] + 1;
                        if (row[j - 1] + 1 < best)
                                best = row[j - 1] + 1;
                        row[j] = best;
                }
        }
        return row[lb];
}

const char *runtime_config_nearest_key(const char *key) {
        const char *nearest = NULL;
        size_t least = SIZE_MAX;

        for (const JsonField *field = runtime_config_fields; field->key; field++) {
                size_t d = distance(key, field->key);

                if (d < least) {
                        least = d;
                        nearest = field->key;
                }
        }
        return least <= 1 + strlen(key) / 3 ? nearest : NULL;
}

/* ---- checks ---- */

static int refuse(Error *err, const char *key, const char *value, const char *expected) {
        cleanup_free char *shown = str_printable(value, strlen(value), VALUE_SHOWN_MAX);

        return error_set(err, EINVAL, "%s: expected %s, found \"%s\"", key, expected, shown);
}

static int check_words(const RuntimeConfig *c, Error *err) {
        const struct {
                const char *key, *value, *words, *expected;
        } rules[] = {
                { "accelerator", c->accelerator, "auto kvm tcg", "\"auto\", \"kvm\" or \"tcg\"" },
                { "firmware", c->firmware, "auto none seabios ovmf",
                  "\"auto\", \"none\", \"seabios\" or \"ovmf\"" },
                { "share", c->share, "auto virtiofs 9p", "\"auto\", \"virtiofs\" or \"9p\"" },
                { "virtiofsCache", c->virtiofs_cache, "auto always none",
                  "\"auto\", \"always\" or \"none\"" },
                { "hugePages", c->huge_pages, "auto always never", "\"auto\", \"always\" or \"never\"" },
        };

        for (size_t i = 0; i < ELEMENTS_OF(rules); i++)
                if (!word_in(rules[i].words, rules[i].value))
                        return refuse(err, rules[i].key, rules[i].value, rules[i].expected);
        return 0;
}

static int check_numbers(const RuntimeConfig *c, Error *err) {
        const struct {
                const char *key;
                uint64_t value, min, max;
                bool zero; /* is allowed too */
        } rules[] = {
                { "vcpus", c->vcpus, 1, GUEST_VCPUS_MAX, true },
                { "memoryMiB", c->memory_mib, GUEST_MEMORY_MIN_MIB, 64U << 20, true },
                { "networkCards", c->network_cards, 1, NETWORK_CARDS_MAX, true },
                { "bootTimeoutMs", c->boot_timeout_ms, 1000, 3600000, false },
                { "consoleLimit", c->console_limit, 4096, 1U << 30, true },
        };

        for (size_t i = 0; i < ELEMENTS_OF(rules); i++)
                if ((rules[i].value != 0 || !rules[i].zero) &&
                    (rules[i].value < rules[i].min || rules[i].value > rules[i].max))
                        return error_set(err, EINVAL,
                                         "%s: expected %sa number from %" PRIu64 " to %" PRIu64
                                         ", found %" PRIu64,
                                         rules[i].key, rules[i].zero ? "0 or " : "", rules[i].min,
                                         rules[i].max, rules[i].value);
        return 0;
}

static int check_paths(const RuntimeConfig *c, Error *err) {
        const struct {
                const char *key, *value;
        } rules[] = {
                { "qemu", c->qemu },       { "virtiofsd", c->virtiofsd }, { "vmlinux", c->vmlinux },
                { "vmlinuz", c->vmlinuz }, { "initrd", c->initrd },       { "driverPath", c->driver_path },
                { "ovmf", c->ovmf },
        };

        for (size_t i = 0; i < ELEMENTS_OF(rules); i++)
                if (rules[i].value && *rules[i].value != '/')
                        return refuse(err, rules[i].key, rules[i].value, "an absolute path");
        return 0;
}

static int check_allowed(const RuntimeConfig *c, Error *err) {
        STRV_FOR_EACH (key, c->allow_annotations)
                if (!streq(*key, "*") && !runtime_config_field(*key))
                        return refuse(err, "allowAnnotations", *key, "keys of this file, or \"*\"");
        return 0;
}

static bool has_control_character(const char *s) {
        for (; s && *s; s++)
                if ((unsigned char)*s < ' ' || *s == 0x7f)
                        return true;
        return false;
}

int runtime_config_check(const RuntimeConfig *config, Error *err) {
        int r = check_words(config, err);

        if (r >= 0)
                r = check_numbers(config, err);
        if (r >= 0)
                r = check_paths(config, err);
        if (r >= 0)
                r = check_allowed(config, err);
        if (r >= 0 && has_control_character(config->kernel_append))
                r = refuse(err, "kernelAppend", config->kernel_append, "words on one line");
        if (r >= 0 && !*config->qemu_user)
                r = refuse(err, "qemuUser", config->qemu_user, "the name or number of a user");
        return r;
}

/* ---- files ---- */

int runtime_config_merge(Json *merged, const char *text, size_t length, Error *err) {
        const JsonLimits limits = { .bytes = FILE_MAX, .comments = true };
        cleanup_json Json *file = NULL;
        RuntimeConfig alone = { 0 };
        int r = json_parse(text, length, &limits, &file, err);

        /* By itself, so that the error is about this file. */
        if (r >= 0)
                r = json_read(file, runtime_config_fields, &alone, err);
        if (r < 0)
                return r;
        json_clear(runtime_config_fields, &alone);
        for (size_t i = 0; i < json_count(file); i++) {
                const char *key = json_key(file, i);
                const Json *value = json_item(file, i);
                const char *nearest = runtime_config_nearest_key(key);

                if (!runtime_config_field(key)) {
                        cleanup_free char *shown = str_printable(key, strlen(key), 64);

                        return error_set(err, EINVAL, "%s: no such key%s%s%s", shown,
                                         nearest ? "; did you mean " : "", nearest ? nearest : "",
                                         nearest ? "?" : "");
                }
                json_set(merged, key, json_type(value) == JSON_NULL ? NULL : json_copy(value));
        }
        return 0;
}

int runtime_config_from_tree(const Json *merged, RuntimeConfig **ret, Error *err) {
        cleanup(runtime_config_freep) RuntimeConfig *defaults = runtime_config_new();
        cleanup(runtime_config_freep) RuntimeConfig *config = xnew(RuntimeConfig, 1);
        cleanup_json Json *tree = json_to_tree(runtime_config_fields, defaults);
        int r;

        for (size_t i = 0; i < json_count(merged); i++)
                json_set(tree, json_key(merged, i), json_copy(json_item(merged, i)));
        r = json_read(tree, runtime_config_fields, config, err);
        if (r >= 0)
                r = runtime_config_check(config, err);
        if (r >= 0)
                *ret = TAKE_PTR(config);
        return r;
}

/* ---- annotations ---- */

/* The value of an annotation as the JSON value that stands for it in the file; NULL if it cannot be one. */
static Json *value_from_text(const JsonField *field, const char *text) {
        cleanup_strv char **words = NULL;
        Json *array;
        uint64_t n;

        if (field->kind == JSON_KIND_STRING)
                return json_new_string(text);
        if (field->kind == JSON_KIND_BOOL)
                return word_in("true false", text) ? json_new_bool(streq(text, "true")) : NULL;
        if (field->kind == JSON_KIND_STRV) {
                array = json_new_array();
                words = strv_split(text, ", ");
                STRV_FOR_EACH (word, words)
                        json_append(array, json_new_string(*word));
                return array;
        }
        return str_to_u64(text, 10, field->kind == JSON_KIND_UINT32 ? UINT32_MAX : UINT64_MAX, &n)
                       ? json_new_uint64(n)
                       : NULL;
}

static int apply_annotation(const RuntimeConfig *config, const JsonField *field, const char *text, Json *tree,
                            Error *err) {
        Json *value;

        if (streq(field->key, "allowAnnotations"))
                return error_set(err, EPERM, "annotation " ANNOTATION_PREFIX "%s: never allowed", field->key);
        if (!strv_contains(config->allow_annotations, field->key) &&
            !strv_contains(config->allow_annotations, "*"))
                return error_set(err, EPERM,
                                 "annotation " ANNOTATION_PREFIX
                                 "%s: not allowed; an administrator allows it by adding "
                                 "\"%s\" to \"allowAnnotations\" in carrel's configuration",
                                 field->key, field->key);
        value = value_from_text(field, text);
        if (!value) {
                cleanup_free char *key = xasprintf("annotation " ANNOTATION_PREFIX "%s", field->key);

                return refuse(err, key, text, field->kind == JSON_KIND_BOOL ? "true or false" : "a number");
        }
        json_set(tree, field->key, value);
        return 0;
}

int runtime_config_apply_annotations(RuntimeConfig *config, const StrMap *annotations, Error *err) {
        cleanup_json Json *tree = json_to_tree(runtime_config_fields, config);
        RuntimeConfig changed = { 0 };
        int r;

        for (size_t i = 0; i < annotations->count; i++) {
                const char *key = str_after(annotations->keys[i], ANNOTATION_PREFIX);
                const JsonField *field = key ? runtime_config_field(key) : NULL;

                r = field ? apply_annotation(config, field, annotations->values[i], tree, err) : 0;
                if (r < 0)
                        return r;
        }
        r = json_read(tree, runtime_config_fields, &changed, err);
        if (r < 0)
                return r;
        r = runtime_config_check(&changed, err);
        if (r < 0) {
                cleanup_free char *message = xstrdup(err->message);

                json_clear(runtime_config_fields, &changed);
                return error_set(err, -r, "annotation " ANNOTATION_PREFIX "%s", message);
        }
        json_clear(runtime_config_fields, config);
        *config = changed;
        return 0;
}

/* ---- text ---- */

static void print_doc(StrBuf *out, const char *doc) {
        enum { WIDTH = 100 };
        cleanup_strv char **words = strv_split(doc, " ");
        size_t column = 0;

        STRV_FOR_EACH (word, words) {
                if (column > 0 && column + strlen(*word) + 1 > WIDTH) {
                        strbuf_putc(out, '\n');
                        column = 0;
                }
                if (column == 0)
                        strbuf_puts(out, "  //");
                strbuf_printf(out, " %s", *word);
                column += strlen(*word) + 1;
        }
        strbuf_putc(out, '\n');
}

char *runtime_config_to_text(const RuntimeConfig *config, bool docs) {
        cleanup_json Json *tree = json_to_tree(runtime_config_fields, config);
        StrBuf out = { 0 };

        strbuf_puts(&out, "{\n");
        for (const JsonField *field = runtime_config_fields; field->key; field++) {
                const Json *value = json_get(tree, field->key);
                cleanup_free char *text = json_tree_to_text(value, false);

                if (docs && field != runtime_config_fields)
                        strbuf_putc(&out, '\n');
                if (docs)
                        print_doc(&out, field->doc);
                strbuf_printf(&out, "  \"%s\": %s%s\n", field->key, value ? text : "null",
                              field[1].key ? "," : "");
        }
        strbuf_puts(&out, "}\n");
        return strbuf_take(&out);
}
