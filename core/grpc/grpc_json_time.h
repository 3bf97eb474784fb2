/* SPDX-License-Identifier: MIT
 *
 * grpc_json_time.h - google.protobuf.Timestamp as a text: "2026-12-01T15:04:05.5Z". Private to
 * grpc_json*.c.
 *
 * Thread: any.
 * Source: RFC 3339; timestamp.proto.
 */
#ifndef TOQ_CORE_GRPC_GRPC_JSON_TIME_H
#define TOQ_CORE_GRPC_GRPC_JSON_TIME_H

#include "core/grpc/grpc_json.h"

/* grpc_json_is_time tells whether a message is a Timestamp. */
bool grpc_json_is_time(const ProtobufCMessageDescriptor *type);

/* grpc_json_time_read reads a time from year 1 to 9999, with any offset and up to nine digits of a
 * second.
 *
 * Returns: true with the Timestamp's fields set; false for anything else.
 */
MUST_USE bool grpc_json_time_read(struct str text, ProtobufCMessage *message);

/* grpc_json_time_write appends a Timestamp in UTC, with 0, 3, 6 or 9 digits of a second; one that
 * is out of range as null. */
void grpc_json_time_write(struct buf *out, const ProtobufCMessage *message);

#endif
