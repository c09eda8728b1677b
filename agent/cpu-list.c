/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cpu-list.h"

#include <ctype.h>

/* A number below CPU_SETSIZE at *p, which is moved behind it; -1: none. */
static int parse_number(const char **p) {
        int n = 0;

        if (!isdigit((unsigned char)**p))
                return -1;
        for (; isdigit((unsigned char)**p); (*p)++) {
                n = n * 10 + (**p - '0');
                if (n >= CPU_SETSIZE)
                        return -1;
        }
        return n;
}

bool cpu_list_parse(const char *text, cpu_set_t *ret) {
        const char *p = text;

        CPU_ZERO(ret);
        for (;;) {
                int first = parse_number(&p), last = first;

                if (*p == '-') {
                        p++;
                        last = parse_number(&p);
                }
                if (first < 0 || last < first)
                        return false;
                for (int cpu = first; cpu <= last; cpu++)
                        CPU_SET(cpu, ret);
                if (!*p || (*p == '\n' && !p[1]))
                        return true;
                if (*p++ != ',')
                        return false;
        }
}

int cpu_list_missing(const cpu_set_t *list, const cpu_set_t *of) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
                if (CPU_ISSET(cpu, list) && !CPU_ISSET(cpu, of))
                        return cpu;
        return -1;
}
