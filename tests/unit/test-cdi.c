/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/mem.h"
#include "common/base/path.h"
#include "runtime/host/cdi.h"
#include "runtime/host/pci.h"
#include "runtime/host/yaml.h"

/* ---- names ---- */

static void test_names(void **state) {
        static const char *const good[] = {
                "carrel.dev/gpu=0000:65:00.0", "nvidia.com/gpu=all", "a/b=c",
                "Vendor_x-1.com/cl.a_s-s=0",   "v/c=a:b_c-d.e",
        };
        static const char *const bad[] = {
                "",        "gpu0",          "nvidia.com=0", "nvidia.com/gpu", "nvidia.com/gpu=",
                "/gpu=0",  "nvidia.com/=0", "1v/c=x",       "v/1c=x",         "v/c=-x",
                "v/c=x-",  "v/c=x y",       "v/c=x/y",      "v/c/d=x",        "v./c=x",
                "v/c=x\n",
        };
        cleanup_free char *longest = xmalloc(700);

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(good); i++)
                assert_true(cdi_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++)
                assert_false(cdi_name_is_valid(bad[i]));
        memset(longest, 'a', 699);
        longest[699] = '\0';
        memcpy(longest, "v/c=", 4);
        assert_false(cdi_name_is_valid(longest));
}

/* ---- a file ---- */

static int add(CdiCatalog *catalog, const char *text, const char *file, unsigned priority, Error *err) {
        cleanup_json Json *spec = NULL;

        assert_int_equal(json_parse(text, strlen(text), NULL, &spec, err), 0);
        return cdi_catalog_add(catalog, spec, file, priority, err);
}

