/* SPDX-License-Identifier: MIT
 *
 * slow.h - a log line for a slow request, with where its time went.
 *
 * Thread: the server's loop.
 */
#ifndef TOQ_CORE_OBSERVE_SLOW_H
#define TOQ_CORE_OBSERVE_SLOW_H

#include "core/http/http.h"
#include "core/http/observer.h"

/* slow_on_end is an http_end_fn, for a server whose slow_ns is not 0. It logs a request that took
 * slow_ns or longer: at most one a second for each route, with the number of those left out since
 * the last one. Requests that are long, streamed or without a deadline are not logged.
 *
 * ctx: the server.
 */
void slow_on_end(void *ctx, struct http_request *req, struct http_end *end);

#endif
