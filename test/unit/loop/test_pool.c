/* SPDX-License-Identifier: MIT
 *
 * test_pool.c - jobs in order, refused, called off, on the loop that submitted them, and the end of
 * a pool.
 *
 * pool.c is included, with its calloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "core/loop/pool.c"
#undef calloc

#include <semaphore.h>
#include <stdatomic.h>

#include "core/base/buf.h"
#include "test/unit/support/render_metrics.h"

#define TEST_TIMEOUT_MS 60000 /* for what comes at once */
#define MANY            200

static struct loop *loop;
static struct pool *pool;

struct job {
    struct pool_job job;
    sem_t *gate;    /* waited for by `work`; NULL for no gate */
    sem_t *arrival; /* posted by `work`; NULL: nobody waits */
    unsigned worked;
    unsigned work_order;
    unsigned done;
    unsigned done_order;
    int status;
    uint32_t label; /* that was set while it worked */
    char thread[16];
    int nice;
    pthread_t done_thread;
};

static atomic_uint work_order;
static unsigned done_order;

static void work(struct pool_job *pool_job)
{
    struct job *job = CONTAINER_OF(pool_job, struct job, job);
    if (job->arrival != NULL) {
        (void)sem_post(job->arrival);
    }
    if (job->gate != NULL) {
        (void)sem_wait(job->gate);
    }
    job->worked++;
    job->work_order = 1 + atomic_fetch_add(&work_order, 1);
    job->label = task_current_label();
    job->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    (void)pthread_getname_np(pthread_self(), job->thread, sizeof(job->thread));
}

static void done(struct pool_job *pool_job, int status)
{
    struct job *job = CONTAINER_OF(pool_job, struct job, job);
    job->done++;
    job->done_order = ++done_order;
    job->status = status;
    job->done_thread = pthread_self();
}

static atomic_uint joined_count;
static _Thread_local bool has_joined;

static void join(void)
{
    atomic_fetch_add(&joined_count, 1);
    has_joined = true;
}

static void work_joined(struct pool_job *pool_job)
{
    struct job *job = CONTAINER_OF(pool_job, struct job, job);
    job->worked += has_joined;
}

static struct job job_of(sem_t *gate, sem_t *arrival)
{
    return (struct job){
        .job = {.work = work, .done = done}, .gate = gate, .arrival = arrival, .status = 1};
}

static struct pool *create(size_t threads, size_t queue_max)
{
    struct pool *created = NULL;
    const struct pool_options options = {
        .name = "toq-test-pool", .kind = "test", .threads = threads, .queue_max = queue_max};
    assert_int_equal(pool_create(&options, &created), 0);
    return created;
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&work_order, 0);
    done_order = 0;
    pool = NULL;
    return loop_create(&loop);
}

static int teardown(void **state)
{
    (void)state;
    assert_true(pool_destroy(pool, TEST_TIMEOUT_MS));
    loop_destroy(loop); /* aborts on a handle that is open */
    return 0;
}

static void submit(struct job *job)
{
    assert_int_equal(pool_submit(pool, loop, &job->job), 0);
}

/* --- jobs --- */

static void test_a_job_works_and_is_done_once(void **state)
{
    (void)state;
    pool = create(2, 8);
    struct job job = job_of(NULL, NULL);
    assert_int_equal(pool->thread_count, 0);
    submit(&job);
    assert_int_equal(job.done, 0);
    loop_run(loop); /* ends by itself, and not before it is done */
    assert_int_equal(job.worked, 1);
    assert_int_equal(job.done, 1);
    assert_int_equal(job.status, 0);
    assert_true(pthread_equal(job.done_thread, pthread_self()));
    assert_string_equal(job.thread, "toq-test-pool");
}

static void test_one_thread_works_in_the_order_of_submission(void **state)
{
    (void)state;
    static struct job jobs[MANY];
    pool = create(1, MANY);
    for (size_t i = 0; i < MANY; i++) {
        jobs[i] = job_of(NULL, NULL);
        submit(&jobs[i]);
    }
    loop_run(loop);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(jobs[i].work_order, i + 1);
        assert_int_equal(jobs[i].done_order, i + 1);
        assert_int_equal(jobs[i].status, 0);
    }
}

