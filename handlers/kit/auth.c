/* SPDX-License-Identifier: MIT
 *
 * auth.c - reads bearer tokens and basic passwords.
 *
 * Source: RFC 6750 2.1, RFC 7617.
 */
#include "handlers/kit/auth.h"

#include "core/base/base64.h"

static bool decode_basic(struct arena *arena, struct str credentials, struct str *ret_user_password)
{
    char *out = arena_alloc(arena, BASE64_DECODED_BYTES(credentials.len));
    size_t len;
    if (out == NULL || !base64_decode(BASE64_STANDARD, credentials, out, &len)) {
        return false;
    }
    *ret_user_password = (struct str){out, len};
    return true;
}

bool auth_has_token(struct http_request *req, struct str token)
{
    struct str credentials = http_header_get(req, STR("authorization"));
    struct str scheme;
    if (!str_next_field(&credentials, ' ', &scheme) || credentials.ptr == NULL) {
        return false;
    }
    credentials = str_trim(credentials);
    if (str_equal_nocase(scheme, STR("bearer"))) {
        return str_equal_secret(token, credentials);
    }
    struct str user;
    struct str password;
    if (!str_equal_nocase(scheme, STR("basic")) ||
        !decode_basic(&req->arena, credentials, &password) ||
        !str_next_field(&password, ':', &user) || password.ptr == NULL) {
        return false;
    }
    return str_equal_secret(token, password);
}

bool auth_find_token(const struct auth_tokens *tokens, const struct http_request *req,
                     struct str *ret_token)
{
    struct str rest = tokens->list;
    struct str token;
    struct str found = {NULL, 0};
    struct str credentials = http_header_get(req, STR("authorization"));
    struct str scheme;
    if (tokens->is_open) {
        *ret_token = STR("");
        return true;
    }
    if (!str_next_field(&credentials, ' ', &scheme) || credentials.ptr == NULL ||
        !str_equal_nocase(scheme, STR("bearer"))) {
        return false;
    }
    credentials = str_trim(credentials);
    while (rest.len > 0 && str_next_field(&rest, ',', &token)) {
        found = str_equal_secret(token, credentials) ? token : found;
    }
    if (found.ptr == NULL) {
        return false;
    }
    *ret_token = found;
    return true;
}
