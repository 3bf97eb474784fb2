/* SPDX-License-Identifier: MIT
 *
 * pending.h - what a request waits for outside of its handler's hands, such as a job on a thread or
 * a call of another server: it is told when the request is cancelled.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_PENDING_H
#define TOQ_CORE_HTTP_PENDING_H

#include "core/http/http.h"

/* Embedded in what waits; `cancel` is its owner's. */
struct http_pending {
    struct http_pending *next;
    /* The request is cancelled: give up, later. It may be called more than once. */
    void (*cancel)(struct http_pending *pending);
};

/* http_pending_add adds what the request waits for; it holds the request until it is removed. */
void http_pending_add(struct http_request *req, struct http_pending *pending);

/* http_pending_remove takes it out again; the request may be gone when its hold is released. */
void http_pending_remove(struct http_request *req, struct http_pending *pending);

/* http_pending_cancel tells all that a request waits for. */
void http_pending_cancel(struct http_request *req);

#endif
