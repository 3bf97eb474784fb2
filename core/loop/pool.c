/* SPDX-License-Identifier: MIT
 *
 * pool.c - a queue under a lock, and threads that wait for it.
 *
 * A thread is `idle` from the moment that its job has returned, before `done` runs: the next job
 * then goes to that thread instead of starting another.
 *
 * Locking: `lock` guards the queue, the links of its jobs and all counts. It may be held while a
 *          loop's is taken, never the other way round.
 */
#include "core/loop/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/thread.h"
#include "core/task/task.h"
#include "core/task/usage_totals.h"

struct pool {
    struct pool_options options;
    void (*on_thread)(void);  /* NULL: nothing is to be called */
    struct usage_totals *cpu; /* of its threads; NULL: memory was missing */
    pthread_mutex_t lock;
    pthread_cond_t has_work; /* or is_closing */
    pthread_cond_t is_quiet; /* is_closing, and no job runs any more */
    struct list queue;       /* of struct pool_job, the oldest first */
    struct pool_stats stats;
    size_t idle; /* threads that wait for a job, or are about to */
    bool is_closing;
    size_t thread_count; /* started */
    pthread_t threads[];
};

/* --- on the loop --- */

static void finish_job(struct loop_post *post)
{
    struct pool_job *job = CONTAINER_OF(post, struct pool_job, post);
    loop_unref(job->loop);
    job->done(job, job->status);
}

/* --- on a thread --- */

/* take_job waits for a job. The lock is held. Returns: NULL when the thread is to end. */
static struct pool_job *take_job(struct pool *pool)
{
    while (list_is_empty(&pool->queue) && !pool->is_closing) {
        (void)pthread_cond_wait(&pool->has_work, &pool->lock);
    }
    pool->idle--;
    if (list_is_empty(&pool->queue)) {
        return NULL;
    }
    struct pool_job *job = CONTAINER_OF(pool->queue.next, struct pool_job, link);
    list_unlink(&job->link);
    pool->stats.queued--;
    pool->stats.running++;
    return job;
}

static void run_job(struct pool *pool, struct pool_job *job)
{
    const uint64_t start_ns = usage_thread_ns();
    (void)task_swap_label(job->label);
    task_work_for(job->task);
    job->work(job);
    task_work_for((struct task_ref){0});
    (void)task_swap_label(LABEL_NONE);
    job->cpu_ns = usage_thread_ns() - start_ns;
    usage_count_job(pool->cpu, job->label, job->cpu_ns);
    (void)pthread_mutex_lock(&pool->lock);
    pool->stats.running--;
    pool->idle++;
    if (pool->is_closing && pool->stats.running == 0) {
        (void)pthread_cond_signal(&pool->is_quiet);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    loop_post(job->loop, &job->post);
}

static void set_up_thread(const struct pool_options *options)
{
    (void)pthread_setname_np(pthread_self(), options->name);
    if (options->nice != 0) {
        /* Linux has it per thread, and caps it at 19 */
        const int own = getpriority(PRIO_PROCESS, (id_t)gettid());
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), own + options->nice);
    }
}