static void test_a_thread_starts_only_when_the_others_are_busy(void **state)
{
    (void)state;
    sem_t gate;
    sem_t arrival;
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    assert_int_equal(sem_init(&arrival, 0, 0), 0);
    pool = create(3, 8);
    struct job one_by_one[4];
    for (size_t i = 0; i < ARRAY_COUNT(one_by_one); i++) {
        one_by_one[i] = job_of(NULL, NULL);
        submit(&one_by_one[i]);
        loop_run(loop);
        assert_int_equal(pool->thread_count, 1);
    }
    struct job at_once[4];
    for (size_t i = 0; i < ARRAY_COUNT(at_once); i++) {
        at_once[i] = job_of(&gate, &arrival);
        submit(&at_once[i]);
    }
    assert_int_equal(pool->thread_count, 3);
    for (size_t i = 0; i < 3; i++) {
        (void)sem_wait(&arrival); /* three run at a time */
    }
    for (size_t i = 0; i < ARRAY_COUNT(at_once); i++) {
        (void)sem_post(&gate);
    }
    loop_run(loop);
    (void)sem_destroy(&gate);
    (void)sem_destroy(&arrival);
}

static void test_the_label_of_the_task_is_set_while_it_works(void **state)
{
    (void)state;
    pool = create(1, 8);
    struct job labelled = job_of(NULL, NULL);
    struct job bare = job_of(NULL, NULL);
    const uint32_t previous = task_swap_label(LABEL_PROFILER);
    submit(&labelled);
    (void)task_swap_label(previous);
    submit(&bare);
    loop_run(loop);
    assert_int_equal(labelled.label, LABEL_PROFILER);
    assert_int_equal(bare.label, LABEL_NONE);
}

static void test_threads_are_as_nice_as_asked(void **state)
{
    (void)state;
    const int own = getpriority(PRIO_PROCESS, (id_t)gettid());
    const struct pool_options options = {
        .name = "toq-test-nice", .kind = "nice", .threads = 1, .queue_max = 1, .nice = 3};
    assert_int_equal(pool_create(&options, &pool), 0);
    struct job job = job_of(NULL, NULL);
    submit(&job);
    loop_run(loop);
    assert_int_equal(job.nice, own + 3 < 19 ? own + 3 : 19);
    assert_string_equal(job.thread, "toq-test-nice");
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), own);
}

/* --- refused and called off --- */

/* A pool of one thread, which is busy until `gate` is posted. */
struct busy {
    sem_t gate;
    sem_t arrival;
    struct job job;
};

static void make_busy(struct busy *busy, size_t queue_max)
{
    assert_int_equal(sem_init(&busy->gate, 0, 0), 0);
    assert_int_equal(sem_init(&busy->arrival, 0, 0), 0);
    pool = create(1, queue_max);
    busy->job = job_of(&busy->gate, &busy->arrival);
    submit(&busy->job);
    (void)sem_wait(&busy->arrival);
}

static void end_busy(struct busy *busy)
{
    (void)sem_destroy(&busy->gate);
    (void)sem_destroy(&busy->arrival);
}

static void test_each_thread_joins_before_its_first_job(void **state)
{
    (void)state;
    struct job jobs[6];
    pool = create(2, 8);
    pool_on_thread(pool, join);
    for (size_t i = 0; i < ARRAY_COUNT(jobs); i++) {
        jobs[i] = job_of(NULL, NULL);
        jobs[i].job.work = work_joined;
        submit(&jobs[i]);
    }
    loop_run(loop);
    for (size_t i = 0; i < ARRAY_COUNT(jobs); i++) {
        assert_int_equal(jobs[i].worked, 1);
    }
    const size_t threads = pool->thread_count;
    assert_true(pool_destroy(pool, TEST_TIMEOUT_MS)); /* or one may not have begun */
    pool = NULL;
    assert_int_equal(joined_count, threads);
}

static void test_a_full_queue_refuses(void **state)
{
    (void)state;
    struct busy busy;
    make_busy(&busy, 2);
    struct job queued[2] = {job_of(NULL, NULL), job_of(NULL, NULL)};
    struct job refused = job_of(NULL, NULL);
    submit(&queued[0]);
    submit(&queued[1]);
    assert_int_equal(pool_submit(pool, loop, &refused.job), UV_EAGAIN);
    const struct pool_stats stats = pool_get_stats(pool);
    assert_int_equal(stats.submitted, 3);
    assert_int_equal(stats.queued, 2);
    assert_int_equal(stats.running, 1);
    (void)sem_post(&busy.gate);
    loop_run(loop);
    assert_int_equal(queued[1].done, 1);
    assert_int_equal(refused.worked, 0);
    assert_int_equal(refused.done, 0);
    submit(&refused);
    loop_run(loop);
    assert_int_equal(refused.done, 1);
    end_busy(&busy);
}

