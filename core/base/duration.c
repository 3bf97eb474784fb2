/* SPDX-License-Identifier: MIT
 *
 * duration.c - number, unit, number, unit.
 */
#include "core/base/duration.h"

#define MAX_NS ((uint64_t)INT64_MAX)

static const struct unit {
    struct str name;
    uint64_t ns;
} units[] = {
    {{"h", 1}, 3600 * NS_PER_S},
    {{"m", 1}, 60 * NS_PER_S},
    {{"s", 1}, NS_PER_S},
    {{"ms", 2}, NS_PER_MS},
    {{"us", 2}, NS_PER_US},
    {{"\xC2\xB5s", 3}, NS_PER_US}, /* the micro sign, and the Greek letter */
    {{"\xCE\xBCs", 3}, NS_PER_US},
    {{"ns", 2}, 1},
};

/* Cuts the leading bytes off that are digits, or that are not and no dot. */
static struct str cut(struct str *rest, bool is_digits)
{
    size_t len = 0;
    while (len < rest->len) {
        const char c = rest->ptr[len];
        const bool is_digit = c >= '0' && c <= '9';
        if (is_digit != is_digits || c == '.') {
            break;
        }
        len++;
    }
    const struct str head = {rest->ptr, len};
    *rest = (struct str){rest->ptr + len, rest->len - len};
    return head;
}

static uint64_t find_unit(struct str name)
{
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (str_equal(units[i].name, name)) {
            return units[i].ns;
        }
    }
    return 0;
}

/* The part of a unit that the digits behind the dot are. */
static uint64_t fraction_ns(struct str digits, uint64_t unit_ns)
{
    uint64_t sum = 0;
    uint64_t scale_ns =
        unit_ns * 10000; /* four digits more than needed, in vain; still no overflow */
    for (size_t i = 0; i < digits.len; i++) {
        scale_ns /= 10;
        sum += scale_ns * (uint64_t)(digits.ptr[i] - '0');
    }
    return sum / 10000;
}

static bool parse_part(struct str *rest, uint64_t *ret_ns)
{
    const struct str whole = cut(rest, true);
    struct str fraction = {rest->ptr, 0};
    if (rest->len > 0 && rest->ptr[0] == '.') {
        *rest = (struct str){rest->ptr + 1, rest->len - 1};
        fraction = cut(rest, true);
    }
    const uint64_t unit_ns = find_unit(cut(rest, false));
    uint64_t count = 0;
    if (unit_ns == 0 || whole.len + fraction.len == 0 ||
        (whole.len > 0 && !str_parse_u64(whole, MAX_NS / unit_ns, &count))) {
        return false;
    }
    *ret_ns = count * unit_ns + fraction_ns(fraction, unit_ns);
    return true;
}

bool duration_parse(struct str text, uint64_t *ret_ns)
{
    uint64_t sum = 0;
    if (str_parse_u64(text, MAX_NS / NS_PER_S, &sum)) {
        *ret_ns = sum * NS_PER_S;
        return true;
    }
    struct str rest = text;
    do {
        uint64_t part_ns;
        if (!parse_part(&rest, &part_ns) || part_ns > MAX_NS - sum) {
            return false;
        }
        sum += part_ns;
    } while (rest.len > 0);
    *ret_ns = sum;
    return true;
}
