/* SPDX-License-Identifier: MIT
 *
 * thread_facts.h - what the kernel says of one thread of the process.
 *
 * Thread: any.
 */
#ifndef TOQ_PROFILING_CPU_THREAD_FACTS_H
#define TOQ_PROFILING_CPU_THREAD_FACTS_H

#include <sys/types.h>
#include <time.h>

#include "core/base/base.h"

/* thread_facts_read reads a file of /proc about a thread, as a string.
 *
 * out: `size` bytes; what does not fit is left out.
 * Returns: false when the thread has ended.
 */
MUST_USE bool thread_facts_read(pid_t tid, const char *file, char *out, size_t size);

/* thread_facts_clock is the clock of a thread's CPU time, user's and system's. */
clockid_t thread_facts_clock(pid_t tid);

/* thread_facts_cpu_ns reads that clock.
 *
 * Returns: true with *ret_cpu_ns set; false when the thread has ended.
 */
MUST_USE bool thread_facts_cpu_ns(pid_t tid, uint64_t *ret_cpu_ns);

/* thread_facts_is_alive tells whether the thread is there. */
bool thread_facts_is_alive(pid_t tid);

#endif
