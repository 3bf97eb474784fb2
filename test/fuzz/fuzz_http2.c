/* SPDX-License-Identifier: MIT
 *
 * fuzz_http2.c - any frames behind a preface and SETTINGS, in pieces of any size: no request
 * reaches a handler that breaks what http.h promises, and every one of them ends with its
 * connection.
 *
 * Input: one byte of flags and the largest piece, then frames. Bit 7: the connection is reset in
 *        the end, not closed; bit 6: what the server sends is never read; bit 5: the frames may
 *        come with the preface. A frame of the type COMMAND is not sent: its stream id says what
 *        happens then.
 */
#include "core/http2/http2.h"
#include "core/http2/http2_session.h"
#include "test/fuzz/http_rig.h"

#define INPUT_MAX_BYTES 65536
#define FIELDS_MAX      20
#define TARGET_MAX      256
#define BODY_MAX        4096
#define WINDOW_BYTES    65535
#define STREAMED_BYTES  300000
#define PIECE_BYTES     5000
#define COMMAND         0xF0
#define TURNS_MAX       1000 /* more than any answer takes that is read */

/* What the server's surroundings do, as ids of a command. */
enum {
    ALL_TIMERS_PASS,
    WAITING_IS_ANSWERED,
    DEADLINES_PASS,
    THE_SERVER_DRAINS,
    THE_PEER_READS,
    THE_CONNECTION_IS_OLD
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- handlers: what they are promised --- */

static void check_request(const struct http_request *req)
{
    INVARIANT(req->header_count <= FIELDS_MAX && req->target.len <= TARGET_MAX);
    INVARIANT(req->path.len > 0 && (req->path.ptr[0] == '/' || req->path.ptr[0] == '*'));
    size_t hosts = 0;
    for (size_t i = 0; i < req->header_count; i++) {
        const struct http_header h = req->headers[i];
        INVARIANT(h.name.len > 0 && h.name.ptr[0] != ':' && http_is_safe(h.name));
        INVARIANT(memchr(h.value.ptr, '\0', h.value.len) == NULL &&
                  memchr(h.value.ptr, '\r', h.value.len) == NULL &&
                  memchr(h.value.ptr, '\n', h.value.len) == NULL);
        INVARIANT(!str_equal(h.name, STR("connection")) &&
                  !str_equal(h.name, STR("transfer-encoding")));
        hosts += str_equal(h.name, STR("host"));
    }
    INVARIANT(hosts == 1);
}

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    check_request(req);
    INVARIANT(req->body.len <= BODY_MAX);
    const bool has_body = (req->route->flags & ROUTE_BODY) != 0; /* others' is dropped */
    const struct str length = http_header_get(req, STR("content-length"));
    uint64_t value = 0;
    INVARIANT(has_body || req->body.len == 0);
    INVARIANT(length.ptr == NULL ||
              (str_parse_u64(length, UINT64_MAX, &value) && (!has_body || value == req->body.len)));
    http_fixture_respond(req, req->body);
}

struct held {
    size_t bytes;
    bool is_end;
};

/* Every second piece is consumed at once, the others when the next one comes. */
static void on_body(struct http_request *req, struct str data, bool is_end)
{
    struct held *held = req->user;
    INVARIANT(!held->is_end);
    held->bytes += data.len;
    held->is_end = is_end;
    INVARIANT(held->bytes <= WINDOW_BYTES);
    (void)!http_stream_write(req, data);
    if (data.len % 2 == 0) {
        http_body_consume(req, held->bytes);
        held->bytes = 0;
    }
    if (is_end) {
        const struct http_header trailer = {STR("x-end"), STR("yes")};
        http_stream_end_with(req, &trailer, 1);
    }
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    http_reset(req, HTTP_RESET_CANCEL);
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    check_request(req);
    struct held *held = arena_alloc(&req->arena, sizeof(*held));
    INVARIANT(held != NULL);
    *held = (struct held){0};
    req->user = held;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, NULL);
    http_on_cancel(req, on_cancel);
    http_on_body(req, on_body);
}

/* A handler that answers later, and holds its request until then. A GET is answered when it is
 * cancelled, a POST is not. */
struct waiting {
    struct list link;
    struct http_request *req;
};

static struct list all_waiting = {&all_waiting, &all_waiting};

