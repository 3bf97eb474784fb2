/* SPDX-License-Identifier: MIT
 *
 * task_stack.h - where tasks wait, as text: for pages that show requests.
 *
 * Flow:   task_stack_start -> code_refresh -> [worker] work, which calls task_stack_write -> done
 * Thread: the profiler's loop, but for task_stack_write.
 */
#ifndef TOQ_PROFILING_TASK_TASK_STACK_H
#define TOQ_PROFILING_TASK_TASK_STACK_H

#include <sys/types.h>

#include "core/base/buf.h"
#include "core/loop/pool.h"
#include "core/task/task.h"

/* task_stack_start runs `work` on a worker thread where symbols are known, and then `done` on the
 * loop, once, later. status: 0; UV_ENOMEM or what code_refresh says: work did not run.
 *
 * The profiler has started, and loop and pool are its own. arg lives until done.
 * Returns: 0; UV_ENOMEM, or what code_refresh says: done does not run.
 */
MUST_USE int task_stack_start(struct loop *loop, struct pool *pool, void (*work)(void *arg),
                              void (*done)(void *arg, int status), void *arg);

/* task_stack_write appends where a task is parked, a line "function file:line" for each call, the
 * innermost first; nothing for one that is not parked.
 *
 * Thread: the worker's, inside of `work`.
 */
void task_stack_write(const struct task_facts *facts, struct buf *out);

/* task_stack_write_thread appends where a thread is now; nothing when it does not answer within
 * 20 ms.
 *
 * Thread: as task_stack_write.
 */
void task_stack_write_thread(pid_t tid, struct buf *out);

#endif
