/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host/accelerator.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/base/loop.h"
#include "common/base/mem.h"

#define KVM_DEVICE "/dev/kvm"
/* The only version there ever was since Linux 2.6.22. */
#define KVM_VERSION 12

/* One slot of memory at guest address 0, and what lies where in it. */
#define GUEST_MEMORY   (2U << 20)
#define GUEST_PML4     0x1000U
#define GUEST_PDPT     0x2000U
#define GUEST_PD       0x3000U
#define GUEST_CODE     0x4000U
#define PAGE_PRESENT   0x1U
#define PAGE_WRITABLE  0x2U
#define PAGE_LARGE     0x80U
#define CR0_PE         0x1U
#define CR0_PG         0x80000000U
#define CR4_PAE        0x20U
#define EFER_LME       0x100U
#define EFER_LMA       0x400U
#define SEGMENT_CODE   0xbU /* execute, read, accessed */
#define SEGMENT_DATA   0x3U /* read, write, accessed */
#define RFLAGS_ALWAYS1 0x2U

#define LOOP_ROUNDS 1000U
/* mov, then two a round, then hlt */
#define LOOP_INSTRUCTIONS (2U * LOOP_ROUNDS + 2U)

/* Real virtualisation needs some 10 µs for the loop with getting in and out, and nested below an emulated host 50 to
 * 300 µs. A host that emulates was measured at 1400 µs. The quickest of a few short runs decides: the first pays for
 * page faults and cold caches (22 ms measured), and on a busy host any may be interrupted. */
#define SLOW_USEC 500U
#define ATTEMPTS  10U
/* No answer after this: KVM_RUN hangs. */
#define LIMIT_USEC 300000U

/* mov ecx, LOOP_ROUNDS; 1: dec ecx; jnz 1b; hlt */
static const uint8_t guest_code[] = {
        0xb9, LOOP_ROUNDS & 0xff, LOOP_ROUNDS >> 8, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xf4
};

typedef struct TestVm {
        int kvm, vm, vcpu;
        uint8_t *memory;
        struct kvm_run *run;
        size_t run_size;
} TestVm;

static void test_vm_done(TestVm *t) {
        if (t->run)
                munmap(t->run, t->run_size);
        close_descriptor(&t->vcpu);
        close_descriptor(&t->vm);
        close_descriptor(&t->kvm);
        if (t->memory)
                munmap(t->memory, GUEST_MEMORY);
}

static void report_set(AcceleratorReport *report, KvmState state, char *problem) {
        free(report->problem);
        report->state = state;
        report->problem = problem;
}

static int report_refused(AcceleratorReport *report, const char *step) {
        report_set(report, KVM_STATE_REFUSED,
                   xasprintf(KVM_DEVICE " opens but refuses %s: %s", step, strerror(errno)));
        return -1;
}

static int open_device(TestVm *t, AcceleratorReport *report) {
        t->kvm = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
        if (t->kvm >= 0)
                return 0;
        if (errno == ENOENT)
                report_set(report, KVM_STATE_ABSENT,
                           xstrdup("there is no " KVM_DEVICE
                                   ": no hardware virtualisation, or its module (kvm_intel, "
                                   "kvm_amd) is not loaded"));
        else if (errno == ENODEV || errno == ENXIO)
                report_set(report, KVM_STATE_ABSENT,
                           xstrdup(KVM_DEVICE
                                   " is there, but no driver answers behind it (module kvm_intel or kvm_amd "
                                   "not loaded, or virtualisation off in the firmware)"));
        else if (errno == EACCES || errno == EPERM)
                report_set(report, KVM_STATE_FORBIDDEN,
                           xasprintf("no permission to open " KVM_DEVICE " (as uid %u): %s",
                                     (unsigned)geteuid(), strerror(errno)));
        else
                report_set(report, KVM_STATE_REFUSED,
                           xasprintf("opening " KVM_DEVICE ": %s", strerror(errno)));
        return -1;
}

static void store64(uint8_t *memory, uint32_t at, uint64_t value) {
        memcpy(memory + at, &value, sizeof(value));
}

