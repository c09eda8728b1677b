/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/fd.h"
#include "common/base/str.h"
#include "common/protocol/launch.h"

#define JOURNAL_MAX (1U << 20)

static void put_line(StrBuf *lines, const char *kind, Json *entry) {
        cleanup_free char *text = NULL;

        json_set(entry, "kind", json_new_string(kind));
        text = json_tree_to_text(entry, false);
        strbuf_puts(lines, text);
        strbuf_putc(lines, '\n');
}

static int append(int dir, const StrBuf *lines, Error *err) {
        cleanup_close int fd =
                openat(dir, STATE_JOURNAL, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        int r;

        if (fd < 0)
                return error_errno(err, "journal");
        r = fd_write_all(fd, lines->data, lines->length, err);
        return r < 0 ? error_prefix(err, "journal") : 0;
}

int journal_add(int dir, const char *kind, Json *entry, Error *err) {
        cleanup_json Json *owned = entry;
        cleanup_strbuf StrBuf lines = { 0 };

        put_line(&lines, kind, owned);
        return append(dir, &lines, err);
}

int journal_add_paths(int dir, const char *kind, char *const *paths, Error *err) {
        cleanup_strbuf StrBuf lines = { 0 };

        STRV_FOR_EACH (path, paths) {
                cleanup_json Json *entry = json_new_object();

                json_set(entry, "path", json_new_string(*path));
                put_line(&lines, kind, entry);
        }
        return lines.length > 0 ? append(dir, &lines, err) : 0;
}

static int release_line(const char *line, const JournalKind *kinds, Error *err) {
        cleanup_json Json *entry = NULL;
        cleanup_error Error bad = { 0 };
        const char *kind;

        if (json_parse(line, strlen(line), NULL, &entry, &bad) < 0)
                return 0;
        kind = json_string(json_get(entry, "kind"));
        for (const JournalKind *k = kinds; k->name; k++)
                if (streq(k->name, kind))
                        return k->release(entry, err);
        return error_set(err, ENOTSUP, "journal: entry of unknown kind \"%s\"", kind ? kind : "");
}

int journal_replay(int dir, const JournalKind *kinds, Error *err) {
        cleanup_strv char **lines = NULL;
        cleanup_free char *text = NULL;

        if (file_read(dir, STATE_JOURNAL, JOURNAL_MAX, &text, NULL, err) < 0) {
                if (err->code != ENOENT)
                        return error_prefix(err, "journal");
                error_clear(err);
                return 0;
        }
        lines = strv_split(text, "\n");
        for (size_t i = strv_length(lines); i > 0; i--) {
                Error failed = { 0 };

                if (release_line(lines[i - 1], kinds, &failed) >= 0)
                        continue;
                if (err->code)
                        error_clear(&failed);
                else
                        error_move(err, &failed);
        }
        return -err->code;
}
