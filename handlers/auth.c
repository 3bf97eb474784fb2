/* SPDX-License-Identifier: MIT
 *
 * auth.c - bearer tokens and basic passwords. Source: RFC 6750 2.1, RFC 7617, RFC 4648 4.
 */
#include "handlers/auth.h"

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* decode_base64 decodes up to the padding, or the first byte that is not base64. */
static bool decode_base64(struct arena *arena, struct str s, struct str *ret_decoded)
{
    char *out = arena_alloc(arena, s.len);
    if (out == NULL) {
        return false;
    }
    unsigned bits = 0;
    unsigned bit_count = 0;
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        const int value = base64_value(s.ptr[i]);
        if (value < 0) {
            break;
        }
        bits = (bits << 6) | (unsigned)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[len++] = (char)(bits >> bit_count);
        }
    }
    *ret_decoded = (struct str){out, len};
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
        !decode_base64(&req->arena, credentials, &password) ||
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