static void *run_thread(void *arg)
{
    struct pool *pool = arg;
    set_up_thread(&pool->options);
    if (pool->on_thread != NULL) {
        pool->on_thread();
    }
    (void)pthread_mutex_lock(&pool->lock);
    for (struct pool_job *job = take_job(pool); job != NULL; job = take_job(pool)) {
        (void)pthread_mutex_unlock(&pool->lock);
        run_job(pool, job);
        (void)pthread_mutex_lock(&pool->lock);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* --- jobs in --- */

static bool is_full(const struct pool *pool)
{
    /* a job that a thread is about to take is still queued, so both count */
    return pool->stats.queued + pool->stats.running >=
           pool->options.threads + pool->options.queue_max;
}

/* add_thread starts a thread when more jobs wait than threads.
 *
 * Returns: 0; UV_EAGAIN: there is no thread at all. */
static int add_thread(struct pool *pool)
{
    if (pool->stats.queued <= pool->idle || pool->thread_count == pool->options.threads) {
        return 0;
    }
    const int rc = thread_start(run_thread, pool, &pool->threads[pool->thread_count]);
    if (rc < 0) {
        return pool->thread_count > 0 ? 0 : UV_EAGAIN; /* the threads that exist suffice */
    }
    pool->thread_count++;
    pool->idle++;
    return 0;
}

/* enqueue: the lock is held. */
static int enqueue(struct pool *pool, struct pool_job *job)
{
    if (pool->is_closing) {
        return UV_ECANCELED;
    }
    if (is_full(pool)) {
        return UV_EAGAIN;
    }
    list_push_back(&pool->queue, &job->link);
    pool->stats.queued++;
    const int rc = add_thread(pool);
    if (rc < 0) {
        list_unlink(&job->link);
        pool->stats.queued--;
        return rc;
    }
    pool->stats.submitted++;
    (void)pthread_cond_signal(&pool->has_work);
    return 0;
}

int pool_submit(struct pool *pool, struct loop *loop, struct pool_job *job)
{
    loop_require_lasting(loop, job, "pool_submit");
    job->pool = pool;
    job->loop = loop;
    job->label = task_current_label();
    job->task = task_current_ref();
    job->cpu_ns = 0;
    job->status = 0;
    job->post.run = finish_job;
    (void)pthread_mutex_lock(&pool->lock);
    const int rc = enqueue(pool, job);
    (void)pthread_mutex_unlock(&pool->lock);
    if (rc == 0) {
        loop_ref(loop); /* finish_job cannot run before: this is its thread */
    }
    return rc;
}

/* call_off: the lock is held. */
static void call_off(struct pool *pool, struct pool_job *job)
{
    list_unlink(&job->link);
    pool->stats.queued--;
    job->status = UV_ECANCELED;
    loop_post(job->loop, &job->post);
}

bool pool_cancel(struct pool_job *job)
{
    struct pool *pool = job->pool;
    (void)pthread_mutex_lock(&pool->lock);
    const bool is_queued = !list_is_empty(&job->link);
    if (is_queued) {
        call_off(pool, job);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return is_queued;
}

/* --- metrics --- */

struct pool_stats pool_get_stats(struct pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    const struct pool_stats stats = pool->stats;
    (void)pthread_mutex_unlock(&pool->lock);
    return stats;
}

struct pool_values {
    uint64_t submitted;
    size_t active;
};

static void fill(void *arg, void *values)
{
    const struct pool_stats stats = pool_get_stats(arg);
    *(struct pool_values *)values = (struct pool_values){
        .submitted = stats.submitted,
        .active = stats.queued + stats.running,
    };
}

int pool_register_metrics(struct pool *pool, struct metrics *metrics)
{
    static const char *const labels[] = {"pool", NULL};
    static const struct metric_row rows[] = {
        {"toq_threadpool_jobs_total", "Jobs given to the pool's threads.", METRIC_COUNTER,
         METRIC_FIELD(struct pool_values, submitted)},
        {"toq_threadpool_active_jobs", "Jobs queued for the pool's threads or running on them.",
         METRIC_GAUGE, METRIC_FIELD(struct pool_values, active)},
    };
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = rows,
                                       .row_count = ARRAY_COUNT(rows),
                                       .labels = labels,
                                       .value = pool->options.kind,
                                       .fill = fill,
                                       .values_bytes = sizeof(struct pool_values),
                                       .arg = pool,
                                   });
}

/* --- life --- */

int pool_create(const struct pool_options *options, struct pool **ret_pool)
{
    REQUIRE(options->threads > 0 && strlen(options->name) <= POOL_NAME_MAX);
    struct pool *pool = calloc(1, sizeof(*pool) + options->threads * sizeof(pool->threads[0]));
    if (pool == NULL) {
        return UV_ENOMEM;
    }
    pool->options = *options;
    pool->cpu = usage_get_totals(options->name, "[pool]");
    list_init(&pool->queue);
    /* glibc's cannot fail without attributes */
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->has_work, NULL);
    (void)pthread_cond_init(&pool->is_quiet, NULL);
    *ret_pool = pool;
    return 0;
}

void pool_on_thread(struct pool *pool, void (*on_thread)(void))
{
    REQUIRE(pool->thread_count == 0);
    pool->on_thread = on_thread;
}

/* wait_quiet waits for the jobs that run, with the lock held.
 *
 * Returns: false when the time is up first. */
static bool wait_quiet(struct pool *pool, uint64_t timeout_ms)
{
    const uint64_t end_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    const struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                                 .tv_nsec = (long)(end_ns % NS_PER_S)};
    bool has_time = true;
    while (has_time && pool->stats.running > 0) {
        has_time = pthread_cond_clockwait(&pool->is_quiet, &pool->lock, CLOCK_MONOTONIC, &end) == 0;
    }
    return pool->stats.running == 0;
}

bool pool_destroy(struct pool *pool, uint64_t timeout_ms)
{
    if (pool == NULL) {
        return true;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    while (!list_is_empty(&pool->queue)) {
        call_off(pool, CONTAINER_OF(pool->queue.next, struct pool_job, link));
    }
    (void)pthread_cond_broadcast(&pool->has_work);
    const bool is_over = wait_quiet(pool, timeout_ms);
    (void)pthread_mutex_unlock(&pool->lock);
    if (!is_over) {
        return false;
    }
    for (size_t i = 0; i < pool->thread_count; i++) {
        (void)pthread_join(pool->threads[i], NULL);
    }
    (void)pthread_cond_destroy(&pool->is_quiet);
    (void)pthread_cond_destroy(&pool->has_work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
    return true;
}
