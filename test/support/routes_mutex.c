/* SPDX-License-Identifier: MIT
 *
 * routes_mutex.c - one holder and its waiters, as jobs of the request's, on threads of its own.
 */
#include "test/support/routes_mutex.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/http/server.h"
#include "core/loop/pool.h"

#define WAITERS 2

struct contend_job {
    struct pool_job job;
    struct contend *contend;
};

struct contend {
    struct http_request *req;
    struct pool *pool; /* a thread for each job */
    pthread_mutex_t mutex;
    struct contend_job jobs[WAITERS + 1]; /* the last is the holder's */
    size_t left;                          /* jobs that are not done */
    uint64_t hold_ns;
    int status;            /* of the jobs */
    atomic_bool is_held;   /* the mutex, or it will never be */
    atomic_size_t arrived; /* waiters that are about to wait */
    atomic_ullong waited_ns;
};

static struct contend *owner_of(struct pool_job *job)
{
    return CONTAINER_OF(job, struct contend_job, job)->contend;
}

static void wait_for_holder(struct pool_job *job)
{
    struct contend *contend = owner_of(job);
    while (!atomic_load(&contend->is_held)) {
        (void)sched_yield();
    }
    atomic_fetch_add(&contend->arrived, 1);
    const uint64_t start_ns = clock_now_ns();
    (void)pthread_mutex_lock(&contend->mutex);
    atomic_fetch_add(&contend->waited_ns, clock_now_ns() - start_ns);
    (void)pthread_mutex_unlock(&contend->mutex);
}

static void __attribute__((noinline)) contend_hold(struct contend *contend)
{
    (void)pthread_mutex_lock(&contend->mutex);
    atomic_store(&contend->is_held, true);
    while (atomic_load(&contend->arrived) < WAITERS) {
        (void)sched_yield();
    }
    const struct timespec hold = {
        .tv_sec = (time_t)(contend->hold_ns / NS_PER_S),
        .tv_nsec = (long)(contend->hold_ns % NS_PER_S),
    };
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &hold, NULL);
    (void)pthread_mutex_unlock(&contend->mutex);
}

static void hold(struct pool_job *job)
{
    contend_hold(owner_of(job));
    __asm__ volatile(""); /* else the call becomes a jump */
}

static void respond(struct contend *contend)
{
    char digits[20];
    struct http_request *req = contend->req;
    const bool is_gone = pool_destroy(contend->pool, 0);
    REQUIRE(is_gone); /* all jobs are done */
    const uint64_t waited_ns = atomic_load(&contend->waited_ns);
    if (contend->status < 0) {
        http_respond_error(req, 503, NULL);
        return;
    }
    const struct http_response response = {
        .status = 200,
        .content_type = "text/plain; charset=utf-8",
        .body = {digits, str_format_u64(digits, waited_ns)},
    };
    http_respond(req, &response);
}

static void finish(struct pool_job *job, int status)
{
    struct contend *contend = owner_of(job);
    contend->status = status < 0 ? status : contend->status;
    contend->left--;
    if (contend->left == 0) {
        respond(contend);
    }
}

void contend_handle(struct http_request *req, void *arg)
{
    (void)arg;
    struct str text;
    struct contend *contend = arena_alloc(&req->arena, sizeof(*contend));
    if (contend == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    *contend = (struct contend){.req = req, .mutex = PTHREAD_MUTEX_INITIALIZER};
    uint64_t ms = 10;
    if (http_query_get(req, STR("ms"), &text) && !str_parse_u64(text, 10000, &ms)) {
        ms = 10;
    }
    contend->hold_ns = ms * NS_PER_MS;
    const struct pool_options options = {
        .name = "toq-contend", .kind = "contend", .threads = ARRAY_COUNT(contend->jobs)};
    contend->status = pool_create(&options, &contend->pool);
    for (size_t i = 0; i < ARRAY_COUNT(contend->jobs) && contend->status == 0; i++) {
        const struct pool_job job = {.work = i == WAITERS ? hold : wait_for_holder, .done = finish};
        contend->jobs[i] = (struct contend_job){.job = job, .contend = contend};
        contend->status = pool_submit(contend->pool, req->server->loop, &contend->jobs[i].job);
        contend->left += contend->status == 0 ? 1 : 0;
    }
    if (contend->status < 0) {
        atomic_store(&contend->is_held, true); /* nobody will */
    }
    if (contend->left == 0) {
        respond(contend);
    } else {
        (void)http_wait(req, "contend");
    }
}
