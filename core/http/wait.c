/* SPDX-License-Identifier: MIT
 *
 * wait.c - what outlives a callback of a handler: references, holds, and waits, its own and those
 * for the peer.
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

/* --- waits for the peer --- */

static void set_peer_waits(struct http_request *req, unsigned waits)
{
    static const struct task_waker peer = {.kind = "peer"};
    if (req->peer_waits == 0 && waits != 0) {
        task_await(&req->task, peer);
    } else if (req->peer_waits != 0 && waits == 0) {
        task_awaited(&req->task, peer);
    }
    req->peer_waits = (uint8_t)waits;
}

void http_await_peer(struct http_request *req, enum http_peer_wait wait)
{
    set_peer_waits(req, req->peer_waits | wait);
}

void http_peer_has(struct http_request *req, enum http_peer_wait wait)
{
    set_peer_waits(req, req->peer_waits & ~(unsigned)wait);
}

/* --- waits that the handler arranges itself --- */

struct task_ref http_wait(struct http_request *req, const char *state)
{
    req->wait_count++;
    req->waited = state;
    task_await(&req->task, (struct task_waker){.kind = state});
    task_park(&req->task, state);
    return http_ref(req);
}

static void end_wait(struct http_request *req)
{
    if (req->wait_count > 0) { /* to resume more often than it waited does no harm */
        req->wait_count--;
        task_awaited(&req->task, (struct task_waker){.kind = req->waited});
    }
}

void http_unwait(struct task_ref ref)
{
    struct http_request *req = http_from_ref(ref);
    if (req != NULL) {
        end_wait(req);
        http_release(req);
    }
}

void http_end_waits(struct http_request *req)
{
    while (req->wait_count > 0) {
        end_wait(req);
    }
    set_peer_waits(req, 0);
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
        end_wait(req);
        go_on(req, arg);
        task_leave(previous);
    }
    http_release(req);
    return is_waiting;
}

/* --- holds --- */

void http_hold(struct http_request *req)
{
    task_hold(&req->task);
}

void http_release(struct http_request *req)
{
    task_release(&req->task);
}
