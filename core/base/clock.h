/* SPDX-License-Identifier: MIT
 *
 * clock.h - two clocks: monotonic for durations, wall for times that people read.
 *
 * Thread: any; also safe in a signal handler.
 */
#ifndef TOQ_CORE_BASE_CLOCK_H
#define TOQ_CORE_BASE_CLOCK_H

#include "core/base/base.h"

#define CLOCK_RFC3339_BYTES 32 /* "2026-11-22T23:59:59.123456Z" and a NUL */
#define CLOCK_HTTP_BYTES    30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */

/* clock_now_ns is the monotonic time in nanoseconds since an arbitrary start. */
uint64_t clock_now_ns(void);

/* clock_elapsed_ns is the time from `since_ns` to `now_ns`, both of clock_now_ns, or 0 when
 * `since_ns` is the later one, as it can be when another thread read it.
 *
 * The two are told apart by their difference, so a time before the clock's start, which has
 * wrapped, is an early one: the clock starts with the machine.
 */
static inline uint64_t clock_elapsed_ns(uint64_t since_ns, uint64_t now_ns)
{
    const uint64_t elapsed_ns = now_ns - since_ns;
    return elapsed_ns <= INT64_MAX ? elapsed_ns : 0;
}

/* clock_wall_ns is the time of day in nanoseconds since 1970, UTC. */
uint64_t clock_wall_ns(void);

/* clock_cpu_ns is the CPU time of the whole process, user and system, in nanoseconds. */
uint64_t clock_cpu_ns(void);

/* clock_format_rfc3339 writes a wall time with microseconds.
 *
 * wall_ns: since 1970. out: CLOCK_RFC3339_BYTES.
 */
void clock_format_rfc3339(uint64_t wall_ns, char *out);

/* clock_format_http writes a wall time as the Date field has it.
 *
 * wall_ns: since 1970. out: CLOCK_HTTP_BYTES.
 * Source:  RFC 9110 5.6.7 (IMF-fixdate).
 */
void clock_format_http(uint64_t wall_ns, char *out);

#endif
