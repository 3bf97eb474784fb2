/* SPDX-License-Identifier: MIT
 *
 * stack_line.h - a thread's stack as one line of function names, for the log.
 *
 * Flow:   stack_line_start -> code_refresh -> [worker] thread_stack_take, names -> done
 * Thread: the profiler's loop.
 */
#ifndef TOQ_PROFILING_TASK_STACK_LINE_H
#define TOQ_PROFILING_TASK_STACK_LINE_H

#include <sys/types.h>

#include "core/loop/pool.h"

/* A stack_line_fn gets "parse < handle_get < run_handler", the innermost call first; "(none: " and
 * the reason when the thread does not answer; "" without a list of code or a worker. line: borrowed
 * until it returns. */
typedef void (*stack_line_fn)(void *arg, const char *line);

/* stack_line_start asks a thread for its stack.
 *
 * done runs once, later. The profiler has started, and loop and pool are its own.
 * Returns: 0; UV_ENOMEM, or what code_refresh says: done does not run.
 */
MUST_USE int stack_line_start(struct loop *loop, struct pool *pool, pid_t tid, stack_line_fn done,
                              void *arg);

#endif
