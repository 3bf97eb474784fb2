/* SPDX-License-Identifier: MIT
 *
 * crash_tasks.h - prints the tasks in flight from the slots, one line each.
 *
 * Thread: signal.
 */
#ifndef TOQ_CORE_CRASH_CRASH_TASKS_H
#define TOQ_CORE_CRASH_CRASH_TASKS_H

#include "core/crash/crash_out.h"

#define CRASH_TASKS_MAX 10000 /* lines; the others are counted */

/* crash_tasks_put_current writes the task that the calling thread works for.
 *
 * Returns: the code of the function that serves it; NULL: there is no task, or it is not known.
 */
const void *crash_tasks_put_current(struct crash_out *out, uint64_t now_ns);

/* crash_tasks_put_trace writes which trace the task belongs to whose callback runs, also if nobody
 * has asked before: its request is read for it, which may be what is damaged. */
void crash_tasks_put_trace(struct crash_out *out);

/* crash_tasks_put_all writes every task in flight. */
void crash_tasks_put_all(struct crash_out *out, uint64_t now_ns);

#endif
