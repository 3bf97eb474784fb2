/* SPDX-License-Identifier: MIT
 *
 * grpc_json_time.c - a time as RFC 3339 has it, and as seconds and nanoseconds since 1970.
 */
#include "core/grpc/grpc_json_time.h"

#include <stdio.h>
#include <time.h>

#include "google/protobuf/timestamp.pb-c.h"

#define FIRST_S (-INT64_C(62135596800)) /* 0001-01-01T00:00:00Z */
#define LAST_S  INT64_C(253402300799)   /* 9999-12-31T23:59:59Z */
#define NANOS   1000000000

typedef Google__Protobuf__Timestamp timestamp;

bool grpc_json_is_time(const ProtobufCMessageDescriptor *type)
{
    return type == &google__protobuf__timestamp__descriptor;
}

static bool take_char(struct str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c) {
        return false;
    }
    *rest = (struct str){rest->ptr + 1, rest->len - 1};
    return true;
}

/* take_digits takes so many digits off the front. */
static bool take_digits(struct str *rest, size_t count, int *ret_value)
{
    uint64_t value;
    if (rest->len < count || !str_parse_u64((struct str){rest->ptr, count}, INT32_MAX, &value)) {
        return false;
    }
    *ret_value = (int)value;
    *rest = (struct str){rest->ptr + count, rest->len - count};
    return true;
}

/* take_fraction takes the digits of a second behind its point, if there is one. */
static bool take_fraction(struct str *rest, int32_t *ret_nanos)
{
    int digit;
    int32_t unit = NANOS;
    *ret_nanos = 0;
    if (!take_char(rest, '.')) {
        return true;
    }
    while (unit > 0 && take_digits(rest, 1, &digit)) {
        unit /= 10;
        *ret_nanos += digit * unit;
    }
    return unit > 0 && unit < NANOS; /* one digit to nine */
}

/* take_offset takes the difference to UTC. */
static bool take_offset(struct str *rest, int64_t *ret_offset_s)
{
    int hours;
    int minutes;
    *ret_offset_s = 0;
    if (take_char(rest, 'Z')) {
        return true;
    }
    const bool is_east = take_char(rest, '+');
    if ((!is_east && !take_char(rest, '-')) || !take_digits(rest, 2, &hours) ||
        !take_char(rest, ':') || !take_digits(rest, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *ret_offset_s = (int64_t)(is_east ? 1 : -1) * (hours * 3600 + minutes * 60);
    return true;
}

/* take_date_time takes what is in front of the fraction, which must be a time that exists. */
static bool take_date_time(struct str *rest, int64_t *ret_s)
{
    struct tm given = {0};
    if (!take_digits(rest, 4, &given.tm_year) || !take_char(rest, '-') ||
        !take_digits(rest, 2, &given.tm_mon) || !take_char(rest, '-') ||
        !take_digits(rest, 2, &given.tm_mday) || !take_char(rest, 'T') ||
        !take_digits(rest, 2, &given.tm_hour) || !take_char(rest, ':') ||
        !take_digits(rest, 2, &given.tm_min) || !take_char(rest, ':') ||
        !take_digits(rest, 2, &given.tm_sec)) {
        return false;
    }
    given.tm_year -= 1900;
    given.tm_mon -= 1;
    struct tm real = given; /* timegm takes February 30 for March 2 */
    *ret_s = timegm(&real);
    return real.tm_year == given.tm_year && real.tm_mon == given.tm_mon &&
           real.tm_mday == given.tm_mday && real.tm_hour == given.tm_hour &&
           real.tm_min == given.tm_min && real.tm_sec == given.tm_sec;
}

bool grpc_json_time_read(struct str text, ProtobufCMessage *message)
{
    timestamp *time = (timestamp *)message;
    int64_t seconds;
    int64_t offset_s;
    if (!take_date_time(&text, &seconds) || !take_fraction(&text, &time->nanos) ||
        !take_offset(&text, &offset_s) || text.len > 0) {
        return false;
    }
    time->seconds = seconds - offset_s;
    return time->seconds >= FIRST_S && time->seconds <= LAST_S;
}

void grpc_json_time_write(struct buf *out, const ProtobufCMessage *message)
{
    const timestamp *time = (const timestamp *)message;
    if (time->seconds < FIRST_S || time->seconds > LAST_S || time->nanos < 0 ||
        time->nanos >= NANOS) {
        buf_append_cstr(out, "null");
        return;
    }
    struct tm tm;
    const time_t seconds = time->seconds;
    (void)gmtime_r(&seconds, &tm);
    buf_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
               tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (time->nanos > 0) {
        char digits[16];
        (void)snprintf(digits, sizeof(digits), ".%09d", (int)time->nanos);
        const int shown = time->nanos % 1000000 == 0 ? 3 : time->nanos % 1000 == 0 ? 6 : 9;
        buf_append(out, digits, (size_t)shown + 1);
    }
    buf_append_cstr(out, "Z\"");
}
