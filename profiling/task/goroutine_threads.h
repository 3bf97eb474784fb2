/* SPDX-License-Identifier: MIT
 *
 * goroutine_threads.h - every thread of the process with its stack, for the goroutine profile.
 *
 * Failure: a thread that blocks the signal, or does not answer it, is listed without a stack.
 * Memory:  GOROUTINE_THREADS_MAX threads, about 1 KiB each while they are listed.
 * Thread:  a worker thread; one at a time (a lock inside).
 */
#ifndef TOQ_PROFILING_TASK_GOROUTINE_THREADS_H
#define TOQ_PROFILING_TASK_GOROUTINE_THREADS_H

#include <sys/types.h>

#include "profiling/walk/thread_signal.h"

#define GOROUTINE_THREADS_MAX  1024
#define GOROUTINE_THREAD_BYTES 16 /* of a name: TASK_COMM_LEN */

struct goroutine_thread {
    uint64_t id; /* the same as long as the thread lives; 1: the main thread; no task's */
    pid_t tid;
    bool is_running;  /* else it waits in the kernel */
    bool has_blocked; /* the signal that asks for its stack */
    char name[GOROUTINE_THREAD_BYTES];
    struct thread_stack stack; /* frame_count 0: none could be had */
};

struct goroutine_threads {
    struct goroutine_thread *items; /* owned */
    size_t count;
    size_t cap;
};

/* goroutine_threads_take lists the threads and asks each once for its stack. It waits half a
 * second at most for those that do not answer.
 *
 * threads: an all-zero struct is an empty list.
 * Returns: 0; UV_ENOMEM, and what was listed before stays; what opening /proc/self/task says.
 */
MUST_USE int goroutine_threads_take(struct goroutine_threads *threads);

/* goroutine_threads_deinit frees a list. */
void goroutine_threads_deinit(struct goroutine_threads *threads);

/* goroutine_threads_count is how many threads the process has now.
 *
 * Thread: any; a system call.
 */
uint64_t goroutine_threads_count(void);

#endif
