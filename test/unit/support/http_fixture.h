/* SPDX-License-Identifier: MIT
 *
 * http_fixture.h - an HTTP server with routes of the test's own, on a loop that the test turns.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_HTTP_FIXTURE_H
#define TOQ_TEST_UNIT_SUPPORT_HTTP_FIXTURE_H

#include <signal.h>

#include "core/http2/http2_cut.h"
#include "core/serve/http_server.h"
#include "test/unit/support/peer.h"

/* Long enough that none passes in a test that does not ask for it. */
#define FIXTURE_LONG_MS 600000

struct http_fixture {
    struct loop *loop;
    uv_async_t keep; /* a loop that has only paused connections would not turn */
    struct conn_set conns;
    struct metrics *metrics;
    struct http_metrics http_metrics;
    struct http2_cuts http2_cuts;
    struct router *router; /* the server's from http_fixture_open on */
    struct http_server server;
    uint64_t access_every; /* set before http_fixture_open: access lines */
    uint64_t closed_count; /* listeners */
};

/* http_fixture_limits are those of the defaults, with timeouts that do not pass. */
static inline struct http_limits http_fixture_limits(void)
{
    return (struct http_limits){
        .header_bytes = 16384,
        .header_count = 100,
        .target_bytes = 8192,
        .body_bytes = 1 << 20,
        .header_timeout_ms = FIXTURE_LONG_MS,
        .idle_timeout_ms = FIXTURE_LONG_MS,
        .body_timeout_ms = FIXTURE_LONG_MS,
        .request_timeout_ms = FIXTURE_LONG_MS,
        .http2 = {.max_streams = 256,
                  .stream_window_bytes = 1 << 20,
                  .connection_window_bytes = 8 << 20,
                  .max_continuations = 8,
                  .control_burst = 1000,
                  .control_rate = 100,
                  .reset_burst = 1000,
                  .reset_rate = 33,
                  .idle_timeout_ms = FIXTURE_LONG_MS},
    };
}

/* http_fixture_init makes all but the server: add routes to fixture->router, then open it. */
static inline void http_fixture_init(struct http_fixture *f)
{
    *f = (struct http_fixture){0};
    (void)signal(SIGPIPE, SIG_IGN); /* as the server does: a peer may be gone */
    INVARIANT(loop_create(&f->loop) == 0);
    INVARIANT(uv_async_init(loop_uv(f->loop), &f->keep, NULL) == 0);
    INVARIANT(conn_set_init(&f->conns, f->loop, FIXTURE_LONG_MS) == 0);
    f->metrics = metrics_create();
    f->router = router_create(http_respond_error, http_respond_unmatched);
    INVARIANT(f->metrics != NULL && f->router != NULL);
    INVARIANT(http_metrics_init(&f->http_metrics, f->metrics) == 0);
    INVARIANT(http2_cuts_init(&f->http2_cuts, f->metrics) == 0);
}

/* http_fixture_add adds a route. */
static inline void http_fixture_add(struct http_fixture *f, enum http_method method,
                                    const char *path, route_handler_fn handler, unsigned flags)
{
    INVARIANT(router_add(f->router, method, path, handler, f, flags) == 0);
}

/* http_fixture_open serves the routes on a free port of 127.0.0.1. */
static inline void http_fixture_open(struct http_fixture *f, const struct http_limits *limits)
{
    const struct http_server_options options = {
        .name = "test",
        .host = "127.0.0.1",
        .backlog = 16,
        .limits = *limits,
        .access = {.name = "test", .every = f->access_every, .level = LOG_INFO},
        .http2_cuts = &f->http2_cuts};
    INVARIANT(http_server_open(&f->server, &f->conns, f->router, &f->http_metrics, &options) == 0);
}

/* http_fixture_respond answers 200 with a text. */
static inline void http_fixture_respond(struct http_request *req, struct str body)
{
    const struct http_response response = {
        .status = 200, .content_type = "text/plain", .body = body};
    http_respond(req, &response);
}

static inline void http_fixture_on_closed(void *arg)
{
    ++*(uint64_t *)arg;
}

/* http_fixture_deinit drains the server and takes everything down; what leaks aborts. */
static inline void http_fixture_deinit(struct http_fixture *f)
{
    if (!f->server.is_draining) {
        http_server_drain(&f->server, http_fixture_on_closed, &f->closed_count);
    }
    peer_await_u64(f->loop, &f->closed_count, 1);
    (void)conn_set_close_all(&f->conns);
    peer_turn(f->loop, 3);
    INVARIANT(f->conns.count == 0 && *f->http_metrics.active == 0 && task_count() == 0);
    http_server_deinit(&f->server);
    conn_set_deinit(&f->conns);
    http_metrics_deinit(&f->http_metrics);
    metrics_destroy(f->metrics);
    uv_close((uv_handle_t *)&f->keep, NULL);
    loop_destroy(f->loop);
}

#endif
