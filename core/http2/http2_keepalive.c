/* SPDX-License-Identifier: MIT
 *
 * http2_keepalive.c - sends PINGs to detect a dead peer, limits the PINGs a peer may send, and ends
 * connections that are too old.
 *
 * Source: gRPC's keepalive.md, and what grpc-go makes of it.
 */
#include "core/base/random.h"
#include "core/http2/http2_session.h"

#define STRIKES_MAX  2                 /* early PINGs that are tolerated; the third one is not */
#define IDLE_PING_MS UINT64_C(7200000) /* between PINGs without a stream, unless may_ping_idle */
#define JITTER_PARTS 10                /* an age is longer or shorter by up to a tenth */

static const uint8_t alive_ping[8] = "toqalive";

/* on_ping_timer: the peer has perhaps sent nothing for time_ms, or not answered for timeout_ms. */
static void on_ping_timer(struct wheel_timer *timer)
{
    struct http2 *h2 = CONTAINER_OF(timer, struct http2, keepalive.ping_timer);
    struct http2_keepalive *alive = &h2->keepalive;
    const struct http2_keepalive_limits *limits = &h2->server->limits.http2.keepalive;
    const uint64_t now_ms = loop_now_ms(h2->server->loop);
    const uint64_t quiet_ms = now_ms - alive->received_ms;
    if (!conn_is_open(h2->conn)) {
        return;
    }
    if (alive->is_asking) {
        http2_drop(h2, HTTP2_CUT_KEEPALIVE);
        return;
    }
    if (quiet_ms < limits->time_ms) {
        loop_set_timer(h2->server->loop, timer, limits->time_ms - quiet_ms);
        return;
    }
    alive->is_asking = true;
    loop_set_timer(h2->server->loop, timer, limits->timeout_ms);
    (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, alive_ping);
    http2_pump(h2);
}

/* on_age_timer: the connection has reached its maximum age, or the grace time after that is
 * over. */
static void on_age_timer(struct wheel_timer *timer)
{
    struct http2 *h2 = CONTAINER_OF(timer, struct http2, keepalive.age_timer);
    const uint64_t grace_ms = h2->server->limits.http2.keepalive.max_age_grace_ms;
    if (h2->is_leaving) {
        http2_end(h2, NGHTTP2_NO_ERROR, STR("max_age"));
        return;
    }
    if (grace_ms > 0) {
        loop_set_timer(h2->server->loop, timer, grace_ms);
    }
    http2_leave(h2);
}

/* with_jitter varies an age, so that connections that began together do not end together. */
static uint64_t with_jitter(uint64_t age_ms)
{
    const uint64_t spread_ms = age_ms / JITTER_PARTS;
    return age_ms - spread_ms + random_below(2 * spread_ms + 1);
}

/* user_timeout is how long the peer may acknowledge nothing. The kernel also counts the time in
 * which the peer takes nothing, so it is not less than the write timeout. */
static uint64_t user_timeout(const struct http2 *h2)
{
    const uint64_t timeout_ms = h2->server->limits.http2.keepalive.timeout_ms;
    const uint64_t write_timeout_ms = h2->conn->set->write_timeout_ms;
    return timeout_ms > write_timeout_ms ? timeout_ms : write_timeout_ms;
}

void http2_keepalive_start(struct http2 *h2)
{
    struct http2_keepalive *alive = &h2->keepalive;
    const struct http2_keepalive_limits *limits = &h2->server->limits.http2.keepalive;
    wheel_timer_init(&alive->ping_timer, on_ping_timer);
    wheel_timer_init(&alive->age_timer, on_age_timer);
    alive->received_ms = loop_now_ms(h2->server->loop);
    if (limits->time_ms > 0) {
        loop_set_timer(h2->server->loop, &alive->ping_timer, limits->time_ms);
        conn_set_user_timeout(h2->conn, user_timeout(h2));
    }
    if (limits->max_age_ms > 0) {
        loop_set_timer(h2->server->loop, &alive->age_timer, with_jitter(limits->max_age_ms));
    }
}

void http2_keepalive_stop(struct http2 *h2)
{
    wheel_unset(&h2->keepalive.ping_timer);
    wheel_unset(&h2->keepalive.age_timer);
}

void http2_keepalive_asked(struct http2 *h2)
{
    struct http2_keepalive *alive = &h2->keepalive;
    const struct http2_keepalive_limits *limits = &h2->server->limits.http2.keepalive;
    const uint64_t now_ms = loop_now_ms(h2->server->loop);
    const bool is_idle = list_is_empty(&h2->streams) && !limits->may_ping_idle;
    const uint64_t apart_ms = is_idle ? IDLE_PING_MS : limits->min_time_ms;
    const bool is_early = alive->has_been_asked && now_ms - alive->last_asked_ms < apart_ms;
    alive->has_been_asked = true;
    alive->last_asked_ms = now_ms;
    if (limits->min_time_ms == 0) {
        return;
    }
    if (alive->has_sent) {
        alive->has_sent = false; /* a client that was sent something may ping */
        alive->strikes = 0;
    } else if (is_early && ++alive->strikes > STRIKES_MAX) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_PINGS);
    }
}
