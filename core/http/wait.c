/* SPDX-License-Identifier: MIT
 *
 * wait.c - what outlives a handler's callback: references, holds, and waits of its own.
 */
#include "core/http/request.h"

struct task_ref http_ref(const struct http_request *req)
{
    return task_make_ref(&req->task);
}

struct http_request *http_from_ref(struct task_ref ref)
{
    struct task *task = task_from_ref(ref);
    return task == NULL ? NULL : CONTAINER_OF(task, struct http_request, task);
}

struct task_ref http_wait(struct http_request *req, const char *state)
{
    task_park(&req->task, state);
    return http_ref(req);
}

bool http_resume(struct task_ref ref, http_resumed_fn go_on, void *arg)
{
    struct http_request *req = http_from_ref(ref);
    if (req == NULL) {
        return false;
    }
    const bool is_waiting = http_is_unanswered(req);
    if (is_waiting) {
        struct task *previous = task_enter(&req->task);
        task_unpark(&req->task);
        go_on(req, arg);
        task_leave(previous);
    }
    http_release(req);
    return is_waiting;
}

void http_hold(struct http_request *req)
{
    task_hold(&req->task);
}

void http_release(struct http_request *req)
{
    task_release(&req->task);
}
