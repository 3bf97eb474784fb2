/* SPDX-License-Identifier: MIT
 *
 * http_field.h - what a field may look like, and which fields of a handler's making may be sent, in
 * heads and trailers of every protocol.
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

/* http_field_is_own tells whether a field is the server's to send: it says where a message ends,
 * how the connection goes on, when the answer was made, or what http_response's content_type says.
 * `name` is compared without case.
 *
 * Source: RFC 9110 7.6.1, RFC 9112 6, RFC 9113 8.2.2.
 */
bool http_field_is_own(struct str name);

/* http_field_check tells whether a handler's field may be sent. One that may not is logged, and
 * left out by the caller: a name that is no token, a value with a control byte, a field that is the
 * server's. */
MUST_USE bool http_field_check(struct str name, struct str value);

/* http_field_check_type tells whether a handler's content_type may be sent; it is logged as a field
 * is. */
MUST_USE bool http_field_check_type(struct str value);

#endif
