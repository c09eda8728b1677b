/* SPDX-License-Identifier: Apache-2.0 */

/* What people are told of QEMU's errors about passed devices. The words are QEMU 7.2's own. */

#include "unit.h"

#include <string.h>

#include "common/base/cleanup.h"
#include "shim/qemu-words.h"

static void test_words(void **state) {
        static const struct {
                const char *words, *meaning; /* part of it; NULL: none */
        } cases[] = {
                { "qemu-system-x86_64: -device {...}: vfio 0000:01:00.0: group 14 is not viable | Please "
                  "ensure all "
                  "devices within the iommu_group are bound to their vfio bus driver.",
                  "another device of its IOMMU group" },
                { "vfio 0000:01:00.0: failed to open /dev/vfio/14: Permission denied", "QEMU's user" },
                { "vfio 0000:01:00.0: failed to open /dev/vfio/14: Operation not permitted",
                  "device cgroup" },
                { "vfio 0000:01:00.0: failed to open /dev/vfio/14: Device or resource busy",
                  "another virtual machine" },
                { "vfio 0000:01:00.0: failed to setup container for group 14: memory listener initialization "
                  "failed: "
                  "Region ram: vfio_dma_map(0x55, 0x0, 0x80000000, 0x7f) = -12 (Cannot allocate memory)",
                  "RLIMIT_MEMLOCK" },
                { "vfio 0000:01:00.0: failed to setup container for group 14: failed to set iommu for "
                  "container: "
                  "Operation not permitted",
                  "not remapped" },
                { "qemu-system-x86_64: Address space limit 0x7fffffffff < 0x1037fffffff phys-bits too low "
                  "(39)",
                  "address bits" },
                { "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory",
                  "vm.nr_hugepages" },
                { "qemu-system-x86_64: preallocating memory failed: Bad address", "free some" },
                { "qemu-system-x86_64: -kernel: could not open kernel file", NULL },
                { "", NULL },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                const char *meaning = qemu_words_explain(cases[i].words);

                if (!cases[i].meaning)
                        assert_null(meaning);
                else if (!meaning || !strstr(meaning, cases[i].meaning))
                        fail_msg("%s: %s", cases[i].words, meaning ? meaning : "nothing");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_words) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
