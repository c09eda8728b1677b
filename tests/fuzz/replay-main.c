/* SPDX-License-Identifier: Apache-2.0 */

/* Runs the files given, and those in the folders given, through a fuzzer's entry point. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/mem.h"
#include "tests/fuzz/fuzz.h"

static void give_up(const char *path) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
}

/* Copied to a buffer of exactly its size, so that a sanitizer sees the first byte read beyond it. */
static void replay_file(const char *path, size_t size) {
        cleanup_free uint8_t *data = xmalloc(size);
        FILE *f = fopen(path, "re");

        if (!f || fread(data, 1, size, f) != size)
                give_up(path);
        fclose(f);
        printf("%s\n", path);
        fflush(stdout);
        LLVMFuzzerTestOneInput(data, size);
}

static unsigned replay(const char *path);

static unsigned replay_folder(const char *path) {
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, NULL, alphasort);
        unsigned count = 0;

        if (n < 0)
                give_up(path);
        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.') {
                        cleanup_free char *entry = xasprintf("%s/%s", path, entries[i]->d_name);

                        count += replay(entry);
                }
                free(entries[i]);
        }
        free(entries);
        return count;
}

static unsigned replay(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                give_up(path);
        if (S_ISDIR(st.st_mode))
                return replay_folder(path);
        replay_file(path, (size_t)st.st_size);
        return 1;
}

int main(int argc, char *argv[]) {
        unsigned count = 0;

        for (int i = 1; i < argc; i++)
                count += replay(argv[i]);
        printf("%u inputs\n", count);
        if (count == 0)
                fprintf(stderr, "no inputs: an empty corpus tests nothing\n");
        return count == 0;
}