static void test_files(void **state) {
        static const struct {
                const char *text, *words;
        } bad[] = {
                { "[]", "cdiVersion: missing" },
                { "{\"cdiVersion\":\"2.0.0\",\"kind\":\"a/b\",\"devices\":[{\"name\":\"x\"}]}",
                  "\"2.0.0\": not one" },
                { "{\"cdiVersion\":\"0.5.0\",\"devices\":[{\"name\":\"x\"}]}",
                  "expected \"vendor.com/class\", found \"\"" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"ab\",\"devices\":[{\"name\":\"x\"}]}",
                  "found \"ab\"" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/b\",\"devices\":[]}", "devices: there are none" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/b\",\"devices\":{\"name\":\"x\"}}",
                  "devices: there are none" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/b\",\"devices\":[{\"name\":\"x y\"}]}",
                  "\"x y\" cannot be the name" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/b\",\"devices\":[{}]}", "\"\" cannot be the name" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/"
                  "b\",\"devices\":[{\"name\":\"x\"},{\"name\":\"x\"}]}",
                  "a/b=x is described twice" },
                { "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/"
                  "b\",\"devices\":[{\"name\":\"x\",\"containerEdits\":{\"deviceNodes\":[{}]}}]}",
                  "device x: a device node without a path" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
                cleanup_error Error e = { 0 };

                assert_true(add(catalog, bad[i].text, "f", 0, &e) < 0);
                assert_non_null(strstr(e.message, bad[i].words));
                assert_int_equal(catalog->n_devices, 0);
        }
}

#define ONE(node)                                                                                            \
        "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/"                                                            \
        "b\",\"devices\":[{\"name\":\"x\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"" node "\"}]}}]}"

static void test_priority(void **state) {
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_error Error e = { 0 };
        const GpuFacts facts = { 0 };

        (void)state;
        assert_int_equal(add(catalog, ONE("/dev/vfio/1"), "/etc/cdi/a.json", 0, &e), 0);
        assert_int_equal(add(catalog, ONE("/dev/vfio/2"), "/var/run/cdi/a.json", 1, &e), 0);
        assert_int_equal(add(catalog, ONE("/dev/vfio/3"), "/etc/cdi/b.json", 0, &e), 0);
        assert_int_equal(catalog->n_devices, 1);
        assert_int_equal(cdi_request(catalog, "a/b=x", "here", &facts, &request, &e), 0);
        assert_int_equal(request.n_wishes, 1);
        assert_int_equal(request.wishes[0].kind, GPU_WISH_GROUP);
        assert_int_equal(request.wishes[0].number, 2);
        assert_string_equal(request.wishes[0].source, "here: a/b=x: /dev/vfio/2");
        /* two of one folder: neither */
        assert_int_equal(add(catalog, ONE("/dev/vfio/4"), "/var/run/cdi/b.json", 1, &e), 0);
        assert_int_equal(cdi_request(catalog, "a/b=x", "here", &facts, &request, &e), -EINVAL);
        assert_string_equal(e.message,
                            "here: a/b=x: both /var/run/cdi/a.json and /var/run/cdi/b.json describe it; "
                            "remove one of them");
}

static void test_nodes(void **state) {
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_error Error e = { 0 };
        const GpuFacts facts = { 0 };

        (void)state;
        /* the host's path counts; what has no nodes is nothing of ours; an address does without nodes */
        assert_int_equal(add(catalog,
                             "{\"cdiVersion\":\"v0.6.0\",\"kind\":\"a/b\",\"devices\":["
                             "{\"name\":\"renamed\",\"containerEdits\":{\"deviceNodes\":[{\"path\":\"/dev/"
                             "x\",\"hostPath\":\"/dev/vfio/7\"}]}},"
                             "{\"name\":\"variables\",\"containerEdits\":{\"env\":[\"A=b\"]}},"
                             "{\"name\":0,\"annotations\":{\"bdf\":\"41:00.0\"},\"containerEdits\":{"
                             "\"deviceNodes\":[{\"path\":\"/dev/nvidia0\"}]}}]}",
                             "f", 0, &e),
                         0);
        assert_int_equal(cdi_request(catalog, "a/b=renamed", "s", &facts, &request, &e), 0);
        assert_int_equal(cdi_request(catalog, "a/b=variables", "s", &facts, &request, &e), 0);
        assert_int_equal(cdi_request(catalog, "a/b=0", "s", &facts, &request, &e), 0);
        assert_int_equal(request.n_wishes, 2);
        assert_int_equal(request.wishes[0].number, 7);
        assert_int_equal(request.wishes[1].kind, GPU_WISH_ADDRESS);
        assert_int_equal(request.wishes[1].address.bus, 0x41);
}

/* ---- generation ---- */

static PciDevice gpu(const char *address, int32_t group) {
        PciDevice d = { .address = xstrdup(address),
                        .vendor = PCI_VENDOR_NVIDIA,
                        .class_code = 0x030200,
                        .group = group };

        assert_true(pci_address_parse(address, &d.at));
        return d;
}

#define NODE(group)                                                                                          \
        "{\"path\":\"/dev/vfio/" group "\",\"type\":\"c\",\"major\":10,\"minor\":196,\"permissions\":"       \
        "\"rw\"}"

static void test_generate(void **state) {
        PciDevice devices[] = {
                gpu("0000:01:00.0", 11), gpu("0000:02:00.0", 12), gpu("0000:03:00.0", 12),
                gpu("0000:04:00.0", -1), gpu("0000:05:00.0", 13), gpu("0000:06:00.0", 14),
                gpu("0000:07:00.0", 15), gpu("0000:08:00.0", 17),
        };
        GpuFacts facts = { .devices = devices, .n_devices = ELEMENTS_OF(devices) };
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = xnew(CdiCatalog, 1);
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_strv char **warnings = NULL, **variables = NULL;
        cleanup_error Error e = { 0 };
        cleanup_json Json *spec = NULL;
        cleanup_free char *text = NULL;

        (void)state;
        devices[4].boot_vga = true;
        devices[5].virtuals = 2;
        devices[6].vendor = PCI_VENDOR_ASPEED;
        devices[6].class_code = 0x030000;
        devices[7].class_code = 0x068000; /* an NVSwitch goes along with all */
        assert_int_equal(cdi_generate(&facts, "carrel dev/gpu", false, &spec, &warnings, &e), -EINVAL);
        assert_int_equal(cdi_generate(&facts, "carrel.dev/gpu", false, &spec, &warnings, &e), 0);
        text = json_tree_to_text(json_item(json_get(spec, "devices"), 3), false);
        assert_string_equal(
                text,
                "{\"name\":\"all\",\"containerEdits\":{\"env\":[\"CARREL_GPU_GROUP_11=0000:01:00.0\","
                "\"CARREL_GPU_GROUP_12=0000:02:00.0,0000:03:00.0\",\"CARREL_GPU_GROUP_17=0000:08:00.0\"],"
                "\"deviceNodes\":[" NODE("11") "," NODE("12") "," NODE("17") "]}}");
        assert_int_equal(json_count(json_get(spec, "devices")), 4);
        assert_int_equal(strv_length(warnings), 2);
        assert_string_equal(warnings[0],
                            "0000:04:00.0: left out: it is in no IOMMU group (carrel gpu why 0000:04:00.0)");
        assert_string_equal(warnings[1],
                            "0000:05:00.0: left out: the host booted with this display (gpuBootDisplay)");
        /* what is written can be read, and means the same */
        assert_int_equal(cdi_catalog_add(catalog, spec, "f", 0, &e), 0);
        assert_int_equal(cdi_request(catalog, "carrel.dev/gpu=0000:03:00.0", "s", &facts, &request, &e), 0);
        assert_int_equal(cdi_request(catalog, "carrel.dev/gpu=all", "s", &facts, &request, &e), 0);
        assert_int_equal(request.n_wishes, 3);
        assert_int_equal(request.wishes[0].number, 12);
        assert_int_equal(request.wishes[1].number, 11);
        assert_int_equal(request.wishes[2].number, 17);
        /* as long as the groups are the same */
        strv_append(&variables, "CARREL_GPU_GROUP_12=0000:02:00.0,0000:03:00.0");
        assert_int_equal(cdi_check_environment(variables, 12, &facts, &e), 0);
        devices[2].group = 16;
        assert_int_equal(cdi_check_environment(variables, 12, &facts, &e), -ESTALE);
        assert_int_equal(cdi_check_environment(variables, 1, &facts, &e), 0);
        assert_int_equal(cdi_request(catalog, "carrel.dev/gpu=0000:03:00.0", "s", &facts, &request, &e),
                         -ESTALE);
        for (size_t i = 0; i < facts.n_devices; i++)
                free(devices[i].address);
}

/* ---- YAML ---- */

static const JsonLimits limits = { .bytes = 4096, .depth = 8, .values = 32 };

static void test_yaml(void **state) {
        static const char text[] = "# of the plugin\n---\ncdiVersion: 0.5.0\nkind: \"a/b\"\ndevices:\n- "
                                   "name: 0\n  on: [yes, true, ~, -7, 007, '1']\n"
                                   "  empty:\n  folded: >-\n    one\n    two\n  edits: {a: {b: !!str 5}}\n";
        cleanup_json Json *tree = NULL;
        cleanup_free char *written = NULL;
        cleanup_error Error e = { 0 };

        (void)state;
        assert_int_equal(yaml_to_json(text, strlen(text), &limits, &tree, &e), 0);
        written = json_tree_to_text(tree, false);
        assert_string_equal(
                written, "{\"cdiVersion\":\"0.5.0\",\"kind\":\"a/b\",\"devices\":[{\"name\":0,"
                         "\"on\":[\"yes\",true,null,-7,\"007\",\"1\"],\"empty\":null,\"folded\":\"one two\","
                         "\"edits\":{\"a\":{\"b\":\"5\"}}}]}");
}

static void test_yaml_refused(void **state) {
        static const struct {
                const char *text, *words;
        } bad[] = {
                { "", "there is nothing in it" },
                { "a: &x [1]\nb: *x\n", "line 2, column 4: an alias" },
                { "a: &a [*a]\n", "an alias" },
                { "a: 1\n---\nb: 2\n", "a second document" },
                { "a: 1\na: 2\n", "key a comes twice" },
                { "[1]: 2\n", "a key that is no scalar" },
                { "{{a: 1}: 2}\n", "a key that is no scalar" },
                { "a: !!binary aGk=\n", "a tag" },
                { "a: !!set {x}\n", "a tag" },
                { "a: [1\n", "line 2" },
                { "a: \"\\0\"\n", "NUL" },
                { "[[[[[[[[[1]]]]]]]]]", "nested deeper than 8 levels" },
                { "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
                  "more than 32 values" },
                { "a: \xff\xfe\n", "line 1" },
        };
        cleanup_error Error long_one = { 0 };
        cleanup_free char *text = xmalloc(5000);
        Json *none = NULL;

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                cleanup_error Error e = { 0 };
                Json *tree = NULL;

                assert_true(yaml_to_json(bad[i].text, strlen(bad[i].text), &limits, &tree, &e) < 0);
                assert_null(tree);
                if (!strstr(e.message, bad[i].words))
                        fail_msg("%s: %s", bad[i].words, e.message);
        }
        memset(text, ' ', 5000);
        assert_true(yaml_to_json(text, 5000, &limits, &none, &long_one) < 0);
}

