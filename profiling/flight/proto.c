/* SPDX-License-Identifier: MIT
 *
 * proto.c - varints, and lengths that are filled in later.
 */
#include "profiling/flight/proto.h"

#include <string.h>

#define WIRE_VARINT  0
#define WIRE_FIXED64 1
#define WIRE_LENGTH  2
#define LENGTH_BYTES 3

static void put_bytes(struct proto *proto, const void *bytes, size_t len)
{
    if (len > proto->cap - proto->len) {
        proto->is_full = true;
        return;
    }
    if (len > 0) { /* an empty text may be NULL */
        memcpy(proto->data + proto->len, bytes, len);
        proto->len += len;
    }
}

static void put_varint(struct proto *proto, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    put_bytes(proto, bytes, len);
}

static void put_tag(struct proto *proto, uint32_t field, uint32_t wire)
{
    put_varint(proto, (uint64_t)field << 3 | wire);
}

void proto_uint(struct proto *proto, uint32_t field, uint64_t value)
{
    put_tag(proto, field, WIRE_VARINT);
    put_varint(proto, value);
}

void proto_fixed64(struct proto *proto, uint32_t field, uint64_t value)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    put_tag(proto, field, WIRE_FIXED64);
    put_bytes(proto, bytes, sizeof(bytes));
}

void proto_length(struct proto *proto, uint32_t field, size_t len)
{
    put_tag(proto, field, WIRE_LENGTH);
    put_varint(proto, len);
}

void proto_text(struct proto *proto, uint32_t field, struct str text)
{
    proto_length(proto, field, text.len);
    put_bytes(proto, text.ptr, text.len);
}

size_t proto_begin(struct proto *proto, uint32_t field)
{
    static const uint8_t room[LENGTH_BYTES];
    put_tag(proto, field, WIRE_LENGTH);
    put_bytes(proto, room, sizeof(room));
    return proto->len;
}

void proto_end(struct proto *proto, size_t begun)
{
    const size_t len = proto->len - begun;
    if (proto->is_full || len > PROTO_NESTED_MAX) {
        proto->is_full = true;
        return;
    }
    proto->data[begun - 3] = (uint8_t)(len | 0x80);
    proto->data[begun - 2] = (uint8_t)(len >> 7 | 0x80);
    proto->data[begun - 1] = (uint8_t)(len >> 14);
}
