/* SPDX-License-Identifier: MIT
 *
 * http1.c - HTTP/1 on one connection: bytes in, requests out, answers back, in order.
 *
 * One request at a time: bytes that are pipelined behind it wait in `in`, and when that is full,
 * unread.
 *
 * Flow:    on_data -> feed: head -> [body] -> http_request_dispatch -> handler -> respond ->
 *          conn_commit
 * Failure: bad bytes -> an error answer and conn_finish; the peer gone -> the request is abandoned,
 *          once.
 * Memory:  an idle connection has no exchange and no buffer, only this struct, which lives until
 *          the connection has closed and the last exchange is gone.
 * Thread:  the loop.
 */
#include "core/http1/http1.h"

#include "core/http/shortage.h"
#include "core/http1/http1_exchange.h"

#define TIMEOUT_AS_IT_IS UINT64_MAX

/* --- requests --- */

/* refuse ends a request that no handler has seen. */
static void refuse(struct http1_exchange *ex, struct http1_fault fault)
{
    ex->is_keep_alive = false;
    http_respond_error(&ex->req, fault.status, fault.detail);
}

/* prepare routes a parsed head, and decides whether its body is kept. */
static struct http1_fault prepare(struct http1_exchange *ex)
{
    struct http_request *req = &ex->req;
    const int rc = http_request_route(req);
    if (rc < 0) {
        return rc == UV_EINVAL ? (struct http1_fault){400, "a bad escape in the path"}
                               : (struct http1_fault){503, "out of memory"};
    }
    if (ex->body_left_bytes > req->server->limits.body_bytes) {
        return (struct http1_fault){413, NULL};
    }
    if ((req->route->flags & ROUTE_STREAM) != 0) {
        return (struct http1_fault){505, "this path needs HTTP/2"};
    }
    if (shortage_refuses(req)) {
        return (struct http1_fault){503, "out of memory"};
    }
    ex->is_body_wanted = (req->route->flags & ROUTE_BODY) != 0;
    return (struct http1_fault){0, NULL};
}

static void start_body(struct http1 *h1, struct http1_exchange *ex)
{
    h1->phase = PHASE_BODY;
    task_record_start(&ex->req.task.record, ex->req.task.id);
    if (ex->is_continue_expected && conn_write(h1->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25) < 0) {
        h1->phase = PHASE_BROKEN;
    }
}

static void run_exchange(struct http1 *h1, struct http1_exchange *ex)
{
    h1->phase = PHASE_HANDLER;
    ex->req.body = buf_str(&ex->body);
    http_request_dispatch(&ex->req);
}

/* begin_request starts the request of a head, and refuses it if the head has a fault. */
static void begin_request(struct http1 *h1, struct str head, size_t field_count,
                          struct http1_fault fault)
{
    struct http1_exchange *ex = http1_begin(h1);
    if (ex == NULL) {
        return;
    }
    if (fault.status == 0) {
        fault = http1_head_parse(ex, head, field_count);
    }
    if (fault.status == 0) {
        fault = prepare(ex);
    }
    if (fault.status != 0) {
        refuse(ex, fault);
    } else if (ex->is_body_done || (ex->is_continue_expected && !ex->is_body_wanted)) {
        /* without "100 Continue" the body does not come: the connection closes after the answer */
        run_exchange(h1, ex);
    } else {
        start_body(h1, ex);
    }
}

/* turn_away ends a connection whose first line is neither a request nor HTTP/2's preface: the peer
 * would not understand an answer of HTTP/1, and might take it for frames.
 *
 * Source: RFC 9113 3.4. */
static void turn_away(struct http1 *h1)
{
    char peer[CONN_PEER_BYTES];
    conn_format_peer(h1->conn, peer);
    LOG(LOG_DEBUG, "http1", "closing a connection whose peer does not speak HTTP",
        log_cstr("peer", peer));
    METRIC_ADD(h1->server->foreign, 1);
    h1->phase = PHASE_LAST;
}

static size_t feed_head(struct http1 *h1, const char *data, size_t len)
{
    if (len >= 2 && data[0] == '\r' && data[1] == '\n') {
        h1->scan = (struct http1_scan){0};
        return 2; /* RFC 9112 2.2: an empty line before the request line is ignored */
    }
    size_t head_len = 0;
    size_t field_count = 0;
    struct http1_fault fault;
    const struct str bytes = {data, len};
    if (!http1_head_scan(bytes, &h1->scan, &h1->server->limits, &head_len, &field_count, &fault)) {
        return 0;
    }
    h1->scan = (struct http1_scan){0};
    h1->is_known = h1->is_known || http1_head_is_http(bytes, &h1->server->limits);
    if (!h1->is_known) {
        turn_away(h1);
        return len;
    }
    begin_request(h1, (struct str){data, head_len}, field_count, fault);
    return fault.status == 0 ? head_len : len;
}

static size_t feed_body(struct http1 *h1, const char *data, size_t len)
{
    struct http1_exchange *ex = h1->exchange;
    const size_t used = http1_body_feed(ex, data, len);
    if (ex->fault.status != 0) {
        refuse(ex, ex->fault);
        return len;
    }
    if (ex->is_body_done) {
        run_exchange(h1, ex);
    }
    return used;
}

