/* SPDX-License-Identifier: MIT
 *
 * guard.h - what the listeners of diagnostics refuse before any handler runs.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_GUARD_H
#define TOQ_CORE_HTTP_GUARD_H

#include "core/base/base.h"

struct http_request;

/* guard_diagnostics is an http_guard_fn: a request that a browser may have been tricked into
 * (host.h) gets 403, one that gives a parameter twice 400. */
bool guard_diagnostics(struct http_request *req);

#endif
