/* SPDX-License-Identifier: MIT
 *
 * auth.h - does a request carry the token that a route asks for?
 */
#ifndef TOQ_HANDLERS_AUTH_H
#define TOQ_HANDLERS_AUTH_H

#include "core/http/http.h"

/* auth_has_token looks for `token` in the Authorization field: "Bearer TOKEN", or Basic with any
 * user and the token as password, which is what http://user:token@host/ makes a client send.
 * Compared in constant time.
 */
bool auth_has_token(struct http_request *req, struct str token);

#endif
