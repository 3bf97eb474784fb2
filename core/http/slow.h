/* SPDX-License-Identifier: MIT
 *
 * slow.h - a line for a request that has taken long, with where its time went.
 */
#ifndef TOQ_CORE_HTTP_SLOW_H
#define TOQ_CORE_HTTP_SLOW_H

#include "core/http/http.h"

/* slow_log logs a request that has just been answered and took as long as its server's slow_ns;
 * one a second and route, which says how many were left out. Those that last by nature are not
 * slow.
 *
 * Thread: the loop.
 */
void slow_log(struct http_request *req, uint64_t now_ns);

#endif
