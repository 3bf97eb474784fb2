/* SPDX-License-Identifier: MIT
 *
 * duration.h - lengths of time as people write them: "90s", "1h30m", "1.5s".
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_DURATION_H
#define TOQ_CORE_BASE_DURATION_H

#include "core/base/str.h"

/* duration_parse reads decimal numbers with units, one after the other, that are the whole of
 * `text`; or one whole number without a unit, which is seconds.
 *
 * Returns: true with *ret_ns set, what is finer is cut off; false for anything else, a sign as
 *          well, and above INT64_MAX nanoseconds.
 * Source:  Go's time.ParseDuration, which knows the units h, m, s, ms, us, ns.
 */
MUST_USE bool duration_parse(struct str text, uint64_t *ret_ns);

#endif
