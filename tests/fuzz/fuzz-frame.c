/* SPDX-License-Identifier: Apache-2.0 */

/* Bytes from a hostile guest: the decoder and the readers of every control message. The first byte says in how large
 * pieces the rest arrives. */

#include <stdint.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/protocol/frame.h"
#include "common/protocol/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(const Frame *frame, const JsonField *fields, size_t object_size) {
        cleanup_error Error error = { 0 };
        void *object = xcalloc(1, object_size);

        if (message_read(frame, fields, object, &error) >= 0)
                json_clear(fields, object);
        free(object);
}

static void read_message(const Frame *frame) {
        cleanup_error Error error = { 0 };

        switch (frame->type) {
        case FRAME_HELLO:
                read_as(frame, hello_fields, sizeof(Hello));
                break;
        case FRAME_REPLY:
                read_as(frame, create_reply_fields, sizeof(CreateReply));
                read_as(frame, exec_reply_fields, sizeof(ExecReply));
                break;
        case FRAME_ERROR:
                message_to_error(frame, &error);
                break;
        case FRAME_EXITED:
                read_as(frame, exited_fields, sizeof(Exited));
                break;
        case FRAME_LOG:
                read_as(frame, log_message_fields, sizeof(LogMessage));
                break;
        case FRAME_CREATE:
                read_as(frame, create_request_fields, sizeof(CreateRequest));
                break;
        case FRAME_EXEC:
                read_as(frame, exec_request_fields, sizeof(ExecRequest));
                break;
        case FRAME_SIGNAL:
                read_as(frame, signal_request_fields, sizeof(SignalRequest));
                break;
        default:
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup(frame_decoder_done) FrameDecoder decoder = { 0 };
        size_t piece = size > 0 && data[0] > 0 ? data[0] : 1;

        for (size_t i = 1; i < size; i += piece) {
                cleanup_error Error error = { 0 };
                size_t n = size - i < piece ? size - i : piece;
                Frame frame;
                int r;

                frame_decoder_feed(&decoder, data + i, n);
                while ((r = frame_decoder_next(&decoder, &frame, &error)) > 0)
                        read_message(&frame);
                if (r < 0)
                        break;
        }
        return 0;
}
