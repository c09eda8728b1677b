/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Cleanup attributes as words, and the two ways to hand a value out of their reach. */

#include <stdlib.h>
#include <unistd.h>

#define cleanup(fn) __attribute__((__cleanup__(fn)))

/* Makes NAMEp(), to be named in cleanup(), out of a destructor that takes the value itself and copes with
 * "nothing there". */
#define DEFINE_CLEANUP(type, name)                                                                           \
        static inline void name##p(type *p) {                                                                \
                if (*p)                                                                                      \
                        name(*p);                                                                            \
        }                                                                                                    \
        struct cleanup_needs_semicolon

static inline void free_pointer(void *p) {
        free(*(void **)p);
}

static inline void close_descriptor(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

#define cleanup_free cleanup(free_pointer)
/* -1 is "no descriptor". */
#define cleanup_close cleanup(close_descriptor)

#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) *pointer_ = &(p);                                                              \
                __typeof__(p) taken_ = *pointer_;                                                            \
                *pointer_ = NULL;                                                                            \
                taken_;                                                                                      \
        })

#define TAKE_FD(fd)                                                                                          \
        ({                                                                                                   \
                int *descriptor_ = &(fd);                                                                    \
                int taken_ = *descriptor_;                                                                   \
                *descriptor_ = -1;                                                                           \
                taken_;                                                                                      \
        })

#define ELEMENTS_OF(array) (sizeof(array) / sizeof((array)[0]))