/* ---- folders ---- */

static char *make_root(void) {
        char template[] = "/tmp/test-cdi,XXXXXX";

        assert_non_null(mkdtemp(template));
        return xstrdup(template);
}

static void put(int root, const char *path, const char *text) {
        cleanup_free char *folder = xstrdup(path);
        cleanup_error Error e = { 0 };

        *strrchr(folder, '/') = '\0';
        assert_int_equal(path_make_directories(root, folder, 0755, &e), 0);
        assert_int_equal(file_write_atomic(root, path, text, strlen(text), 0644, &e), 0);
}

static void remove_root(char *path) {
        cleanup_error Error e = { 0 };

        assert_int_equal(path_remove_tree(AT_FDCWD, path, &e), 0);
        free(path);
}

static void test_folders(void **state) {
        cleanup(cdi_catalog_freep) CdiCatalog *catalog = NULL;
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_error Error e = { 0 };
        const GpuFacts facts = { 0 };
        char *path = make_root();
        cleanup_close int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void)state;
        put(root, "etc/cdi/a.json", ONE("/dev/vfio/1"));
        put(root, "etc/cdi/garbage.json", "{");
        put(root, "etc/cdi/kind.yaml", "cdiVersion: 0.5.0\nkind: nothing\ndevices: [{name: x}]\n");
        put(root, "etc/cdi/README", "not one");
        put(root, "run/cdi/b.yml",
            "cdiVersion: 0.5.0\nkind: a/b\ndevices:\n- name: x\n  containerEdits:\n    deviceNodes:\n    - "
            "path: /dev/vfio/2\n");
        assert_int_equal(mkfifoat(root, "run/cdi/pipe.json", 0600), 0);
        assert_int_equal(mkdirat(root, "var", 0755), 0);
        assert_int_equal(symlinkat("/run", root, "var/run"), 0);
        catalog = cdi_catalog_read(root);
        assert_int_equal(catalog->n_devices, 1);
        assert_int_equal(cdi_request(catalog, "a/b=x", "s", &facts, &request, &e), 0);
        assert_int_equal(request.wishes[0].number, 2);
        assert_int_equal(strv_length(catalog->problems), 3);
        assert_non_null(str_after(catalog->problems[0], "/etc/cdi/garbage.json: "));
        assert_string_equal(catalog->problems[1],
                            "/etc/cdi/kind.yaml: kind: expected \"vendor.com/class\", found \"nothing\"");
        assert_string_equal(catalog->problems[2], "/var/run/cdi/pipe.json: not a regular file");
        assert_int_equal(cdi_request(catalog, "a/b=y", "s", &facts, &request, &e), -ENODEV);
        assert_non_null(strstr(e.message,
                               "s: a/b=y: no file in /etc/cdi, /var/run/cdi describes this CDI device; not "
                               "used: /etc/cdi/garbage.json: "));
        remove_root(path);
}

/* The character device that vfio makes beside the group's. */
static void test_vfio_device(void **state) {
        char *path = make_root();
        cleanup_close int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        GpuFacts facts = { 0 };

        (void)state;
        put(root, "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
        assert_int_equal(symlinkat("../../drivers/vfio-pci", root, "sys/bus/pci/devices/0000:01:00.0/driver"),
                         0);
        put(root, "sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3/dev", "510:3\n");
        put(root, "sys/bus/pci/devices/0000:02:00.0/class", "0x030200\n");
        pci_collect(root, &facts.devices, &facts.n_devices);
        assert_int_equal(facts.n_devices, 2);
        assert_string_equal(facts.devices[0].vfio_device, "vfio3");
        assert_null(facts.devices[1].vfio_device);
        json_clear(gpu_facts_fields, &facts);
        remove_root(path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),        cmocka_unit_test(test_files),
                cmocka_unit_test(test_priority),     cmocka_unit_test(test_nodes),
                cmocka_unit_test(test_generate),     cmocka_unit_test(test_yaml),
                cmocka_unit_test(test_yaml_refused), cmocka_unit_test(test_folders),
                cmocka_unit_test(test_vfio_device),
        };

        return cmocka_run_group_tests_name("cdi", tests, NULL, NULL);
}