static void answer_waiting(struct waiting *waiting)
{
    struct http_request *req = waiting->req;
    list_unlink(&waiting->link);
    http_fixture_respond(req, STR("waited"));
    http_release(req);
}

static void on_waiting_cancel(struct http_request *req, int status)
{
    (void)status;
    answer_waiting(req->user);
}

static void handle_wait(struct http_request *req, void *arg)
{
    (void)arg;
    check_request(req);
    struct waiting *waiting = arena_alloc(&req->arena, sizeof(*waiting));
    INVARIANT(waiting != NULL);
    waiting->req = req;
    req->user = waiting;
    list_push_back(&all_waiting, &waiting->link);
    http_hold(req);
    if (req->method == METHOD_GET) {
        http_on_cancel(req, on_waiting_cancel);
    }
    task_park(&req->task, "wait");
}

/* A long answer, at the pace of its reader. */
static void go_on(struct http_request *req)
{
    static const char piece[PIECE_BYTES];
    size_t *left = req->user;
    while (*left >= PIECE_BYTES) {
        *left -= PIECE_BYTES;
        if (!http_stream_write(req, (struct str){piece, PIECE_BYTES})) {
            return;
        }
    }
    http_stream_end(req);
}

static void on_long_cancel(struct http_request *req, int status)
{
    (void)status;
    http_stream_end(req);
}

static void handle_long(struct http_request *req, void *arg)
{
    (void)arg;
    size_t *left = arena_alloc(&req->arena, sizeof(*left));
    INVARIANT(left != NULL);
    *left = STREAMED_BYTES;
    req->user = left;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, go_on);
    http_on_cancel(req, on_long_cancel);
    go_on(req);
}

static void handle_reset(struct http_request *req, void *arg)
{
    (void)arg;
    http_reset(req, HTTP_RESET_INTERNAL);
}

/* --- commands --- */

static void fire(struct wheel_timer *timer)
{
    if (wheel_is_set(timer)) {
        wheel_unset(timer);
        timer->on_fire(timer);
    }
}

/* http2_of is what speaks HTTP/2 on the one connection that there is; NULL when it has closed. */
static struct http2 *http2_of(struct http_fixture *f)
{
    struct list *conns = &f->server.http2_conns;
    return list_is_empty(conns) ? NULL : CONTAINER_OF(conns->next, struct http2, link);
}

static void fire_all(struct http_fixture *f)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &f->conns.conns)
    {
        struct conn *conn = CONTAINER_OF(pos, struct conn, link);
        fire(&conn->write_timer);
        fire(&conn->timer);
    }
    struct http2 *h2 = http2_of(f);
    if (h2 == NULL) {
        return;
    }
    h2->keepalive.received_ms -= FIXTURE_LONG_MS;
    fire(&h2->keepalive.ping_timer);
    LIST_FOR_EACH(pos, tmp, &h2->streams)
    {
        fire(&CONTAINER_OF(pos, struct http2_stream, link)->timer);
    }
}

static void answer_all(void)
{
    while (!list_is_empty(&all_waiting)) {
        answer_waiting(CONTAINER_OF(all_waiting.next, struct waiting, link));
    }
}

static void obey(struct http_fixture *f, struct peer *peer, uint8_t command)
{
    switch (command) {
    case ALL_TIMERS_PASS:
        fire_all(f);
        break;
    case WAITING_IS_ANSWERED:
        answer_all();
        break;
    case DEADLINES_PASS:
        (void)task_cancel_all(UV_ETIMEDOUT);
        break;
    case THE_SERVER_DRAINS:
        http2_drain(&f->server);
        break;
    case THE_CONNECTION_IS_OLD:
        if (http2_of(f) != NULL) {
            fire(&http2_of(f)->keepalive.age_timer);
        }
        break;
    case THE_PEER_READS:
        peer_receive(peer);
        break;
    default:
        break;
    }
    (void)uv_run(loop_uv(f->loop), UV_RUN_NOWAIT);
}

/* --- one connection --- */

