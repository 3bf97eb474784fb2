/* SPDX-License-Identifier: MIT
 *
 * grpc_frame.h - messages out of a stream of bytes: a prefix of a flag and a length, then so many
 * bytes. Private to grpc*.c.
 *
 * Memory: a message that lies whole in the bytes is not copied; else the reader assembles it, in
 *         memory that grows with what has come, never with what the prefix promises.
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
 * quota: what is put together is charged to it; NULL: to nothing.
 */
void grpc_reader_init(struct grpc_reader *reader, size_t max_bytes, struct quota *quota);

/* grpc_reader_deinit frees what was put together. */
void grpc_reader_deinit(struct grpc_reader *reader);

/* grpc_reader_next takes bytes from the front of *data, up to the end of a message.
 *
 * Returns: 1 with *ret_frame set, borrowed from the data or the reader until its next call; 0 all
 *          was taken, and no message is complete; UV_EPROTO a flag that is neither 0 nor 1;
 *          UV_EMSGSIZE a message longer than max_bytes, which the prefix says; UV_ENOMEM. After an
 *          error the reader is of no more use.
 */
MUST_USE int grpc_reader_next(struct grpc_reader *reader, struct str *data,
                              struct grpc_frame *ret_frame);

/* grpc_reader_keep makes the frame that was handed out last the reader's own, until its next call,
 * where it is borrowed from the data.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int grpc_reader_keep(struct grpc_reader *reader, struct grpc_frame *frame);

/* grpc_reader_is_between tells whether no message has begun: the stream may end here. */
bool grpc_reader_is_between(const struct grpc_reader *reader);

/* grpc_prefix writes the prefix of a message.
 *
 * out: GRPC_PREFIX_BYTES. len: below 4 GiB.
 */
void grpc_prefix(char *out, bool is_compressed, size_t len);

#endif
