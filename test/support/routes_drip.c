/* SPDX-License-Identifier: MIT
 *
 * routes_drip.c - streamed answers that a timer writes, whatever the peer does meanwhile.
 *
 * /test/drip?count=N&bytes=B&ms=M&mark=C&late=L: N pieces of B bytes, all of the letter C, one each
 * M ms; when it is cancelled it goes on writing and ends L ms later, or at once without L. POST
 * takes a body, too: the bytes of one tick are consumed in the next; it ends with a trailer, body
 * or no body.
 * /test/early?status=S: answers before the body has come.
 */
#include "test/support/routes_drip.h"

#include "core/http/server.h"

#define TEXT_TYPE      "text/plain; charset=utf-8"
#define PIECE_MAX      65536
#define FIRST_DELAY_MS 1

struct drip {
    uv_timer_t timer;
    struct http_request *req;
    uint64_t left;
    size_t piece_bytes;
    uint64_t interval_ms;
    uint64_t late_ms;
    size_t owed_bytes; /* of the body, to be consumed at the next tick */
    bool is_closing;
    char mark;
};

static uint64_t number(struct http_request *req, struct str name, uint64_t fallback)
{
    struct str text;
    uint64_t value = fallback;
    if (http_query_get(req, name, &text) && !str_parse_u64(text, UINT32_MAX, &value)) {
        value = fallback;
    }
    return value;
}

static void end_drip(uv_handle_t *handle)
{
    struct drip *drip = handle->data;
    struct http_request *req = drip->req;
    const struct http_header trailer = {STR("x-drip"), STR("done")};
    if ((req->route->flags & ROUTE_STREAM) != 0) {
        http_stream_end_with(req, &trailer, 1);
    } else {
        http_stream_end(req);
    }
    http_release(req);
}

static void close_drip(struct drip *drip)
{
    if (!drip->is_closing) {
        drip->is_closing = true;
        uv_close((uv_handle_t *)&drip->timer, end_drip);
    }
}

static void write_piece(struct drip *drip)
{
    static _Thread_local char piece[PIECE_MAX];
    memset(piece, drip->mark, drip->piece_bytes);
    const bool has_room = http_stream_write(drip->req, (struct str){piece, drip->piece_bytes});
    task_park(&drip->req->task, has_room ? "drip" : "write");
}

static void on_tick(uv_timer_t *timer)
{
    struct drip *drip = timer->data;
    struct task *previous = task_enter(&drip->req->task);
    if (drip->owed_bytes > 0) {
        http_body_consume(drip->req, drip->owed_bytes);
        drip->owed_bytes = 0;
    }
    if (drip->left > 0) {
        drip->left--;
        write_piece(drip);
    }
    if (drip->left == 0) {
        close_drip(drip);
    }
    task_leave(previous);
}

/* A late one writes once more before it ends. */
static void on_drip_cancel(struct http_request *req, int status)
{
    (void)status;
    struct drip *drip = req->user;
    if (drip->late_ms == 0) {
        close_drip(drip);
    } else if (!drip->is_closing) {
        drip->left = 1;
        (void)uv_timer_start(&drip->timer, on_tick, drip->late_ms, 0);
    }
}

static void on_drip_body(struct http_request *req, struct str data, bool is_end)
{
    (void)is_end;
    struct drip *drip = req->user;
    drip->owed_bytes += data.len;
}

static void handle_drip(struct http_request *req, void *arg)
{
    (void)arg;
    struct drip *drip = arena_alloc(&req->arena, sizeof(*drip));
    if (drip == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    *drip = (struct drip){
        .req = req,
        .left = number(req, STR("count"), 3),
        .piece_bytes = (size_t)number(req, STR("bytes"), 10),
        .interval_ms = number(req, STR("ms"), 1),
        .late_ms = number(req, STR("late"), 0),
        .mark = 'x',
    };
    drip->piece_bytes = drip->piece_bytes < PIECE_MAX ? drip->piece_bytes : PIECE_MAX;
    struct str mark;
    if (http_query_get(req, STR("mark"), &mark) && mark.len > 0) {
        drip->mark = mark.ptr[0];
    }
    drip->timer.data = drip;
    http_hold(req); /* the timer's handle lies in its arena */
    req->user = drip;
    (void)uv_timer_init(loop_uv(req->server->loop), &drip->timer);
    (void)uv_timer_start(&drip->timer, on_tick, FIRST_DELAY_MS, drip->interval_ms);
    http_on_cancel(req, on_drip_cancel);
    if ((req->route->flags & ROUTE_STREAM) != 0) {
        http_on_body(req, on_drip_body);
    }
    const struct http_response response = {.status = 200, .content_type = TEXT_TYPE};
    http_stream_start(req, &response, NULL);
    task_await(&req->task, (struct task_waker){.kind = "timer"}); /* until the end */
    task_park(&req->task, "drip");
}

static void handle_early(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {
        .status = (int)number(req, STR("status"), 200),
        .content_type = TEXT_TYPE,
        .body = STR("early\n"),
    };
    http_respond(req, &response);
}

int routes_drip_add(struct router *router)
{
    int rc = router_add(router, METHOD_GET, "/test/drip", handle_drip, NULL, 0);
    rc = rc < 0 ? rc
                : router_add(router, METHOD_POST, "/test/drip", handle_drip, NULL, ROUTE_STREAM);
    return rc < 0
               ? rc
               : router_add(router, METHOD_POST, "/test/early", handle_early, NULL, ROUTE_STREAM);
}
