/* SPDX-License-Identifier: MIT
 *
 * health.h - is the server alive, and should it be sent work?
 *
 * It is ready while MySQL answers. Without Redis it serves all but what only Redis can keep apart, and a
 * MySQL that takes no writes serves reads: so both are told, as "degraded", and no more.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_HEALTH_H
#define TOQ_HANDLERS_DIAGNOSTICS_HEALTH_H

#include "core/http/http.h"
#include "core/redis/redis.h"
#include "core/sql/sql.h"

struct health {
    const char *version;       /* borrowed */
    uint64_t start_ns;         /* clock_now_ns */
    bool is_draining;          /* set by the shutdown: readiness is 503 from then on */
    const struct sql *sql;     /* NULL: not a dependency */
    const struct redis *redis; /* as well */
};

/* health_is_ready tells whether the server should be sent work. */
bool health_is_ready(const struct health *health);

/* health_handle answers GET /health: status, version, uptime and the dependencies as JSON; 200, or 503
 * when no work should be sent. */
void health_handle(struct http_request *req, void *health);

/* health_handle_live answers GET /health/live: 200 as long as the loop turns. */
void health_handle_live(struct http_request *req, void *health);

/* health_handle_ready answers GET /health/ready: 200, or 503 when no work should be sent. */
void health_handle_ready(struct http_request *req, void *health);

#endif
