/* SPDX-License-Identifier: MIT
 *
 * baggage.h - what a caller sends along a trace for all servers on its way, checked before it is
 * passed on.
 *
 * Thread: any.
 * Source: W3C Baggage, 20 June 2024 (candidate recommendation): 3.2, the syntax; 3.3.2, the limits.
 */
#ifndef TOQ_CORE_TELEMETRY_BAGGAGE_H
#define TOQ_CORE_TELEMETRY_BAGGAGE_H

#include "core/base/str.h"

#define BAGGAGE_MAX_BYTES   8192
#define BAGGAGE_MAX_MEMBERS 64

/* baggage_is_valid tells whether a baggage field may be passed on as it came.
 *
 * s: several fields are joined by commas.
 */
bool baggage_is_valid(struct str s);

#endif
