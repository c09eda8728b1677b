/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/commands/timeline.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"

#define BAR_WIDTH 40U

/* What the time before a moment went into. */
typedef struct Phase {
        size_t moment; /* offset in Timeline */
        const char *what;
} Phase;

static const Phase phases[] = {
        { offsetof(Timeline, shim), "carrel plans, shim starts" },
        { offsetof(Timeline, share), "shared tree is mounted" },
        { offsetof(Timeline, virtiofsd), "virtiofsd listens" },
        { offsetof(Timeline, qemu), "QEMU is started" },
        { offsetof(Timeline, qmp), "QEMU answers" },
        { offsetof(Timeline, kernel), "firmware loads the kernel" },
        { offsetof(Timeline, agent), "kernel boots" },
        { offsetof(Timeline, hello), "agent reports" },
        { offsetof(Timeline, hooks), "hooks are done" },
        { offsetof(Timeline, created), "container is created" },
        { offsetof(Timeline, start), "start is called" },
        { offsetof(Timeline, started), "program runs" },
        { offsetof(Timeline, exited), "program ends" },
        { offsetof(Timeline, stopped), "machine is gone" },
};

typedef struct Moment {
        uint64_t usec;
        const char *what;
} Moment;

static int compare_moments(const void *a, const void *b) {
        const Moment *x = a, *y = b;

        return (x->usec > y->usec) - (x->usec < y->usec);
}

static size_t collect(const Timeline *timeline, Moment *moments) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTS_OF(phases); i++) {
                uint64_t usec;

                memcpy(&usec, (const char *)timeline + phases[i].moment, sizeof(usec));
                if (usec > 0)
                        moments[n++] = (Moment){ usec, phases[i].what };
        }
        /* several things go on at once: hooks while the guest boots */
        qsort(moments, n, sizeof(*moments), compare_moments);
        return n;
}

void timeline_print(const ShimStatus *status, FILE *out) {
        Moment moments[ELEMENTS_OF(phases)];
        size_t n = collect(&status->timeline, moments);
        uint64_t before = 0, longest = 1;

        for (size_t i = 0; i < n; i++) {
                if (moments[i].usec - before > longest)
                        longest = moments[i].usec - before;
                before = moments[i].usec;
        }
        before = 0;
        fprintf(out, "%10s %10s  %s\n", "at ms", "took ms", status->accelerator ? status->accelerator : "");
        for (size_t i = 0; i < n; i++) {
                uint64_t took = moments[i].usec - before;
                int bar = (int)((took * BAR_WIDTH + longest / 2) / longest);

                fprintf(out, "%10.1f %10.1f  %-28s ", (double)moments[i].usec / 1000, (double)took / 1000,
                        moments[i].what);
                for (int k = 0; k < bar; k++)
                        fputc('#', out);
                fputc('\n', out);
                before = moments[i].usec;
        }
}
