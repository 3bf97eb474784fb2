/* SPDX-License-Identifier: MIT
 *
 * crash_events.h - prints the last events of the loops from the recorder's rings; nothing when the
 * recorder is off.
 *
 * Thread: signal.
 */
#ifndef TOQ_CORE_CRASH_CRASH_EVENTS_H
#define TOQ_CORE_CRASH_CRASH_EVENTS_H

#include "core/crash/crash_out.h"

#define CRASH_EVENTS_MAX 32 /* of each loop */

/* crash_events_put writes a line for each event, the oldest first. */
void crash_events_put(struct crash_out *out);

#endif
