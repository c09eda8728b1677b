/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan/facts.h"

static const JsonField firmware_fact_fields[] = {
        { JSON_FIELD(FirmwareFact, descriptor, "descriptor", JSON_KIND_STRING) },
        { JSON_FIELD(FirmwareFact, executable, "executable", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(FirmwareFact, nvram, "nvram", JSON_KIND_STRING) },
        { JSON_FIELD(FirmwareFact, device, "device", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_FIELD(FirmwareFact, features, "features", JSON_KIND_STRV) },
        {},
};

static const JsonField driver_fact_fields[] = {
        { JSON_FIELD(DriverFact, path, "path", JSON_KIND_STRING), .flags = JSON_REQUIRED },
        { JSON_OBJECT_PTR_FIELD(DriverFact, manifest, "manifest", driver_manifest_fields),
          .flags = JSON_REQUIRED },
        {},
};

const JsonField host_facts_fields[] = {
        { JSON_FIELD(HostFacts, cpus, "cpus", JSON_KIND_UINT32) },
        { JSON_FIELD(HostFacts, memory, "memory", JSON_KIND_UINT64) },
        { JSON_FIELD(HostFacts, address_bits, "addressBits", JSON_KIND_UINT32) },
        { JSON_FIELD(HostFacts, tsc_khz, "tscKhz", JSON_KIND_UINT32) },
        { JSON_FIELD(HostFacts, kvm, "kvm", JSON_KIND_BOOL), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(HostFacts, kvm_problem, "kvmProblem", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, kvm_gid, "kvmGid", JSON_KIND_UINT32) },
        { JSON_FIELD(HostFacts, qemu, "qemu", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, qemu_version, "qemuVersion", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, virtiofsd, "virtiofsd", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, virtiofsd_rust, "virtiofsdRust", JSON_KIND_BOOL) },
        { JSON_FIELD(HostFacts, qboot, "qboot", JSON_KIND_STRING) },
        { JSON_ARRAY_FIELD(HostFacts, firmware, "firmware", firmware_fact_fields) },
        { JSON_FIELD(HostFacts, vmlinux, "vmlinux", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, vmlinuz, "vmlinuz", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, initrd, "initrd", JSON_KIND_STRING) },
        { JSON_FIELD(HostFacts, qemu_uid, "qemuUid", JSON_KIND_UINT32), .flags = JSON_WRITE_ZERO },
        { JSON_FIELD(HostFacts, qemu_gid, "qemuGid", JSON_KIND_UINT32), .flags = JSON_WRITE_ZERO },
        { JSON_OBJECT_PTR_FIELD(HostFacts, gpu, "gpu", gpu_facts_fields) },
        { JSON_FIELD(HostFacts, rootless, "rootless", JSON_KIND_BOOL) },
        { JSON_FIELD(HostFacts, own_uid, "ownUid", JSON_KIND_UINT32) },
        { JSON_FIELD(HostFacts, own_gid, "ownGid", JSON_KIND_UINT32) },
        { JSON_FIELD(HostFacts, tun, "tun", JSON_KIND_BOOL) },
        { JSON_FIELD(HostFacts, cgroup_version, "cgroupVersion", JSON_KIND_UINT32),
          .flags = JSON_WRITE_ZERO },
        { JSON_ARRAY_FIELD(HostFacts, drivers, "drivers", driver_fact_fields) },
        { JSON_FIELD(HostFacts, driver_problems, "driverProblems", JSON_KIND_STRV) },
        {},
};