/* must_wait tells whether no request may begin: the peer does not read, or too many exchanges are
 * held. */
static bool must_wait(const struct http1 *h1)
{
    return h1->exchange_count >= HTTP1_EXCHANGES_MAX || conn_is_clogged(h1->conn);
}

/* feed uses as many bytes as it can: all, or up to an incomplete head, or up to a request that must
 * wait for the answer before it.
 *
 * Returns: how many bytes it used. */
static size_t feed(struct http1 *h1, const char *data, size_t len)
{
    size_t used = 0;
    h1->is_feeding = true;
    while (used < len && h1->phase < PHASE_LAST) {
        size_t n = 0;
        if (h1->phase == PHASE_BODY) {
            n = feed_body(h1, data + used, len - used);
        } else if (h1->exchange == NULL && !must_wait(h1)) {
            n = feed_head(h1, data + used, len - used);
        }
        if (n == 0) {
            break;
        }
        used += n;
    }
    h1->is_feeding = false;
    return used;
}

/* may_read tells whether `in` has room for another read; an incomplete head always leaves some. */
static bool may_read(const struct http1 *h1)
{
    return h1->in.len <= h1->server->limits.header_bytes + CONN_READ_BYTES;
}

/* keep_rest keeps what feed left over. */
static void keep_rest(struct http1 *h1, const char *data, size_t len)
{
    if (len > 0 && h1->phase < PHASE_LAST) {
        buf_append(&h1->in, data, len);
        h1->phase = h1->in.is_failed ? PHASE_BROKEN : h1->phase;
    }
}

static void feed_kept(struct http1 *h1)
{
    const size_t used = feed(h1, h1->in.data, h1->in.len);
    buf_consume(&h1->in, used);
    if (h1->in.len == 0) {
        buf_deinit(&h1->in);
    }
}

/* --- what follows --- */

/* set_reading stops reading while `in` is full, or memory is short for a long body. A body that
 * waits too long for memory ends like one that comes too slowly, with 503 in place of 408. */
static void set_reading(struct http1 *h1)
{
    const struct http1_exchange *ex = h1->exchange;
    const bool is_full = !may_read(h1);
    h1->is_held = h1->phase == PHASE_BODY &&
                  !conn_may_hold(h1->conn, ex->chunks.seen_bytes + ex->body_left_bytes);
    const bool is_paused = h1->is_held || is_full;
    if (is_paused != h1->is_paused) {
        h1->is_paused = is_paused;
        if (is_paused) {
            conn_pause(h1->conn);
        } else {
            conn_resume(h1->conn);
        }
    }
}

/* next_timeout_ms is the timeout of what the connection waits for now; it also notes whether that
 * is a head or the next request. */
static uint64_t next_timeout_ms(struct http1 *h1)
{
    const struct http_limits *limits = &h1->server->limits;
    if (h1->phase == PHASE_BODY) {
        return limits->body_timeout_ms;
    }
    if (h1->exchange != NULL) {
        return TIMEOUT_AS_IT_IS;
    }
    if (must_wait(h1)) {
        return 0; /* conn's write timer watches a peer that does not read */
    }
    if (h1->in.len == 0) {
        h1->phase = PHASE_IDLE;
        return limits->idle_timeout_ms;
    }
    if (h1->phase == PHASE_IDLE) {
        h1->phase = PHASE_HEAD; /* once: more bytes of the same head do not move it */
        return limits->header_timeout_ms;
    }
    return TIMEOUT_AS_IT_IS;
}

/* settle closes the connection, ends it, or sets reading and its timer, by its phase. */
static void settle(struct http1 *h1)
{
    if (h1->phase == PHASE_BROKEN) {
        conn_close(h1->conn);
    } else if (h1->phase == PHASE_LAST) {
        conn_finish(h1->conn);
    } else {
        const uint64_t timeout_ms = next_timeout_ms(h1);
        set_reading(h1);
        if (timeout_ms != TIMEOUT_AS_IT_IS) {
            conn_set_timeout(h1->conn, timeout_ms);
        }
    }
}

static void on_data(struct conn *conn, const char *data, size_t len)
{
    struct http1 *h1 = conn->ctx;
    if (h1->in.len == 0) {
        const size_t used = feed(h1, data, len);
        keep_rest(h1, data + used, len - used);
    } else {
        keep_rest(h1, data, len);
        feed_kept(h1);
    }
    settle(h1);
}

static void abandon(struct http1 *h1)
{
    struct http1_exchange *ex = h1->exchange;
    h1->exchange = NULL;
    if (ex != NULL) {
        http_request_abandon(&ex->req);
    }
}

/* is_owed tells whether a peer that sends no more is still to get answers: the current one, or
 * those that wait until it reads. */
static bool is_owed(const struct http1 *h1)
{
    if (h1->exchange == NULL) {
        return must_wait(h1);
    }
    return h1->phase == PHASE_HANDLER && !h1->exchange->req.is_long;
}

