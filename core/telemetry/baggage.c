/* SPDX-License-Identifier: MIT
 *
 * baggage.c - key=value;property;property=value, with commas between.
 */
#include "core/telemetry/baggage.h"

static bool is_token(struct str s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        const bool is_alnum =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == '\0' || strchr(marks, c) == NULL)) {
            return false;
        }
    }
    return s.len > 0;
}

/* is_value: baggage-octets; it may be empty. */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' || c == '\\') {
            return false;
        }
    }
    return true;
}

/* is_pair: "key=value"; a property may lack its value. */
static bool is_pair(struct str s, bool needs_value)
{
    struct str value = str_trim(s);
    struct str key;
    if (!str_next_field(&value, '=', &key) || !is_token(str_trim(key))) {
        return false;
    }
    return value.ptr == NULL ? !needs_value : is_value(str_trim(value));
}

static bool is_member(struct str s)
{
    struct str part;
    bool is_first = true;
    while (str_next_field(&s, ';', &part)) {
        if (!is_pair(part, is_first)) {
            return false;
        }
        is_first = false;
    }
    return !is_first;
}

bool baggage_is_valid(struct str s)
{
    struct str member;
    size_t count = 0;
    if (s.len > BAGGAGE_MAX_BYTES) {
        return false;
    }
    while (str_next_field(&s, ',', &member)) {
        if (++count > BAGGAGE_MAX_MEMBERS || !is_member(member)) {
            return false;
        }
    }
    return count > 0;
}