/* Identity mapping of the first 2 MiB, and the loop. */
static void fill_memory(uint8_t *memory) {
        store64(memory, GUEST_PML4, GUEST_PDPT | PAGE_PRESENT | PAGE_WRITABLE);
        store64(memory, GUEST_PDPT, GUEST_PD | PAGE_PRESENT | PAGE_WRITABLE);
        store64(memory, GUEST_PD, PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE);
        memcpy(memory + GUEST_CODE, guest_code, sizeof(guest_code));
}

static int make_vm(TestVm *t, AcceleratorReport *report) {
        struct kvm_userspace_memory_region slot = { .memory_size = GUEST_MEMORY };
        int version = ioctl(t->kvm, KVM_GET_API_VERSION, 0), size;

        if (version != KVM_VERSION) {
                report_set(report, KVM_STATE_REFUSED,
                           xasprintf(KVM_DEVICE " speaks version %d of its interface instead of %d", version,
                                     KVM_VERSION));
                return -1;
        }
        t->vm = ioctl(t->kvm, KVM_CREATE_VM, 0);
        if (t->vm < 0)
                return report_refused(report, errno == EBUSY ? "a VM (does another hypervisor hold the CPUs?)"
                                                             : "a VM");
        slot.userspace_addr = (uintptr_t)t->memory;
        if (ioctl(t->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
                return report_refused(report, "memory for a VM");
        t->vcpu = ioctl(t->vm, KVM_CREATE_VCPU, 0);
        if (t->vcpu < 0)
                return report_refused(report, "a virtual CPU");
        size = ioctl(t->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (size < (int)sizeof(struct kvm_run))
                return report_refused(report, "the shared page of a virtual CPU");
        t->run_size = (size_t)size;
        t->run = mmap(NULL, t->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, t->vcpu, 0);
        if (t->run == MAP_FAILED) {
                t->run = NULL;
                return report_refused(report, "the shared page of a virtual CPU");
        }
        return 0;
}

/* Straight into 64-bit mode: segments and control registers are set, no table describes them. */
static int set_registers(const TestVm *t, AcceleratorReport *report) {
        struct kvm_segment code = { .limit = 0xffffffff, .selector = 8, .type = SEGMENT_CODE };
        struct kvm_regs regs = { .rip = GUEST_CODE, .rflags = RFLAGS_ALWAYS1, .rsp = GUEST_MEMORY };
        struct kvm_segment data;
        struct kvm_sregs sregs;

        code.present = code.s = code.l = code.g = 1;
        data = code;
        data.l = 0;
        data.selector = 16;
        data.type = SEGMENT_DATA;
        if (ioctl(t->vcpu, KVM_GET_SREGS, &sregs) < 0)
                return report_refused(report, "to show registers");
        sregs.cs = code;
        sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
        sregs.cr3 = GUEST_PML4;
        sregs.cr4 |= CR4_PAE;
        sregs.cr0 |= CR0_PE | CR0_PG;
        sregs.efer |= EFER_LME | EFER_LMA;
        if (ioctl(t->vcpu, KVM_SET_SREGS, &sregs) < 0)
                return report_refused(report, "64-bit mode");
        if (ioctl(t->vcpu, KVM_SET_REGS, &regs) < 0)
                return report_refused(report, "registers");
        return 0;
}

/*
 * The guard against a KVM_RUN that never comes back: SIGALRM from a timer, blocked in this thread and let through by
 * the mask KVM uses inside KVM_RUN. The call then ends with EINTR even when the signal was there before it began, so
 * there is no gap to fall into; no handler runs, and the signal is taken off the queue afterwards.
 */
typedef struct Guard {
        timer_t timer;
        bool armed;
        sigset_t before;
} Guard;

static int guard_begin(Guard *g, int vcpu, AcceleratorReport *report) {
        struct itimerspec limit = { .it_value = { .tv_nsec = (long)LIMIT_USEC * 1000L } };
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
        union {
                struct kvm_signal_mask mask;
                uint8_t bytes[sizeof(struct kvm_signal_mask) + 8];
        } in_guest;
        const uint64_t all_but_alarm = ~(1ULL << (SIGALRM - 1)); /* the kernel's form of a set */
        sigset_t alarm_only;

        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        pthread_sigmask(SIG_BLOCK, &alarm_only, &g->before);
        memset(&in_guest, 0, sizeof(in_guest));
        in_guest.mask.len = sizeof(all_but_alarm);
        memcpy(in_guest.bytes + offsetof(struct kvm_signal_mask, sigset), &all_but_alarm,
               sizeof(all_but_alarm));
        if (ioctl(vcpu, KVM_SET_SIGNAL_MASK, &in_guest) < 0)
                return report_refused(report, "a signal mask");
        g->armed = timer_create(CLOCK_MONOTONIC, &event, &g->timer) == 0;
        if (!g->armed || timer_settime(g->timer, 0, &limit, NULL) < 0)
                return report_refused(report, "to be timed");
        return 0;
}

static void guard_end(Guard *g) {
        sigset_t alarm_only;

        if (g->armed)
                timer_delete(g->timer);
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        while (sigtimedwait(&alarm_only, NULL, &(struct timespec){ 0 }) > 0)
                ;
        pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

/* The loop, to its end; microseconds of the wall clock. */
static int run_once(const TestVm *t, uint64_t *ret_usec, AcceleratorReport *report) {
        uint64_t begin;

        if (set_registers(t, report) < 0)
                return -1;
        begin = now_usec();
        if (ioctl(t->vcpu, KVM_RUN, 0) < 0) {
                if (errno != EINTR)
                        return report_refused(report, "to run a VM");
                report_set(report, KVM_STATE_SLOW,
                           xasprintf(KVM_DEVICE " opens, but %u instructions did not come to an end in %u ms",
                                     LOOP_INSTRUCTIONS, LIMIT_USEC / 1000));
                return -1;
        }
        if (t->run->exit_reason != KVM_EXIT_HLT) {
                report_set(report, KVM_STATE_REFUSED,
                           xasprintf(KVM_DEVICE
                                     " opens, but a VM of a few instructions ends with exit reason %u",
                                     t->run->exit_reason));
                return -1;
        }
        *ret_usec = now_usec() - begin;
        return 0;
}

static void run_timed(const TestVm *t, AcceleratorReport *report) {
        uint64_t best = UINT64_MAX;

        for (unsigned i = 0; i < ATTEMPTS && best >= SLOW_USEC; i++) {
                uint64_t usec = 0;

                if (run_once(t, &usec, report) < 0)
                        return;
                if (usec < best)
                        best = usec;
        }
        report->usec = best;
        report->instructions = LOOP_INSTRUCTIONS;
        if (best < SLOW_USEC)
                return;
        report_set(report, KVM_STATE_SLOW,
                   xasprintf(KVM_DEVICE
                             " opens but runs about %.1f instructions a microsecond (%u of them took "
                             "%" PRIu64 " us): it emulates instead of virtualising",
                             (double)LOOP_INSTRUCTIONS / (double)best, LOOP_INSTRUCTIONS, best));
}

int accelerator_probe(AcceleratorReport *ret, Error *err) {
        cleanup(test_vm_done) TestVm t = { .kvm = -1, .vm = -1, .vcpu = -1 };
        AcceleratorReport report = { .state = KVM_STATE_USABLE };
        Guard guard = { 0 };

        t.memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (t.memory == MAP_FAILED) {
                t.memory = NULL;
                return error_errno(err, "memory for the probe of " KVM_DEVICE);
        }
        madvise(t.memory, GUEST_MEMORY, MADV_NOHUGEPAGE); /* four pages are touched, not 2 MiB */
        fill_memory(t.memory);
        if (open_device(&t, &report) >= 0 && make_vm(&t, &report) >= 0) {
                if (guard_begin(&guard, t.vcpu, &report) >= 0)
                        run_timed(&t, &report);
                guard_end(&guard);
        }
        *ret = report;
        return 0;
}

void accelerator_report_done(AcceleratorReport *report) {
        free(report->problem);
        *report = (AcceleratorReport){ .state = KVM_STATE_ABSENT };
}

const char *kvm_state_name(KvmState state) {
        static const char *const names[] = {
                [KVM_STATE_USABLE] = "usable",       [KVM_STATE_ABSENT] = "absent",
                [KVM_STATE_FORBIDDEN] = "forbidden", [KVM_STATE_SLOW] = "slow",
                [KVM_STATE_REFUSED] = "refused",
        };

        return state >= 0 && state < _KVM_STATE_MAX ? names[state] : NULL;
}
