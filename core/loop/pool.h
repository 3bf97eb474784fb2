/* SPDX-License-Identifier: MIT
 *
 * pool.h - threads for work that blocks: name look-ups, connects, files, symbols. Each kind of work
 * has its own pool, so that none waits for another.
 *
 * Flow:    pool_submit -> [queue] -> work on a thread of the pool -> loop_post -> done on the loop
 *          that submitted
 * Failure: a full queue refuses. A job that runs cannot be stopped: what it reads and writes lives
 *          until it returns.
 * Memory:  jobs are their callers', until done runs. Threads start with the work, and stay until
 *          pool_destroy.
 * Thread:  any loop's, several at once; unless a function says otherwise.
 */
#ifndef TOQ_CORE_LOOP_POOL_H
#define TOQ_CORE_LOOP_POOL_H

#include "core/loop/loop.h"
#include "core/task/task.h"

#define POOL_NAME_MAX 15 /* bytes: the kernel's limit for a thread */

struct pool;

/* A job: `work` runs on a thread of the pool, under the label of the task that submitted it; `done`
 * on the loop afterwards, exactly once. status is 0, or UV_ECANCELED: work has not run and will
 * not. */
struct pool_job {
    void (*work)(struct pool_job *job);
    void (*done)(struct pool_job *job, int status);

    /* private */
    struct list link; /* in the queue; in none: it runs, or has run */
    struct loop_post post;
    struct pool *pool;
    struct loop *loop;
    uint32_t label;
    struct task_ref task; /* that submitted it */
    int status;

    /* for `done`: */
    uint64_t cpu_ns; /* that `work` used */
};

struct pool_options {
    const char *name; /* a literal: of the threads, in profiles; POOL_NAME_MAX bytes at most */
    const char *kind; /* a literal: the label `pool` of the metrics */
    size_t threads;   /* at most */
    size_t queue_max; /* jobs that wait while all threads are busy */
    int nice;         /* of the threads, above the process's */
};

struct pool_stats {
    uint64_t submitted; /* jobs accepted so far */
    size_t queued;      /* jobs that wait for a thread */
    size_t running;
};

/* pool_create makes a pool without threads: the first job starts the first.
 *
 * options: copied.
 * Returns: 0 with *ret_pool set; UV_ENOMEM.
 */
MUST_USE int pool_create(const struct pool_options *options, struct pool **ret_pool);

/* pool_on_thread sets a function that each thread of the pool calls before its first job; set
 * before the pool has a thread. */
void pool_on_thread(struct pool *pool, void (*on_thread)(void));

/* pool_destroy cancels the jobs that wait (done runs with UV_ECANCELED), waits for those that run,
 * and ends the threads; takes NULL. No done runs from inside it: the loops still have to run, or to
 * be destroyed, afterwards.
 *
 * timeout_ms: how long it waits.
 * Returns:    true; false when a job still runs: then the pool stays, and accepts no more jobs. The
 *             caller tries again later, or ends the process by _exit without freeing what the job
 *             may touch.
 * Thread:     any, when no thread submits or cancels any more.
 */
MUST_USE bool pool_destroy(struct pool *pool, uint64_t timeout_ms);

/* pool_submit queues a job. The loop keeps running until done has run.
 *
 * Returns: 0; UV_EAGAIN: the queue is full, or no thread can be started; UV_ECANCELED: pool_destroy
 *          was called. On an error neither work nor done runs.
 * Owns:    job is the pool's until done runs.
 */
MUST_USE int pool_submit(struct pool *pool, struct loop *loop, struct pool_job *job);

/* pool_cancel cancels a job that pool_submit has accepted and whose done has not run.
 *
 * Returns: true: work does not run, and done runs with UV_ECANCELED, later; false: work runs or has
 *          run, and done runs with 0.
 */
bool pool_cancel(struct pool_job *job);

/* pool_get_stats reads the counts.
 *
 * Thread: any.
 */
struct pool_stats pool_get_stats(struct pool *pool);

/* pool_register_metrics adds the pool to toq_threadpool_jobs_total and toq_threadpool_active_jobs.
 *
 * Owns:    the pool outlives `metrics`, or its exports.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int pool_register_metrics(struct pool *pool, struct metrics *metrics);

#endif
