/* SPDX-License-Identifier: MIT
 *
 * exact_signals.h - whether a signal interrupts a thread where it is. ThreadSanitizer hands it over
 * when the thread next calls the C library, with the registers of the moment it was raised: how
 * many come, and what their stacks contain, is only asserted without it.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_EXACT_SIGNALS_H
#define TOQ_TEST_UNIT_SUPPORT_EXACT_SIGNALS_H

#if defined(__SANITIZE_THREAD__)
#define HAS_EXACT_SIGNALS false
#else
#define HAS_EXACT_SIGNALS true
#endif

#endif