static void test_a_job_that_waits_can_be_called_off(void **state)
{
    (void)state;
    struct busy busy;
    make_busy(&busy, 8);
    struct job jobs[3] = {job_of(NULL, NULL), job_of(NULL, NULL), job_of(NULL, NULL)};
    for (size_t i = 0; i < ARRAY_COUNT(jobs); i++) {
        submit(&jobs[i]);
    }
    assert_false(pool_cancel(&busy.job.job)); /* it runs */
    assert_true(pool_cancel(&jobs[1].job));
    assert_false(pool_cancel(&jobs[1].job)); /* it is already */
    assert_int_equal(jobs[1].done, 0);
    (void)sem_post(&busy.gate);
    loop_run(loop);
    assert_int_equal(busy.job.status, 0);
    assert_int_equal(jobs[0].status, 0);
    assert_int_equal(jobs[1].status, UV_ECANCELED);
    assert_int_equal(jobs[1].worked, 0);
    assert_int_equal(jobs[1].done, 1);
    assert_int_equal(jobs[2].status, 0);
    end_busy(&busy);
}

/* --- two loops on two threads --- */

struct submitter {
    const char *name;
    struct loop *loop;
    pthread_t thread;
    struct job jobs[MANY];
};

static void *run_submitter(void *arg)
{
    struct submitter *submitter = arg;
    submitter->thread = pthread_self();
    assert_int_equal(pthread_setname_np(submitter->thread, submitter->name), 0);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(pool_submit(pool, submitter->loop, &submitter->jobs[i].job), 0);
        if (i % 3 == 0) {
            (void)pool_cancel(&submitter->jobs[i].job);
        }
    }
    loop_run(submitter->loop);
    return NULL;
}

static void count_done(struct pool_job *pool_job, int status)
{
    struct job *job = CONTAINER_OF(pool_job, struct job, job);
    job->done++;
    job->status = status;
    job->done_thread = pthread_self();
}

