/* SPDX-License-Identifier: MIT
 *
 * http_field.c - checks the fields that a handler adds to an answer.
 */
#include "core/http/http_field.h"

#include "core/http/http.h"
#include "core/telemetry/log.h"

bool http_field_is_token_byte(char c)
{
    static const bool is_token_byte[256] = {
        ['!'] = true,         ['#' ... '\''] = true, ['*' ... '+'] = true,
        ['-' ... '.'] = true, ['0' ... '9'] = true,  ['A' ... 'Z'] = true,
        ['^' ... 'z'] = true, ['|'] = true,          ['~'] = true,
    };
    return is_token_byte[(unsigned char)c];
}

bool http_field_is_token(struct str s)
{
    bool is_token = s.len > 0;
    for (size_t i = 0; i < s.len; i++) {
        is_token &= http_field_is_token_byte(s.ptr[i]); /* nearly all are: no branch for each */
    }
    return is_token;
}

/* http_field_is_own looks at the length first: every field of every answer passes here. */
bool http_field_is_own(struct str name)
{
    switch (name.len) {
    case 2:
        return str_equal_nocase(name, STR("te"));
    case 4:
        return str_equal_nocase(name, STR("date"));
    case 7:
        return str_equal_nocase(name, STR("trailer")) || str_equal_nocase(name, STR("upgrade"));
    case 10:
        return str_equal_nocase(name, STR("connection")) ||
               str_equal_nocase(name, STR("keep-alive"));
    case 12:
        return str_equal_nocase(name, STR("content-type"));
    case 14:
        return str_equal_nocase(name, STR("content-length"));
    case 16:
        return str_equal_nocase(name, STR("proxy-connection"));
    case 17:
        return str_equal_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

static bool refuse(struct str name, const char *reason)
{
    LOG(LOG_ERROR, "http", "response field left out", log_str("name", name),
        log_cstr("reason", reason));
    return false;
}

static bool check_value(struct str name, struct str value)
{
    return http_is_safe(value) || refuse(name, "its value has a control byte");
}

bool http_field_check(struct str name, struct str value)
{
    if (!http_field_is_token(name)) {
        return refuse(name, "its name is not a token");
    }
    if (http_field_is_own(name)) {
        return refuse(name, "only the server may send it");
    }
    return check_value(name, value);
}

bool http_field_check_type(struct str value)
{
    return check_value(STR("content-type"), value);
}
