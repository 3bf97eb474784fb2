/* SPDX-License-Identifier: MIT
 *
 * grpc_codec.h - the small encodings of gRPC's header fields. Private to grpc*.c.
 *
 * Source: PROTOCOL-HTTP2.md.
 * Thread: any.
 */
#ifndef TOQ_CORE_GRPC_GRPC_CODEC_H
#define TOQ_CORE_GRPC_GRPC_CODEC_H

#include "core/base/arena.h"

/* grpc_is_content_type tells whether a Content-Type field says gRPC: "application/grpc", alone or
 * with "+subtype" or ";parameters" behind it. */
bool grpc_is_content_type(struct str value);

/* grpc_parse_timeout reads a grpc-timeout: at most 8 digits and one of H M S m u n.
 *
 * Returns: true with *ret_ns set, to UINT64_MAX for what 64 bits do not hold; false for anything
 *          else.
 */
MUST_USE bool grpc_parse_timeout(struct str value, uint64_t *ret_ns);

/* grpc_has_token looks for a token in a list with commas, without case: an encoding in
 * grpc-accept-encoding. */
bool grpc_has_token(struct str list, struct str token);

/* grpc_is_binary_name tells whether a metadata name ends in "-bin". */
bool grpc_is_binary_name(struct str name);

/* grpc_is_free_name tells whether metadata may have this name: its characters are allowed, and the
 * name has no meaning for gRPC or HTTP. */
bool grpc_is_free_name(struct str name);

/* grpc_is_ascii_value tells whether metadata may have this value: printable ASCII. */
bool grpc_is_ascii_value(struct str value);

/* grpc_base64_is_valid tells whether all of the values in a list with commas are BASE64_STANDARD,
 * with white space around them. */
bool grpc_base64_is_valid(struct str list);

/* grpc_base64_decode decodes one value.
 *
 * Returns: true with *ret_bytes set, in the arena; false when it is not valid, or memory is
 *          missing.
 */
MUST_USE bool grpc_base64_decode(struct arena *arena, struct str value, struct str *ret_bytes);

/* grpc_base64_encode encodes without padding.
 *
 * Returns: true with *ret_value set, in the arena; false when memory is missing.
 */
MUST_USE bool grpc_base64_encode(struct arena *arena, struct str bytes, struct str *ret_value);

/* grpc_encode_message encodes a text for grpc-message: "%" and bytes that are not printable ASCII
 * as %XX; each byte that is not UTF-8 as U+FFFD.
 *
 * Returns: true with *ret_value set, in the arena, or to `text` itself when nothing is to be
 *          encoded; false when memory is missing.
 */
MUST_USE bool grpc_encode_message(struct arena *arena, struct str text, struct str *ret_value);

#endif
