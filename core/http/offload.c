/* SPDX-License-Identifier: MIT
 *
 * offload.c - a job that holds its request.
 */
#include "core/http/offload.h"

#include <stdlib.h>

#include "core/http/pending.h"
#include "core/http/server.h"

struct http_offload {
    struct pool_job job;
    struct http_pending pending;
    struct http_request *req;
    http_work_fn work;
    http_worked_fn done;
    void *arg;
};

static void run_work(struct pool_job *job)
{
    const struct http_offload *offload = CONTAINER_OF(job, struct http_offload, job);
    offload->work(offload->arg);
}

static void on_worked(struct pool_job *job, int status)
{
    struct http_offload *offload = CONTAINER_OF(job, struct http_offload, job);
    struct http_request *req = offload->req;
    const http_worked_fn done = offload->done;
    void *arg = offload->arg;
    struct task *previous = task_enter(&req->task); /* holds the request, too */
    http_pending_remove(req, &offload->pending);
    free(offload);
    if (http_is_cancelled(req)) {
        status = UV_ECANCELED;
    } else {
        task_unpark(&req->task);
    }
    done(req, arg, status);
    task_leave(previous);
}

static void cancel(struct http_pending *pending)
{
    struct http_offload *offload = CONTAINER_OF(pending, struct http_offload, pending);
    (void)pool_cancel(&offload->job); /* what runs already goes on */
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
        .pending = {.cancel = cancel},
        .req = req,
        .work = work,
        .done = done,
        .arg = arg,
    };
    (void)http_trace(req); /* shown in its slot: a thread that crashes cannot ask */
    const int status = pool_submit(pool, req->server->loop, &offload->job);
    if (status < 0) {
        free(offload);
        return status;
    }
    http_pending_add(req, &offload->pending);
    task_park(&req->task, "offload");
    return 0;
}
