/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "runtime/gpu/leftovers.h"
#include "runtime/gpu/select.h"
#include "runtime/gpu/sources.h"
#include "runtime/gpu/vfio-node.h"

static void test_drop(void **state) {
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_error Error e = { 0 };

        (void)state;
        assert_int_equal(gpu_request_parse("0000:65:00.0", GPU_BY_ANNOTATION, &request, &e), 0);
        assert_int_equal(gpu_request_parse_visible("3", "place", &request, &e), 0);
        assert_int_equal(gpu_request_parse("2", GPU_BY_ANNOTATION, &request, &e), 0);
        assert_int_equal(request.n_wishes, 3);
        gpu_request_drop(&request, GPU_BY_ANNOTATION);
        assert_int_equal(request.n_wishes, 1);
        assert_string_equal(request.wishes[0].source, "place");
}

/* ---- NVIDIA_VISIBLE_DEVICES ---- */

static void test_visible(void **state) {
        static const char *const nothing[] = { "", "none", "void", " ", "," };
        static const char *const bad[] = { "two",   "0,x", "-1",   "0x1",   "all,0",           "GPU-1",
                                           "MIG-1", "0:0", "4096", "1 GPU", "nvidia.com/gpu=0" };
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_error Error e = { 0 };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(nothing); i++)
                assert_int_equal(gpu_request_parse_visible(nothing[i], "place", &request, &e), 0);
        assert_int_equal(request.n_wishes, 0);
        assert_int_equal(
                gpu_request_parse_visible("2, 0,2,00000000:65:00.0,0000:65:00.0", "place", &request, &e), 0);
        assert_int_equal(request.n_wishes, 3);
        assert_int_equal(request.wishes[0].number, 2);
        assert_int_equal(request.wishes[1].number, 0);
        assert_int_equal(request.wishes[2].kind, GPU_WISH_ADDRESS);
        assert_int_equal(gpu_request_parse_visible("all", "place", &request, &e), 0);
        assert_int_equal(request.wishes[3].kind, GPU_WISH_ALL);
        for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
                cleanup_gpu_request GpuRequest refused = { 0 };

                assert_int_equal(gpu_request_parse_visible(bad[i], "place", &refused, &e), -EINVAL);
                assert_non_null(str_after(e.message, "place: "));
        }
}

/* ---- hooks and nodes ---- */

static void test_hooks(void **state) {
        (void)state;
        assert_true(gpu_hook_is_nvidias("/usr/bin/nvidia-container-runtime-hook", NULL));
        assert_true(
                gpu_hook_is_nvidias("/usr/local/nvidia/toolkit/nvidia-container-runtime-hook.real", NULL));
        assert_true(gpu_hook_is_nvidias("/usr/bin/nvidia-ctk", NULL));
        assert_true(gpu_hook_is_nvidias("nvidia-cdi-hook", NULL));
        assert_false(gpu_hook_is_nvidias("/usr/bin/nvidia-container-runtime-hooks", NULL));
        assert_false(gpu_hook_is_nvidias("/usr/bin/nvidia-ctk/other", NULL));
        assert_false(gpu_hook_is_nvidias("/usr/bin/my-nvidia-ctk", NULL));
}

/* ctr run --gpus */
static void test_containerds_hook(void **state) {
        char *args[] = { (char[]){ "containerd" },   (char[]){ "oci-hook" },
                         (char[]){ "--" },           (char[]){ "/usr/bin/nvidia-container-cli" },
                         (char[]){ "--load-kmods" }, (char[]){ "configure" },
                         (char[]){ "--device=0,1" }, NULL };
        OciHook hook = { .path = (char[]){ "/usr/bin/containerd" }, .args = args };

        (void)state;
        assert_true(gpu_hook_is_nvidias(hook.path, hook.args));
        assert_string_equal(gpu_hook_devices(&hook), "0,1");
        args[6] = NULL;
        assert_null(gpu_hook_devices(&hook));
        args[3] = (char[]){ "/usr/bin/other" };
        assert_false(gpu_hook_is_nvidias(hook.path, hook.args));
        assert_false(gpu_hook_is_nvidias("/usr/bin/other", hook.args));
}

static void test_vfio_nodes(void **state) {
        uint32_t group = 0;

        (void)state;
        assert_int_equal(vfio_node_parse("/dev/vfio/14", &group), VFIO_NODE_GROUP);
        assert_int_equal(group, 14);
        assert_int_equal(vfio_node_parse("/dev/vfio/vfio", &group), VFIO_NODE_CONTROL);
        assert_int_equal(vfio_node_parse("/dev/iommu", &group), VFIO_NODE_CONTROL);
        assert_int_equal(vfio_node_parse("/dev/vfio/devices/vfio0", &group), VFIO_NODE_DEVICE);
        assert_int_equal(vfio_node_parse("/dev/vfio/noiommu-1", &group), VFIO_NODE_UNKNOWN);
        assert_int_equal(vfio_node_parse("/dev/vfio/99999999999", &group), VFIO_NODE_UNKNOWN);
        assert_int_equal(vfio_node_parse("/dev/vfio2/1", &group), VFIO_NODE_OTHER);
}

/* ---- a bundle ---- */

#define BUNDLE(more)                                                                                         \
        "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"x\"],\"cwd\":\"/"      \
        "\"" more

static unsigned look(const char *text, bool from_environment) {
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup_error Error e = { 0 };

        assert_int_equal(oci_spec_parse(text, strlen(text), &spec, &e), 0);
        return gpu_sources_look(spec, from_environment);
}

