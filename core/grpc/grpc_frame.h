/* SPDX-License-Identifier: MIT
 *
 * grpc_frame.h - splits a stream of bytes into messages: a prefix of a flag and a length, then so
 * many bytes. Private to grpc*.c.
 *
 * Memory: a message that lies whole in the bytes is not copied; else the reader assembles it, in
 *         memory that grows with the bytes received, never with the length in the prefix.
 * Thread: one at a time.
 */
#ifndef TOQ_CORE_GRPC_GRPC_FRAME_H
#define TOQ_CORE_GRPC_GRPC_FRAME_H

#include "core/base/buf.h"

#define GRPC_PREFIX_BYTES 5

struct grpc_reader {
    size_t max_bytes; /* of a message, without its prefix */
    size_t left;      /* of the message, still to come */
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint8_t prefix_len;
    bool is_done; /* `message` was handed out */
    struct buf message;
};

struct grpc_frame {
    struct str message;
    bool is_compressed;
};

/* grpc_reader_init prepares a reader at the beginning of a stream.
 *
 * max_bytes: of a message.
 * quota:     assembled messages are charged to it; NULL: to nothing.
 */
void grpc_reader_init(struct grpc_reader *reader, size_t max_bytes, struct quota *quota);

/* grpc_reader_deinit frees an assembled message. */
void grpc_reader_deinit(struct grpc_reader *reader);

/* grpc_reader_next takes bytes from the front of *data, up to the end of a message.
 *
 * Returns: 1 with *ret_frame set, borrowed from the data or the reader until the next call; 0: all
 *          bytes were taken, and no message is complete; UV_EPROTO: the flag is neither 0 nor 1;
 *          UV_EMSGSIZE: the prefix announces more than max_bytes; UV_ENOMEM. After an error the
 *          reader can only be freed.
 */
MUST_USE int grpc_reader_next(struct grpc_reader *reader, struct str *data,
                              struct grpc_frame *ret_frame);

/* grpc_reader_keep copies the last frame into the reader, if it is borrowed from the data: it is
 * valid until the next grpc_reader_next.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int grpc_reader_keep(struct grpc_reader *reader, struct grpc_frame *frame);

/* grpc_reader_is_between tells whether the reader is between two messages: the stream may end. */
bool grpc_reader_is_between(const struct grpc_reader *reader);

/* grpc_prefix writes the prefix of a message.
 *
 * out: GRPC_PREFIX_BYTES. len: below 4 GiB.
 */
void grpc_prefix(char *out, bool is_compressed, size_t len);

#endif
