/* SPDX-License-Identifier: MIT
 *
 * mutex_hook.h - pthread_mutex_lock and the calls that unlock a mutex, defined in the
 * executable: so every library that is loaded calls ours, too.
 *
 * They do what the C library's do, and pass on to those what mutex_wait.h wants to know. Not seen:
 * what the C library locks by itself (stdio, its malloc, C11's mtx_lock, the lock that a wait for a
 * condition ends with), pthread_mutex_timedlock, read-write and spin locks.
 */
#ifndef TOQ_PROFILING_THREAD_MUTEX_HOOK_H
#define TOQ_PROFILING_THREAD_MUTEX_HOOK_H

#include "core/base/base.h"

/* mutex_hook_is_built tells whether this build has them. */
bool mutex_hook_is_built(void);

#endif
