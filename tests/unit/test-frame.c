/* SPDX-License-Identifier: Apache-2.0 */

/* Frames: the byte examples of PROTOCOL.md, decoding byte by byte, and everything a peer may get wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/cleanup.h"
#include "common/protocol/frame.h"

typedef struct Vector {
        const char *bytes;
        size_t size;
        Frame frame;
} Vector;

#define BYTES(s) (s), sizeof(s) - 1

static const Vector vectors[] = {
        { BYTES("\x0d\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0{\"version\":1}"),
          { .type = FRAME_HELLO, .length = 13, .data = "{\"version\":1}" } },
        { BYTES("\x02\0\0\0\x11\0\0\0\0\0\0\0\x07\0\0\0{}"),
          { .type = FRAME_START, .seq = 7, .length = 2, .data = "{}" } },
        { BYTES("\x02\0\0\0\x20\0\0\0\x05\0\0\0\0\0\0\0hi"),
          { .type = FRAME_DATA, .stream = 1 << 2 | 1, .length = 2, .data = "hi" } },
        { BYTES("\x04\0\0\0\x21\0\0\0\x08\0\0\0\0\0\0\0\0\0\1\0"),
          { .type = FRAME_WINDOW, .stream = 2 << 2, .length = 4, .data = "\0\0\1\0" } },
        { BYTES("\0\0\0\0\x22\0\0\0\x06\0\0\0\0\0\0\0"),
          { .type = FRAME_CLOSE, .stream = 1 << 2 | 2, .data = "" } },
};

static void check_frame(const Frame *got, const Frame *wanted) {
        assert_int_equal(got->type, wanted->type);
        assert_int_equal(got->stream, wanted->stream);
        assert_int_equal(got->seq, wanted->seq);
        assert_int_equal(got->length, wanted->length);
        assert_memory_equal(got->data, wanted->data, wanted->length);
}

static void test_vectors(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(vectors); i++) {
                const Frame *f = &vectors[i].frame;
                cleanup(frame_decoder_done) FrameDecoder d = { 0 };
                cleanup_error Error error = { 0 };
                cleanup_strbuf StrBuf out = { 0 };
                Frame got;

                frame_encode(&out, f->type, f->stream, f->seq, f->data, f->length);
                assert_int_equal(out.length, vectors[i].size);
                assert_memory_equal(out.data, vectors[i].bytes, out.length);
                frame_decoder_feed(&d, vectors[i].bytes, vectors[i].size);
                assert_int_equal(frame_decoder_next(&d, &got, &error), 1);
                check_frame(&got, f);
                assert_int_equal(frame_decoder_next(&d, &got, &error), 0);
        }
}

static void test_byte_by_byte(void **state) {
        cleanup(frame_decoder_done) FrameDecoder d = { 0 };
        cleanup_error Error error = { 0 };
        size_t seen = 0;

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(vectors); i++)
                for (size_t k = 0; k < vectors[i].size; k++) {
                        Frame got;
                        int r;

                        frame_decoder_feed(&d, vectors[i].bytes + k, 1);
                        r = frame_decoder_next(&d, &got, &error);
                        assert_int_equal(r, k + 1 == vectors[i].size);
                        if (r > 0)
                                check_frame(&got, &vectors[seen++].frame);
                }
        assert_int_equal(seen, ELEMENTS_OF(vectors));
}

static void test_several_in_one_read(void **state) {
        cleanup(frame_decoder_done) FrameDecoder d = { 0 };
        cleanup_error Error error = { 0 };
        cleanup_strbuf StrBuf all = { 0 };
        Frame got;

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(vectors); i++)
                strbuf_append(&all, vectors[i].bytes, vectors[i].size);
        frame_decoder_feed(&d, all.data, all.length);
        for (size_t i = 0; i < ELEMENTS_OF(vectors); i++) {
                assert_int_equal(frame_decoder_next(&d, &got, &error), 1);
                check_frame(&got, &vectors[i].frame);
        }
        assert_int_equal(frame_decoder_next(&d, &got, &error), 0);
}

static void test_refusals(void **state) {
        static const struct {
                const char *bytes;
                size_t size;
                const char *message;
        } cases[] = {
                { BYTES("\0\0\0\0\x63\0\0\0\0\0\0\0\0\0\0\0"), "frame of unknown type 99" },
                { BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "frame of unknown type 0" },
                { BYTES("\0\0\0\0\xff\xff\0\0\0\0\0\0\0\0\0\0"), "frame of unknown type 65535" },
                { BYTES("\0\0\0\0\x11\0\x02\0\0\0\0\0\0\0\0\0"), "start frame with unknown flags 0x2" },
                { BYTES("\x01\0\x40\0\x11\0\0\0\0\0\0\0\0\0\0\0"),
                  "start frame of 4194305 bytes, the limit is 4194304" },
                { BYTES("\xff\xff\xff\xff\x20\0\0\0\0\0\0\0\0\0\0\0"),
                  "data frame of 4294967295 bytes, the limit is 65536" },
                { BYTES("\x03\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0"), "window frame of 3 bytes" },
                { BYTES("\x01\0\0\0\x22\0\0\0\0\0\0\0\0\0\0\0"), "close frame of 1 bytes, the limit is 0" },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
                cleanup(frame_decoder_done) FrameDecoder d = { 0 };
                cleanup_error Error error = { 0 };
                Frame got;

                frame_decoder_feed(&d, cases[i].bytes, cases[i].size);
                assert_true(frame_decoder_next(&d, &got, &error) < 0);
                assert_string_equal(error.message, cases[i].message);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors),
                cmocka_unit_test(test_byte_by_byte),
                cmocka_unit_test(test_several_in_one_read),
                cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
