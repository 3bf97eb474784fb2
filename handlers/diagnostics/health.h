/* SPDX-License-Identifier: MIT
 *
 * health.h - health: whether the server is alive, and whether it is ready for requests.
 *
 * The server is ready while MySQL answers. Without Redis it serves everything but requests with an
 * Idempotency-Key, and with a read-only MySQL it serves reads: both are reported as "degraded", and
 * the server stays ready.
 *
 * Flow:   the work loop's timer -> health_publish -> a copy -> requests, on any loop
 * Thread: any; health_publish: the work loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_HEALTH_H
#define TOQ_HANDLERS_DIAGNOSTICS_HEALTH_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/http/http.h"
#include "core/redis/redis.h"
#include "core/sql/sql.h"

/* What the dependencies were like when the work loop looked last. */
struct health_facts {
    bool has_sql; /* it is a dependency */
    bool has_redis;
    enum sql_state sql_state;
    enum redis_health_state redis_state;
    const char *sql_reason; /* as in struct sql_health */
    const char *redis_reason;
    uint64_t sql_latency_ns; /* 0: not answered, or not asked yet */
    uint64_t redis_latency_ns;
};

struct health {
    const char *version;            /* borrowed */
    uint64_t start_ns;              /* clock_now_ns */
    const struct sql *sql;          /* NULL: not a dependency. The work loop's, as is the next */
    const struct redis *redis;      /* as well */
    const struct loop *work;        /* NULL: nobody looks whether it is held */
    uint64_t held_warn_ms;          /* since when it counts as held; 0: never */
    uint64_t held_fail_ms;          /* since when the server counts as dead; 0: never */
    const atomic_bool *is_draining; /* set by the shutdown: readiness is 503 from then on */
    pthread_mutex_t lock;           /* of the facts; held for a copy */
    struct health_facts facts;
    atomic_bool is_sql_ready; /* of the facts, for who asks nothing else */
};

/* health_publish looks at the dependencies.
 *
 * Thread: the work loop.
 */
void health_publish(struct health *health);

/* health_is_ready tells whether the server should be sent work. */
bool health_is_ready(struct health *health);

/* health_handle answers GET /health: status, version, uptime and the dependencies as JSON; 200, or
 * 503 when no work should be sent. */
void health_handle(struct http_request *req, void *health);

/* health_handle_live answers GET /health/live: 200 as long as the work loop turns, or has not been
 * held for HELD_LOOP_FAIL_MS. What another loop answers while it is held says so, and by which
 * route. */
void health_handle_live(struct http_request *req, void *health);

/* health_handle_ready answers GET /health/ready: 200, or 503 when no work should be sent. */
void health_handle_ready(struct http_request *req, void *health);

#endif
