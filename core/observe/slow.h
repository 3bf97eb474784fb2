/* SPDX-License-Identifier: MIT
 *
 * slow.h - a line for a request that has taken long, with where its time went.
 */
#ifndef TOQ_CORE_OBSERVE_SLOW_H
#define TOQ_CORE_OBSERVE_SLOW_H

#include "core/http/http.h"
#include "core/http/observer.h"

/* slow_on_end is a http_end_fn. It logs a request that took as long as its server's slow_ns; one a
 * second and route, which says how many were left out. Those that last by nature are not slow.
 *
 * ctx: the server.
 */
void slow_on_end(void *ctx, struct http_request *req, struct http_end *end);

#endif
