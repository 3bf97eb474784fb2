/* SPDX-License-Identifier: MIT
 *
 * clock.c - clock_gettime, and dates written without the locale.
 */
#include "core/base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts); /* cannot fail: the three clocks always exist on Linux */
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t clock_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static struct tm split(uint64_t wall_ns)
{
    const time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    return tm;
}

/* put_number writes `value` as `width` digits and the character that follows them.
 *
 * Returns: where the next one goes. */
static char *put_number(char *out, unsigned value, size_t width, char follower)
{
    for (size_t i = width; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    out[width] = follower;
    return out + width + 1;
}

/* By hand: a page of listings holds dozens, and with snprintf each takes five times as long. */
void clock_format_rfc3339(uint64_t wall_ns, char *out)
{
    const struct tm tm = split(wall_ns);
    const unsigned us = (unsigned)(wall_ns % NS_PER_S / NS_PER_US);
    out = put_number(out, (unsigned)tm.tm_year + 1900, 4, '-');
    out = put_number(out, (unsigned)tm.tm_mon + 1, 2, '-');
    out = put_number(out, (unsigned)tm.tm_mday, 2, 'T');
    out = put_number(out, (unsigned)tm.tm_hour, 2, ':');
    out = put_number(out, (unsigned)tm.tm_min, 2, ':');
    out = put_number(out, (unsigned)tm.tm_sec, 2, '.');
    out = put_number(out, us, 6, 'Z');
    *out = '\0';
}

void clock_format_http(uint64_t wall_ns, char *out)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const struct tm tm = split(wall_ns);
    (void)snprintf(out, CLOCK_HTTP_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday],
                   (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
                   ((unsigned)tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                   (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}