static void test_each_job_is_done_on_the_loop_that_submitted_it(void **state)
{
    (void)state;
    static struct submitter submitters[] = {{.name = "toq-first"}, {.name = "toq-second"}};
    pthread_t threads[ARRAY_COUNT(submitters)];
    pool = create(3, 2 * MANY);
    for (size_t i = 0; i < ARRAY_COUNT(submitters); i++) {
        assert_int_equal(loop_create(&submitters[i].loop), 0);
        for (size_t n = 0; n < MANY; n++) {
            submitters[i].jobs[n] = job_of(NULL, NULL);
            submitters[i].jobs[n].job.done = count_done;
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(submitters); i++) {
        assert_int_equal(thread_start(run_submitter, &submitters[i], &threads[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(submitters); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        loop_destroy(submitters[i].loop);
        for (size_t n = 0; n < MANY; n++) {
            const struct job *job = &submitters[i].jobs[n];
            assert_int_equal(job->done, 1);
            assert_true(pthread_equal(job->done_thread, submitters[i].thread));
            assert_int_equal(job->worked, job->status == 0 ? 1 : 0);
            assert_true(job->status == 0 || (job->status == UV_ECANCELED && n % 3 == 0));
        }
    }
}

/* --- the end --- */

static void test_a_pool_that_is_destroyed_waits_for_what_runs_and_calls_off_the_rest(void **state)
{
    (void)state;
    struct busy busy;
    make_busy(&busy, 8);
    struct job queued = job_of(NULL, NULL);
    submit(&queued);
    (void)sem_post(&busy.gate);
    assert_true(pool_destroy(pool, TEST_TIMEOUT_MS));
    pool = NULL;
    assert_int_equal(busy.job.done, 0);
    loop_run(loop);
    assert_int_equal(busy.job.status, 0);
    assert_int_equal(queued.done, 1);
    assert_int_equal(queued.worked, queued.status == 0 ? 1 : 0); /* it may have been in time */
    end_busy(&busy);
}

static void test_a_job_that_hangs_holds_nobody_up(void **state)
{
    (void)state;
    struct busy busy;
    make_busy(&busy, 8);
    struct job queued = job_of(NULL, NULL);
    struct job late = job_of(NULL, NULL);
    submit(&queued);
    assert_false(pool_destroy(pool, 0));
    assert_false(pool_destroy(pool, 10));
    assert_int_equal(pool_submit(pool, loop, &late.job), UV_ECANCELED);
    while (queued.done == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(queued.status, UV_ECANCELED);
    assert_int_equal(queued.worked, 0);
    assert_int_equal(busy.job.done, 0);
    assert_int_equal(pool_get_stats(pool).running, 1);
    (void)sem_post(&busy.gate); /* it does come back */
    assert_true(pool_destroy(pool, TEST_TIMEOUT_MS));
    pool = NULL;
    loop_run(loop);
    assert_int_equal(busy.job.status, 0);
    assert_int_equal(late.done, 0);
    end_busy(&busy);
}

static void test_a_loop_that_is_destroyed_waits_for_its_jobs(void **state)
{
    (void)state;
    pool = create(1, 8);
    struct loop *other;
    struct job jobs[2] = {job_of(NULL, NULL), job_of(NULL, NULL)};
    assert_int_equal(loop_create(&other), 0);
    assert_int_equal(pool_submit(pool, other, &jobs[0].job), 0);
    assert_int_equal(pool_submit(pool, other, &jobs[1].job), 0);
    loop_destroy(other);
    assert_int_equal(jobs[0].done, 1);
    assert_int_equal(jobs[1].done, 1);
}

static void test_an_unused_pool_has_no_threads_to_end(void **state)
{
    (void)state;
    struct pool *unused = create(4, 4);
    assert_int_equal(unused->thread_count, 0);
    assert_true(pool_destroy(unused, 0));
    assert_true(pool_destroy(NULL, 0));
}

/* --- metrics, memory --- */

static void test_metrics_count_jobs_of_each_pool(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_create();
    struct busy busy;
    struct job queued = job_of(NULL, NULL);
    struct buf text;
    assert_non_null(metrics);
    buf_init(&text, 1 << 20);
    make_busy(&busy, 8);
    submit(&queued);
    assert_int_equal(pool_register_metrics(pool, metrics), 0);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, "\ntoq_threadpool_jobs_total{pool=\"test\"} 2\n"));
    assert_non_null(strstr(text.data, "\ntoq_threadpool_active_jobs{pool=\"test\"} 2\n"));
    (void)sem_post(&busy.gate);
    loop_run(loop);
    buf_clear(&text);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data, "\ntoq_threadpool_jobs_total{pool=\"test\"} 2\n"));
    assert_non_null(strstr(text.data, "\ntoq_threadpool_active_jobs{pool=\"test\"} 0\n"));
    buf_deinit(&text);
    metrics_destroy(metrics);
    end_busy(&busy);
}

static void test_without_memory_there_is_no_pool(void **state)
{
    (void)state;
    struct pool *none = NULL;
    const struct pool_options options = {.name = "none", .kind = "none", .threads = 1};
    allocations_left = 0;
    assert_int_equal(pool_create(&options, &none), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    assert_null(none);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(test_a_job_works_and_is_done_once),
        WITH_LOOP(test_one_thread_works_in_the_order_of_submission),
        WITH_LOOP(test_a_thread_starts_only_when_the_others_are_busy),
        WITH_LOOP(test_the_label_of_the_task_is_set_while_it_works),
        WITH_LOOP(test_threads_are_as_nice_as_asked),
        WITH_LOOP(test_each_thread_joins_before_its_first_job),
        WITH_LOOP(test_a_full_queue_refuses),
        WITH_LOOP(test_a_job_that_waits_can_be_called_off),
        WITH_LOOP(test_each_job_is_done_on_the_loop_that_submitted_it),
        WITH_LOOP(test_a_pool_that_is_destroyed_waits_for_what_runs_and_calls_off_the_rest),
        WITH_LOOP(test_a_job_that_hangs_holds_nobody_up),
        WITH_LOOP(test_a_loop_that_is_destroyed_waits_for_its_jobs),
        WITH_LOOP(test_an_unused_pool_has_no_threads_to_end),
        WITH_LOOP(test_metrics_count_jobs_of_each_pool),
        cmocka_unit_test(test_without_memory_there_is_no_pool),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
