/* SPDX-License-Identifier: MIT
 *
 * auth.h - checks that a request carries the token that its route requires.
 */
#ifndef TOQ_HANDLERS_KIT_AUTH_H
#define TOQ_HANDLERS_KIT_AUTH_H

#include "core/http/http.h"

/* auth_has_token looks for `token` in the Authorization field: "Bearer TOKEN", or Basic with any
 * user and the token as password, which is what http://user:token@host/ makes a client send.
 * Compared in constant time.
 */
bool auth_has_token(struct http_request *req, struct str token);

/* Who may write: anybody, or whoever carries one of the tokens; with none, nobody. */
struct auth_tokens {
    struct str list; /* commas between them; borrowed */
    bool is_open;    /* anybody may */
};

/* auth_find_token looks for one of the tokens in the Authorization field: "Bearer TOKEN". Each is
 * compared in constant time, and all are.
 *
 * Returns: true with *ret_token set, to an empty view where anybody may; false.
 */
MUST_USE bool auth_find_token(const struct auth_tokens *tokens, const struct http_request *req,
                              struct str *ret_token);

#endif
