/* SPDX-License-Identifier: MIT
 *
 * ticks.h - reads the processor's counter without a system call, for durations of microseconds. Its
 * users calibrate it by a clock.
 *
 * The counter runs at a constant rate, the same on every processor, also while the machine is idle.
 * The rate differs between machines. Each file defines ticks_now.
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
