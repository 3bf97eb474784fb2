/* SPDX-License-Identifier: MIT
 *
 * greeting.c - the first bytes of a connection against HTTP/2's preface. What has come is a part of
 * that, so its length alone is kept.
 */
#include "core/serve/greeting.h"

#include "core/http1/http1.h"
#include "core/http2/http2.h"

/* hand_on gives bytes to the protocol that has been attached. */
static void hand_on(struct conn *conn, const char *data, size_t len)
{
    if (len > 0 && conn_is_open(conn)) {
        conn->events->on_data(conn, data, len);
    }
}

static void on_data(struct conn *conn, const char *data, size_t len)
{
    struct http_server *server = conn->ctx;
    const size_t before = conn->greeting_bytes;
    const size_t missing = HTTP2_PREFACE_BYTES - before;
    const size_t count = len < missing ? len : missing;
    if (memcmp(HTTP2_PREFACE + before, data, count) != 0) {
        http1_attach(server, conn);
        hand_on(conn, HTTP2_PREFACE, before);
        hand_on(conn, data, len);
    } else if (count == missing) {
        http2_attach(server, conn);
        hand_on(conn, data + count, len - count);
    } else {
        conn->greeting_bytes = (uint8_t)(before + count);
    }
}

static void on_end(struct conn *conn, int status)
{
    (void)status;
    conn_finish(conn);
}

/* on_close: nothing was made for it. */
static void on_close(struct conn *conn)
{
    (void)conn;
}

static const struct conn_events events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_timeout = conn_finish,
    .on_close = on_close,
};

void greeting_attach(struct http_server *server, struct conn *conn)
{
    conn_attach(conn, &events, server);
    /* not the idle timeout: a peer that connects is expected to ask for something */
    conn_set_timeout(conn, server->limits.header_timeout_ms);
}

void greeting_drain(struct http_server *server)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &server->listener.set->conns)
    {
        struct conn *conn = CONTAINER_OF(pos, struct conn, link);
        if (conn->events == &events && conn->ctx == server) {
            conn_set_timeout(conn, http_server_drain_idle_ms(server));
        }
    }
}
