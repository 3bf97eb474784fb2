/* SPDX-License-Identifier: MIT
 *
 * ticks.h - a counter of the processor's that costs no call: for durations of a few microseconds,
 * which are compared with one of the clocks now and then.
 *
 * It counts at an even rate, the same on every processor, and also while nothing runs; how fast is
 * the machine's, so whoever wants nanoseconds finds out by a clock. Each file gives ticks_now.
 *
 * Thread: any; also safe in a signal handler.
 */
#ifndef TOQ_CORE_BASE_TICKS_H
#define TOQ_CORE_BASE_TICKS_H

#include "core/base/base.h"

#if defined(__x86_64__)
#include "core/base/ticks_x86_64.h"
#elif defined(__aarch64__)
#include "core/base/ticks_aarch64.h"
#else
#error "toq runs on x86-64 and arm64"
#endif

#endif
