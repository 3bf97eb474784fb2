/* SPDX-License-Identifier: MIT
 *
 * parameter.c - parts of a field's value, cut where a separator stands outside quotes.
 */
#include "core/http/parameter.h"

/* find_end is where the first part of `s` ends: at a separator, or behind all. An open quote takes
 * the rest. */
static size_t find_end(struct str s, char sep)
{
    bool is_quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        if (is_quoted && s.ptr[i] == '\\') {
            i++; /* whatever is escaped ends nothing */
        } else if (s.ptr[i] == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && s.ptr[i] == sep) {
            return i;
        }
    }
    return s.len;
}

bool parameter_next_part(struct str *rest, char sep, struct str *ret_part)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const size_t len = find_end(*rest, sep);
    *ret_part = str_trim((struct str){rest->ptr, len});
    *rest = len == rest->len ? (struct str){NULL, 0}
                             : (struct str){rest->ptr + len + 1, rest->len - len - 1};
    return true;
}

bool parameter_next(struct str *rest, struct parameter *ret_parameter)
{
    struct str value;
    if (!parameter_next_part(rest, ';', &value)) {
        return false;
    }
    if (!str_next_field(&value, '=', &ret_parameter->name)) {
        ret_parameter->name = STR("");
    }
    ret_parameter->name = str_trim(ret_parameter->name);
    ret_parameter->value = value.ptr == NULL ? STR("") : str_trim(value);
    return true;
}

bool parameter_is(struct str value, struct str text)
{
    const bool is_quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
    if (!is_quoted) {
        return str_equal_nocase(value, text);
    }
    size_t at = 0;
    for (size_t i = 1; i < value.len - 1; i++, at++) {
        i += value.ptr[i] == '\\' && i + 2 < value.len;
        if (at == text.len ||
            !str_equal_nocase((struct str){value.ptr + i, 1}, (struct str){text.ptr + at, 1})) {
            return false;
        }
    }
    return at == text.len;
}

bool parameter_is_type(struct str field, struct str type)
{
    struct str name;
    struct parameter parameter;
    if (!parameter_next_part(&field, ';', &name) || !str_equal_nocase(name, type)) {
        return false;
    }
    while (parameter_next(&field, &parameter)) {
        if (str_equal_nocase(parameter.name, STR("charset")) &&
            !parameter_is(parameter.value, STR("utf-8"))) {
            return false;
        }
    }
    return true;
}
