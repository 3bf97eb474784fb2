/* SPDX-License-Identifier: MIT
 *
 * thread.h - creates threads that block the process's signals.
 */
#ifndef TOQ_CORE_BASE_THREAD_H
#define TOQ_CORE_BASE_THREAD_H

#include <pthread.h>

#include "core/base/base.h"

/* thread_start creates a thread that runs `run(arg)` with all signals blocked but SIGPROF and
 * those of its own faults: the process's handlers run on the main thread, and the profiler samples
 * every one. The thread has a second stack for signal handlers.
 *
 * Returns: 0 with *ret_thread set; -EAGAIN: no thread, or no memory.
 * Owns:    whoever calls joins or detaches the thread.
 * Thread:  any.
 */
MUST_USE int thread_start(void *(*run)(void *), void *arg, pthread_t *ret_thread);

#endif
