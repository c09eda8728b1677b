/* SPDX-License-Identifier: Apache-2.0 */
/* A library a container finds through its loader: what the device says, or NULL. No C library is needed. */
int carrel_example_answer(void);

int carrel_example_answer(void) {
        return 42;
}