static struct http_fixture *fixture(void)
{
    static struct http_fixture f;
    if (f.loop != NULL) {
        return &f;
    }
    struct http_limits limits = http_fixture_limits();
    limits.header_bytes = 2048;
    limits.header_count = FIELDS_MAX;
    limits.target_bytes = TARGET_MAX;
    limits.body_bytes = BODY_MAX;
    limits.http2.max_streams = 8;
    limits.http2.stream_window_bytes = WINDOW_BYTES;
    limits.http2.connection_window_bytes = WINDOW_BYTES;
    limits.http2.control_burst = 50;
    limits.http2.reset_burst = 20;
    limits.http2.keepalive = (struct http2_keepalive_limits){.time_ms = FIXTURE_LONG_MS,
                                                             .timeout_ms = FIXTURE_LONG_MS,
                                                             .max_age_ms = FIXTURE_LONG_MS,
                                                             .max_age_grace_ms = FIXTURE_LONG_MS};
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/", handle, 0);
    http_fixture_add(&f, METHOD_POST, "/", handle, ROUTE_BODY);
    http_fixture_add(&f, METHOD_GET, "/:a", handle, 0);
    http_fixture_add(&f, METHOD_POST, "/s", handle_stream, ROUTE_STREAM);
    http_fixture_add(&f, METHOD_GET, "/wait", handle_wait, 0);
    http_fixture_add(&f, METHOD_POST, "/wait", handle_wait, ROUTE_STREAM);
    http_fixture_add(&f, METHOD_GET, "/long", handle_long, 0);
    http_fixture_add(&f, METHOD_POST, "/reset", handle_reset, ROUTE_STREAM);
    http_fixture_open(&f, &limits);
    log_set_level(LOG_ERROR);
    return &f;
}

/* next_command finds the first frame that is a command, or the end. */
static size_t next_command(struct str data)
{
    size_t at = 0;
    while (data.len - at >= HTTP2_FRAME_HEAD_BYTES) {
        const uint8_t *head = (const uint8_t *)data.ptr + at;
        const size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (head[3] == COMMAND) {
            return at;
        }
        if (len > data.len - at - HTTP2_FRAME_HEAD_BYTES) {
            break;
        }
        at += HTTP2_FRAME_HEAD_BYTES + len;
    }
    return data.len;
}

/* play sends the frames, and obeys the commands between them. */
static void play(struct http_fixture *f, struct peer *peer, struct str data, uint8_t flags)
{
    const size_t piece_max = (size_t)1 << (flags % 16);
    const bool is_read = (flags & 0x40) == 0;
    while (data.len > 0) {
        const size_t len = next_command(data);
        http_rig_send(peer, (struct str){data.ptr, len}, piece_max, is_read);
        data = (struct str){data.ptr + len, data.len - len};
        if (data.len > 0) {
            obey(f, peer, (uint8_t)data.ptr[HTTP2_FRAME_HEAD_BYTES - 1]);
            data.ptr += HTTP2_FRAME_HEAD_BYTES;
            data.len -= HTTP2_FRAME_HEAD_BYTES;
        }
    }
}

/* finish_answers lets those who wait for a window wait in vain: behind a FIN none is opened. */
static void finish_answers(struct http_fixture *f, struct peer *peer)
{
    for (size_t i = 0; f->conns.count > 0 && i < TURNS_MAX; i++) {
        (void)uv_run(loop_uv(f->loop), UV_RUN_NOWAIT);
        peer_receive(peer);
    }
    fire_all(f);
    answer_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX_BYTES) {
        return 0;
    }
    static const char settings[9] = {0, 0, 0, 4};
    struct http_fixture *f = fixture();
    struct peer peer;
    http_rig_connect(f, &peer);
    peer_send(&peer, STR(HTTP2_PREFACE));
    peer_send(&peer, (struct str){settings, sizeof(settings)});
    if ((data[0] & 0x20) == 0) { /* else what follows may come with it */
        peer_turn(f->loop, 1);
        INVARIANT(http2_of(f) != NULL);
    }
    play(f, &peer, (struct str){(const char *)data + 1, size - 1}, data[0]);
    if ((data[0] & 0x80) != 0) {
        peer_reset(&peer);
    } else {
        (void)shutdown(peer.fd, SHUT_WR);
    }
    peer_turn(f->loop, 3);
    answer_all(); /* those behind a reset answer nobody */
    finish_answers(f, &peer);
    http_rig_finish(f, &peer);
    INVARIANT(*f->http_metrics.active == 0);
    peer_deinit(&peer);
    return 0;
}