static void test_look(void **state) {
        (void)state;
        assert_int_equal(look(BUNDLE("}}"), true), 0);
        assert_int_equal(look(BUNDLE(",\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"]}}"), false), 0);
        assert_int_equal(look(BUNDLE(",\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"]}}"), true),
                         GPU_SOURCE_ENVIRONMENT);
        assert_int_equal(
                look(BUNDLE("},\"annotations\":{\"io.carrel.gpu\":\"1\",\"cdi.k8s.io/x\":\"a/b=c\"}}"),
                     false),
                GPU_SOURCE_ANNOTATION | GPU_SOURCE_CDI);
        assert_int_equal(
                look(BUNDLE("},\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"/dev/vfio/vfio\"}]}}"),
                     false),
                0);
        assert_int_equal(
                look(BUNDLE("},\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"/dev/vfio/3\"}]}}"), false),
                GPU_SOURCE_DEVICES);
        assert_int_equal(look(BUNDLE("},\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"/dev/vfio/3\"}],"
                                     "\"resources\":{\"devices\":[{\"allow\":true}]}}}"),
                              false),
                         0);
        /* a hook of another list is not the one that docker adds */
        assert_int_equal(
                look(BUNDLE(",\"env\":[\"NVIDIA_VISIBLE_DEVICES=all\"]},\"hooks\":{\"poststop\":[{\"path\":"
                            "\"/nvidia-container-runtime-hook\"}]}}"),
                     false),
                0);
}

/* Without wishes only the hooks go; nothing to take out leaves the tree as it is. */
static void test_apply(void **state) {
        static const char text[] = BUNDLE(
                "},\"hooks\":{\"createContainer\":[{\"path\":\"/usr/bin/nvidia-cdi-hook\"},{\"path\":"
                "\"/bin/true\"}]},\"mounts\":[{\"destination\":\"/usr/bin/nvidia-smi\",\"type\":\"bind\","
                "\"source\":\"/usr/bin/nvidia-smi\"}]}");
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup(oci_spec_freep) OciSpec *spec = NULL;
        cleanup_error Error e = { 0 };
        cleanup_json Json *tree = NULL;
        const GpuFacts facts = { 0 };
        GpuSources from = { .facts = &facts };

        (void)state;
        assert_int_equal(json_parse(text, strlen(text), NULL, &tree, &e), 0);
        assert_int_equal(oci_spec_from_tree(tree, &spec, &e), 0);
        assert_int_equal(gpu_sources_apply(&from, tree, &spec, &request, &e), 1);
        assert_int_equal(spec->hooks->n_create_container, 1);
        assert_string_equal(spec->hooks->create_container[0].path, "/bin/true");
        assert_int_equal(spec->n_mounts, 1);
        assert_int_equal(strv_length(request.notes), 1);
        gpu_request_done(&request);
        assert_int_equal(gpu_sources_apply(&from, tree, &spec, &request, &e), 0);
        assert_null(request.notes);
}

/* ---- what engines' words mean on hosts of other makers ---- */

static size_t count_chosen(const GpuFacts *facts, const char *visible, Error *err) {
        cleanup_gpu_request GpuRequest request = { 0 };
        cleanup_gpu_choice GpuChoice choice = { 0 };
        const GpuNeeds needs = { 0 };
        const GpuPreference preference = { .needs = &needs, .numa_node = -1 };

        assert_int_equal(gpu_request_parse_visible(visible, "place", &request, err), 0);
        return gpu_select(&request, facts, &preference, &choice, err) < 0 ? 0 : choice.n_slots;
}

static void test_other_makers(void **state) {
        PciBar bar = { .index = 0, .address = 1U << 30, .size = 1U << 24 };
        PciDevice devices[3] = { 0 };
        GpuFacts facts = { .devices = devices,
                           .n_devices = 3,
                           .iommu = true,
                           .interrupt_remapping = true,
                           .vfio_pci = true };
        cleanup_error Error e = { 0 };

        (void)state;
        for (uint8_t i = 0; i < 3; i++) {
                devices[i] = (PciDevice){ .at = { .bus = (uint8_t)(i + 1) },
                                          .vendor = i < 2 ? PCI_VENDOR_AMD : PCI_VENDOR_NVIDIA,
                                          .class_code = 0x030200,
                                          .group = i,
                                          .bars = &bar,
                                          .n_bars = 1,
                                          .numa_node = -1 };
                devices[i].address = xmalloc(PCI_ADDRESS_SIZE);
                pci_address_format(&devices[i].at, devices[i].address);
        }
        /* NVIDIA's are meant where there are some */
        assert_int_equal(count_chosen(&facts, "all", &e), 1);
        assert_int_equal(count_chosen(&facts, "0", &e), 1);
        assert_int_equal(count_chosen(&facts, "1", &e), 0);
        assert_string_equal(e.message, "place: there is no GPU 1: the host has "
                                       "1, counted from 0 (carrel gpu list)");
        facts.n_devices = 2;
        assert_int_equal(count_chosen(&facts, "all", &e), 2);
        assert_int_equal(count_chosen(&facts, "1", &e), 1);
        assert_int_equal(count_chosen(&facts, "2", &e), 0);
        for (size_t i = 0; i < 3; i++)
                free(devices[i].address);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_drop),       cmocka_unit_test(test_visible),
                cmocka_unit_test(test_hooks),      cmocka_unit_test(test_containerds_hook),
                cmocka_unit_test(test_vfio_nodes), cmocka_unit_test(test_look),
                cmocka_unit_test(test_apply),      cmocka_unit_test(test_other_makers),
        };

        return cmocka_run_group_tests_name("gpu-sources", tests, NULL, NULL);
}
