/* SPDX-License-Identifier: MIT
 *
 * offload.c - a job that holds its request.
 */
#include "core/http/offload.h"

#include <stdlib.h>

#include "core/http/request.h"
#include "core/http/server.h"

struct http_offload {
    struct pool_job job;
    struct task_wait wait;
    struct http_request *req;
    http_work_fn work;
    http_worked_fn done;
    void *arg;
};

static const struct task_waker thread_waker = {.kind = "offload"};

static void run_work(struct pool_job *job)
{
    const struct http_offload *offload = CONTAINER_OF(job, struct http_offload, job);
    offload->work(offload->arg);
}

/* give_up cancels work that no thread has begun; work that runs goes on. */
static void give_up(struct task_wait *wait)
{
    struct http_offload *offload = CONTAINER_OF(wait, struct http_offload, wait);
    (void)pool_cancel(&offload->job);
}

static void on_worked(struct pool_job *job, int status)
{
    struct http_offload *offload = CONTAINER_OF(job, struct http_offload, job);
    struct http_request *req = offload->req;
    const http_worked_fn done = offload->done;
    void *arg = offload->arg;
    task_add_cpu(&req->task, job->cpu_ns);
    task_remove_wait(&offload->wait);
    free(offload);
    struct task *previous = task_enter(&req->task);
    if (http_is_cancelled(req)) {
        status = UV_ECANCELED;
    } else {
        task_unpark(&req->task);
    }
    task_awaited(&req->task, thread_waker);
    done(req, arg, status);
    task_leave(previous);
    http_release(req);
}

int http_offload(struct http_request *req, struct pool *pool, http_work_fn work,
                 http_worked_fn done, void *arg)
{
    struct http_offload *offload = malloc(sizeof(*offload));
    if (offload == NULL) {
        return UV_ENOMEM;
    }
    *offload = (struct http_offload){
        .job = {.work = run_work, .done = on_worked},
        .req = req,
        .work = work,
        .done = done,
        .arg = arg,
    };
    (void)http_trace(req); /* shown in its slot: a thread that crashes cannot ask */
    const int status = pool_submit(pool, req->server->loop, &offload->job);
    if (status < 0) {
        free(offload);
        return status == UV_EAGAIN ? UV_EBUSY : status; /* as http_fail has it: 503, and not 409 */
    }
    task_add_wait(&req->task, &offload->wait, give_up);
    http_hold(req);
    task_await(&req->task, thread_waker);
    task_park(&req->task, "offload");
    return 0;
}
