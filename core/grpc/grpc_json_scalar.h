/* SPDX-License-Identifier: MIT
 *
 * grpc_json_scalar.h - values of JSON as the numbers, texts, bytes and enums of messages. Private
 * to grpc_json*.c.
 *
 * Thread: any.
 * Source: as grpc_json.h.
 */
#ifndef TOQ_CORE_GRPC_GRPC_JSON_SCALAR_H
#define TOQ_CORE_GRPC_GRPC_JSON_SCALAR_H

#include "core/grpc/grpc_json.h"

/* grpc_json_scalar_bytes is the size of one value of a type, in a message or in a list. */
size_t grpc_json_scalar_bytes(ProtobufCType type);

/* grpc_json_scalar_of_text is the value of JSON that a parameter stands for: a text where the field
 * takes one, else a number or a word where it reads as such. */
struct json_value grpc_json_scalar_of_text(const ProtobufCFieldDescriptor *field, struct str text);

/* grpc_json_scalar_set stores a value in a field that is no message.
 *
 * value:     a text has no escapes, and is UTF-8.
 * place:     of grpc_json_scalar_bytes.
 * ret_wrong: what the field takes, a literal; untouched when memory is missing.
 * Returns:   true; false with *ret_wrong set, or when memory is missing.
 */
MUST_USE bool grpc_json_scalar_set(struct arena *arena, const ProtobufCFieldDescriptor *field,
                                   const struct json_value *value, void *place,
                                   const char **ret_wrong);

#endif
