/* SPDX-License-Identifier: MIT
 *
 * http1_rig.h - for tests of HTTP/1.1: a server and one peer that is connected to it.
 */
#ifndef TOQ_TEST_UNIT_HTTP1_HTTP1_RIG_H
#define TOQ_TEST_UNIT_HTTP1_HTTP1_RIG_H

#include "test/unit/support/http_fixture.h"

#define H           "Host: a\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" H "\r\n"
#define BIG_BYTES   (4u << 20)

static struct http_fixture f;
static struct peer peer;

static inline void handle_big(struct http_request *req, void *arg)
{
    (void)arg;
    static char body[BIG_BYTES];
    memset(body, 'b', sizeof(body));
    http_fixture_respond(req, (struct str){body, sizeof(body)});
}

static inline void handle_hello(struct http_request *req, void *arg)
{
    (void)arg;
    http_fixture_respond(req, STR("hello"));
}

/* pump_until_slow streams until the peer is slow. */
static inline void pump_until_slow(struct http_request *req)
{
    static char piece[65536];
    memset(piece, 's', sizeof(piece));
    while (http_stream_write(req, (struct str){piece, sizeof(piece)})) {
        INVARIANT(req->sent_body_bytes < 64 * BIG_BYTES);
    }
}

/* open_and_connect serves the routes that were added; what the peer does not read soon clogs. */
static inline void open_and_connect(const struct http_limits *limits)
{
    http_fixture_open(&f, limits);
    peer_connect(&peer, f.loop, f.server.listener.port, 16384);
}

static inline int teardown(void **state)
{
    (void)state;
    peer_deinit(&peer);
    http_fixture_deinit(&f);
    return 0;
}

static inline void send_text(const char *text)
{
    peer_send(&peer, str_from(text));
}

#endif
