/* SPDX-License-Identifier: MIT
 *
 * proto.h - writes a protobuf message field by field into the caller's memory.
 *
 * The length of a nested message always takes three bytes, so that it can be filled in afterwards;
 * no nested message is longer than PROTO_NESTED_MAX.
 *
 * Source: protobuf.dev, encoding.
 * Thread: any.
 */
#ifndef TOQ_PROFILING_FLIGHT_PROTO_H
#define TOQ_PROFILING_FLIGHT_PROTO_H

#include "core/base/str.h"

#define PROTO_NESTED_MAX ((1u << 21) - 1)

struct proto {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool is_full; /* something was left out: the message is not to be used */
};

/* proto_uint adds a field that is a varint. */
void proto_uint(struct proto *proto, uint32_t field, uint64_t value);

/* proto_fixed64 adds a field of eight bytes. */
void proto_fixed64(struct proto *proto, uint32_t field, uint64_t value);

/* proto_text adds a string or bytes. */
void proto_text(struct proto *proto, uint32_t field, struct str text);

/* proto_length adds the head of a field of `len` bytes, which follow. */
void proto_length(struct proto *proto, uint32_t field, size_t len);

/* proto_begin begins a nested message. Returns: what proto_end wants. */
size_t proto_begin(struct proto *proto, uint32_t field);

/* proto_end ends the nested message that began last. */
void proto_end(struct proto *proto, size_t begun);

#endif
