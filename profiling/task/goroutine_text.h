/* SPDX-License-Identifier: MIT
 *
 * goroutine_text.h - tasks and threads in the format of a Go program's dump, for people and for the
 * viewers that parse it.
 *
 * Thread: a worker thread: it looks symbols up.
 */
#ifndef TOQ_PROFILING_TASK_GOROUTINE_TEXT_H
#define TOQ_PROFILING_TASK_GOROUTINE_TEXT_H

#include "core/base/buf.h"
#include "profiling/task/goroutine_tasks.h"
#include "profiling/task/goroutine_threads.h"

/* goroutine_text_write appends all threads, then all tasks, the oldest first; those that do not fit
 * into out's maximum are left out. "(leaked)" follows the state of a task that is.
 *
 * has_ids: trace_id and span_id are among the labels.
 * Returns: 0; UV_ENOMEM.
 * Source:  Go's runtime/traceback.go.
 */
MUST_USE int goroutine_text_write(const struct goroutine_tasks *tasks,
                                  const struct goroutine_threads *threads, bool has_ids,
                                  struct buf *out);

#endif
