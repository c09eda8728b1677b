/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What QEMU's last words mean, where they are for people who know QEMU. Pure. */

/* The likely cause and what to do, as one line; NULL: the words say enough, or are not known. */
const char *qemu_words_explain(const char *words);
