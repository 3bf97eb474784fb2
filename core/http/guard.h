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

/* guard_diagnostics is a http_guard_fn: what a browser may have been tricked into asking gets 403,
 * a parameter that is given twice 400. */
bool guard_diagnostics(struct http_request *req);

#endif
