/* SPDX-License-Identifier: MIT
 *
 * grpc_json.h - messages as JSON, by their descriptors: the proto3 JSON mapping. Private to
 * grpc*.c.
 *
 * Names are those of the .proto file; lowerCamelCase is read as well. A 64-bit integer is written
 * as a text, and read as either. A field that has presence is written when it is set, a list and a
 * field without presence always. Not as the mapping has it: a map is a list of {key, value}, and of
 * the types of google.protobuf, Timestamp alone has its own form.
 *
 * Flow:    in: grpc_json_start -> grpc_json_set for parameters, grpc_json_read for a body
 *          out: grpc_json_write
 * Failure: reading stops at the first fault, which names its field: reader->wrong.
 * Memory:  what is read lies in an arena, which bounds it; texts without escapes stay where they
 *          were read from.
 * Thread:  one at a time.
 * Source:  https://protobuf.dev/programming-guides/json/
 */
#ifndef TOQ_CORE_GRPC_GRPC_JSON_H
#define TOQ_CORE_GRPC_GRPC_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/json.h"

#define GRPC_JSON_WRONG_BYTES 256

/* A flag of a bytes field that is a string in its .proto file: PROTO2 of the Makefile sets it. */
#define GRPC_FIELD_IS_TEXT (UINT32_C(1) << 31)

/* A message that is being read. */
struct grpc_json {
    struct arena *arena;
    ProtobufCMessage *message;
    uint8_t *given; /* a bit for each of its fields, in the order of its descriptor */
    struct json_reader json;
    char wrong[GRPC_JSON_WRONG_BYTES]; /* "places[2].weight_g: ...", cut where it is longer */
    bool is_full;                      /* memory is missing, or there is more than the arena's */
};

/* grpc_json_start makes an empty message.
 *
 * arena:   borrowed.
 * Returns: true with in->message set; false with in->is_full.
 */
MUST_USE bool grpc_json_start(struct grpc_json *in, struct arena *arena,
                              const ProtobufCMessageDescriptor *type);

/* grpc_json_find finds a field by its name, or by the same in lowerCamelCase.
 *
 * Returns: NULL when there is none.
 */
const ProtobufCFieldDescriptor *grpc_json_find(const ProtobufCMessageDescriptor *type,
                                               struct str name);

/* grpc_json_is_scalar tells whether a parameter can give a field: it is no list, and no message but
 * a Timestamp. */
bool grpc_json_is_scalar(const ProtobufCFieldDescriptor *field);

/* grpc_json_set sets a scalar field to what a path or a query says.
 *
 * text:    decoded; lives as long as the message.
 * Returns: true; false with in->wrong or in->is_full set, also when the field was given before.
 */
MUST_USE bool grpc_json_set(struct grpc_json *in, struct str name, struct str text);

/* grpc_json_refuse says what is wrong with a field or parameter.
 *
 * name:    shown, cut where it is longer than any field's.
 * Returns: false.
 */
bool grpc_json_refuse(struct grpc_json *in, struct str name, const char *what);

/* grpc_json_read reads an object of JSON into the message.
 *
 * text:    lives as long as the message.
 * Returns: as grpc_json_set.
 */
MUST_USE bool grpc_json_read(struct grpc_json *in, struct str text);

/* grpc_json_write appends a message; base64 of bytes has padding, and what is not UTF-8 in a text
 * becomes U+FFFD. */
void grpc_json_write(struct buf *out, const ProtobufCMessage *message);

#endif