/* leave ends a connection whose peer is gone. */
static void leave(struct http1 *h1)
{
    abandon(h1);
    h1->phase = PHASE_LAST;
    settle(h1);
}

/* go_on goes on with `in`: nothing more comes, or an answer is complete. */
static void go_on(struct http1 *h1)
{
    if (h1->in.len > 0) {
        feed_kept(h1);
    }
    if (h1->phase < PHASE_LAST && conn_has_ended(h1->conn) && !is_owed(h1)) {
        leave(h1);
    } else {
        settle(h1);
    }
}

static void run_resume(struct loop_deferred *deferred)
{
    struct http1 *h1 = CONTAINER_OF(deferred, struct http1, resume);
    if (conn_is_open(h1->conn)) {
        go_on(h1);
    }
}

/* --- the connection's other events --- */

static void on_drained(struct conn *conn)
{
    struct http1 *h1 = conn->ctx;
    struct http1_exchange *ex = h1->exchange;
    if (ex != NULL && ex->req.life == HTTP_STREAMING && ex->req.on_writable != NULL) {
        struct task *previous = task_enter(&ex->req.task);
        http_peer_has(&ex->req, HTTP_PEER_READS);
        ex->req.on_writable(&ex->req);
        task_leave(previous);
    } else {
        loop_defer(h1->server->loop, &h1->resume);
    }
}

/* on_end: a FIN behind whole requests means that no more of them come; the peer still waits for
 * their answers. */
static void on_end(struct conn *conn, int status)
{
    struct http1 *h1 = conn->ctx;
    if (status == UV_EOF) {
        go_on(h1);
    } else {
        leave(h1);
    }
}

static void on_fin(struct conn *conn)
{
    struct http1 *h1 = conn->ctx;
    if (h1->exchange != NULL && h1->exchange->req.is_long) {
        leave(h1);
    }
}

static void on_timeout(struct conn *conn)
{
    struct http1 *h1 = conn->ctx;
    struct http1_exchange *ex = h1->exchange;
    const struct http1_fault fault =
        h1->is_held ? (struct http1_fault){503, "out of memory"} : (struct http1_fault){408, NULL};
    if (h1->phase == PHASE_IDLE) {
        h1->phase = PHASE_LAST;
    } else if (h1->phase == PHASE_BODY) {
        refuse(ex, fault);
    } else if (h1->phase == PHASE_HEAD) {
        ex = http1_begin(h1);
        if (ex != NULL) {
            refuse(ex, fault);
        }
    }
    settle(h1);
}

static void on_close(struct conn *conn)
{
    struct http1 *h1 = conn->ctx;
    abandon(h1);
    h1->conn = NULL;
    loop_undefer(&h1->resume);
    list_unlink(&h1->link);
    buf_deinit(&h1->in);
    http1_free_unused(h1); /* unless held exchanges need it */
}

static struct conn_weight weigh(const struct conn *conn)
{
    const struct http1 *h1 = conn->ctx;
    const struct http1_exchange *ex = h1->exchange;
    return (struct conn_weight){
        .held_bytes = h1->in.cap + (ex == NULL ? 0 : ex->body.cap + ex->req.arena.used_bytes),
        .moved_bytes = conn->moved_bytes,
    };
}

/* on_eased reads on a body that has waited for memory. */
static void on_eased(struct conn *conn)
{
    settle(conn->ctx);
}

void http1_attach(struct http_server *server, struct conn *conn)
{
    static const struct conn_events events = {
        .on_data = on_data,
        .on_end = on_end,
        .on_fin = on_fin,
        .on_drained = on_drained,
        .on_timeout = on_timeout,
        .on_close = on_close,
        .weigh = weigh,
        .on_eased = on_eased,
    };
    struct http1 *h1 = quota_calloc(server->quota, sizeof(*h1), 0, QUOTA_NORMAL);
    if (h1 == NULL) {
        conn_close(conn);
        return;
    }
    h1->server = server;
    h1->conn = conn;
    h1->used_ms = loop_now_ms(server->loop);
    h1->resume.run = run_resume;
    list_init(&h1->resume.link);
    /* room for an incomplete head, a read that has been kept behind it, and the next read */
    buf_init(&h1->in, server->limits.header_bytes + 2 * CONN_READ_BYTES);
    list_push_back(&server->conns, &h1->link);
    conn_attach(conn, &events, h1);
}

void http1_drain(struct http_server *server)
{
    struct list *pos;
    struct list *tmp;
    const uint64_t now_ms = loop_now_ms(server->loop);
    const uint64_t idle_max_ms = http_server_drain_idle_ms(server);
    LIST_FOR_EACH(pos, tmp, &server->conns)
    {
        struct http1 *h1 = CONTAINER_OF(pos, struct http1, link);
        if (h1->phase != PHASE_IDLE || h1->in.len > 0) {
            continue; /* in.len: requests wait until the peer reads */
        }
        const uint64_t idle_ms = now_ms - h1->used_ms;
        if (idle_ms >= idle_max_ms) {
            h1->phase = PHASE_LAST;
            conn_finish(h1->conn);
        } else {
            conn_set_timeout(h1->conn, idle_max_ms - idle_ms);
        }
    }
}
