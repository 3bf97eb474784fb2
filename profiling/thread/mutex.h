/* SPDX-License-Identifier: MIT
 *
 * mutex.h - the mutex profile (source_mutex): the code that holds mutexes, also of libraries, while
 * other threads wait. mutex_wait.h says what is counted, mutex_hook.h which calls are seen.
 *
 * Thread: the loop.
 */
#ifndef TOQ_PROFILING_THREAD_MUTEX_H
#define TOQ_PROFILING_THREAD_MUTEX_H

#include "profiling/thread/mutex_wait.h"

/* mutex_start begins to record one in `fraction` contentions, and counts it `fraction` times; 0:
 * none. After bounds_init. */
void mutex_start(uint32_t fraction);

/* mutex_stop ends it; what was recorded stays. */
void mutex_stop(void);

/* mutex_get_stats reads the account since the process began. */
struct mutex_stats mutex_get_stats(void);

#endif
