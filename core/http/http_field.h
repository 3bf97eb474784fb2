/* SPDX-License-Identifier: MIT
 *
 * http_field.h - what a field may look like, and which fields a handler may send, in heads and
 * trailers of every protocol.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_HTTP_HTTP_FIELD_H
#define TOQ_CORE_HTTP_HTTP_FIELD_H

#include "core/base/base.h"
#include "core/base/str.h"

/* http_field_is_token_byte tells whether a byte may stand in a token. Source: RFC 9110 5.6.2. */
bool http_field_is_token_byte(char c);

/* http_field_is_token tells whether a text is a token. */
bool http_field_is_token(struct str s);

/* http_field_is_own tells whether only the server may send a field: it says where a message ends,
 * how the connection goes on, when the answer was made, or what http_response's content_type says.
 * `name` is compared without case.
 *
 * Source: RFC 9110 7.6.1, RFC 9112 6, RFC 9113 8.2.2.
 */
bool http_field_is_own(struct str name);

/* http_field_check tells whether a handler's field may be sent: its name is a token and not one
 * that only the server may send, its value has no control byte. It logs one that may not; the
 * caller leaves that out. */
MUST_USE bool http_field_check(struct str name, struct str value);

/* http_field_check_type is http_field_check for a handler's content_type. */
MUST_USE bool http_field_check_type(struct str value);

#endif
