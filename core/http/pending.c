/* SPDX-License-Identifier: MIT
 *
 * pending.c - the list of what a request waits for.
 */
#include "core/http/pending.h"

void http_pending_add(struct http_request *req, struct http_pending *pending)
{
    pending->next = req->pending;
    req->pending = pending;
    http_hold(req);
}

void http_pending_remove(struct http_request *req, struct http_pending *pending)
{
    struct http_pending **at = &req->pending;
    while (*at != pending) {
        at = &(*at)->next;
    }
    *at = pending->next;
    http_release(req);
}

void http_pending_cancel(struct http_request *req)
{
    for (struct http_pending *pending = req->pending; pending != NULL;) {
        struct http_pending *next = pending->next;
        pending->cancel(pending);
        pending = next;
    }
}
