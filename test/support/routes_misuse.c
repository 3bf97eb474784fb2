/* SPDX-License-Identifier: MIT
 *
 * routes_misuse.c - handlers that are wrong, one mistake a route.
 *
 * /test/misuse/field?name=N&value=V: sends a field of the client's making; POST, as a trailer, too.
 * /test/misuse/forget: returns, and nothing will ever answer; /test/misuse/forget-cancel: is
 * cancelled, and does not end.
 * /test/misuse/lose-callback: waits for news, of which nobody tells it; lose-timer: for a timer
 * that is closed before it fires; lose-query: for a statement of MySQL's that is given up.
 * /test/misuse/query-on-stack, command-on-stack: ask MySQL or Redis with a struct that is gone when
 * the answer comes. AddressSanitizer puts locals elsewhere, and finds their use itself: not so
 * here.
 * /test/misuse/twice, end-twice: answer twice. twice-later: again, from a timer.
 * /test/misuse/late?ms=N, late-ref?ms=N: when it is cancelled on_cancel ends the request, and a
 * timer goes on, which holds the request, or has a reference; /test/misuse/stale: how many
 * references were stale.
 * /test/misuse/query-goes-on: as late, with a statement in place of the timer.
 * /test/misuse/thread: answers from a thread. /test/misuse/status?code=N: answers with a status
 * that may be none.
 */
#include "test/support/routes_misuse.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/http/server.h"

#define TEXT_TYPE  "text/plain; charset=utf-8"
#define STATEMENT  "SELECT SLEEP(3)"
#define DEFAULT_MS 20

static struct str query(struct http_request *req, struct str name)
{
    struct str value;
    return http_query_get(req, name, &value) ? value : STR("");
}

static void handle_field(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_header fields[] = {
        {query(req, STR("name")), query(req, STR("value"))},
        {STR("X-Good"), STR("yes")},
    };
    struct http_response response = {
        .status = 200,
        .content_type = TEXT_TYPE,
        .body = STR("ok\n"),
        .headers = fields,
        .header_count = ARRAY_COUNT(fields),
    };
    if ((req->route->flags & ROUTE_STREAM) != 0) {
        response.trailers = fields;
        response.trailer_count = ARRAY_COUNT(fields);
    }
    http_respond(req, &response);
}

static void handle_forget(struct http_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

static void on_cancel(struct http_request *req, int status)
{
    (void)req;
    (void)status;
}

static void handle_forget_cancel(struct http_request *req, void *arg)
{
    (void)arg;
    http_on_cancel(req, on_cancel);
    task_park(&req->task, "sleep");
}

/* --- what was to wake it is gone --- */

struct loser {
    struct loser *next;
    struct wheel_timer loses; /* that what is to wake the request */
    uv_timer_t timer;
    struct sql_query query;
    struct task_ref ref;
};

static struct loser *losers; /* that a leak detector finds them */

static struct loser *start_loser(struct http_request *req, void (*lose)(struct wheel_timer *timer))
{
    struct loser *loser = calloc(1, sizeof(*loser)); /* until the process ends */
    REQUIRE(loser != NULL);
    loser->next = losers;
    losers = loser;
    req->user = loser;
    wheel_timer_init(&loser->loses, lose);
    loop_set_timer(req->server->loop, &loser->loses, DEFAULT_MS);
    return loser;
}

static void lose_callback(struct wheel_timer *timer)
{
    http_unwait(CONTAINER_OF(timer, struct loser, loses)->ref);
}

static void handle_lose_callback(struct http_request *req, void *arg)
{
    (void)arg;
    start_loser(req, lose_callback)->ref = http_wait(req, "news");
}

static void on_timer_closed(uv_handle_t *handle)
{
    http_unwait(CONTAINER_OF(handle, struct loser, timer)->ref);
}

static void lose_timer(struct wheel_timer *timer)
{
    uv_close((uv_handle_t *)&CONTAINER_OF(timer, struct loser, loses)->timer, on_timer_closed);
}

static void on_never(uv_timer_t *timer)
{
    (void)timer;
}

static void handle_lose_timer(struct http_request *req, void *arg)
{
    (void)arg;
    struct loser *loser = start_loser(req, lose_timer);
    (void)uv_timer_init(loop_uv(req->server->loop), &loser->timer);
    (void)uv_timer_start(&loser->timer, on_never, 3600000, 0);
    loser->ref = http_wait(req, "timer");
}

static void on_query_never(struct sql_query *query)
{
    (void)query;
}

static void lose_query(struct wheel_timer *timer)
{
    sql_query_cancel(&CONTAINER_OF(timer, struct loser, loses)->query);
}

static void handle_lose_query(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    struct loser *loser = start_loser(req, lose_query);
    loser->query =
        (struct sql_query){.text = STR(STATEMENT), .on_done = on_query_never, .task = &req->task};
    if (sql_query_start(context->sql, &loser->query) < 0) {
        http_respond_error(req, 503, NULL);
    }
}

#define ON_THE_STACK __attribute__((no_sanitize("address")))

static void on_query_done(struct sql_query *query)
{
    (void)query;
}

ON_THE_STACK static void handle_query_on_stack(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    struct sql_query query = {
        .text = STR("SELECT 1"), .on_done = on_query_done, .task = &req->task};
    if (sql_query_start(context->sql, &query) < 0) {
        http_respond_error(req, 503, NULL);
    }
}

static void on_reply(struct redis_call *call, int status, const struct redis_reply *reply)
{
    (void)call;
    (void)status;
    (void)reply;
}

ON_THE_STACK static void handle_command_on_stack(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    struct redis_call call = {.on_reply = on_reply, .task = &req->task};
    const struct str args[] = {STR("PING")};
    struct redis *redis = context->redis;
    if (redis_send(redis, &call, args, ARRAY_COUNT(args), 0) < 0) {
        http_respond_error(req, 503, NULL);
    }
}

/* --- answers that are one too many --- */

static void respond_text(struct http_request *req, struct str body)
{
    const struct http_response response = {.status = 200, .content_type = TEXT_TYPE, .body = body};
    http_respond(req, &response);
}

static void handle_twice(struct http_request *req, void *arg)
{
    (void)arg;
    respond_text(req, STR("first\n"));
    respond_text(req, STR("second\n"));
}

static void handle_end_twice(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = TEXT_TYPE};
    http_stream_start(req, &response, NULL);
    (void)!http_stream_write(req, STR("first\n"));
    http_stream_end(req);
    (void)!http_stream_write(req, STR("second\n"));
    http_stream_end(req);
}

/* What goes on, whether its request has ended or not. */
struct late {
    uv_timer_t timer;
    struct http_request *req; /* held; NULL: `ref` is used */
    struct task_ref ref;
};

static uint64_t stale_count;

static void free_late(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct late, timer));
}

static void on_late(uv_timer_t *timer)
{
    struct late *late = CONTAINER_OF(timer, struct late, timer);
    struct http_request *req = late->req == NULL ? http_from_ref(late->ref) : late->req;
    if (req == NULL) {
        stale_count++;
    } else {
        respond_text(req, STR("late\n"));
        http_release(req);
    }
    uv_close((uv_handle_t *)timer, free_late);
}

static void start_late(struct http_request *req, bool is_held)
{
    struct str text;
    uint64_t ms = DEFAULT_MS;
    struct late *late = calloc(1, sizeof(*late));
    if (late == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    if (http_query_get(req, STR("ms"), &text) && !str_parse_u64(text, UINT32_MAX, &ms)) {
        ms = DEFAULT_MS;
    }
    if (is_held) {
        http_hold(req);
        task_await(&req->task, (struct task_waker){.kind = "timer"}); /* until the end */
        late->req = req;
    }
    late->ref = http_ref(req);
    (void)uv_timer_init(loop_uv(req->server->loop), &late->timer);
    (void)uv_timer_start(&late->timer, on_late, ms, 0);
}

static void end_at_once(struct http_request *req, int status)
{
    (void)status;
    http_respond_error(req, 503, NULL);
}

static void handle_late(struct http_request *req, void *arg)
{
    (void)arg;
    http_on_cancel(req, end_at_once);
    start_late(req, true);
}

static void handle_late_ref(struct http_request *req, void *arg)
{
    (void)arg;
    http_on_cancel(req, end_at_once);
    start_late(req, false);
}

static void handle_stale(struct http_request *req, void *arg)
{
    (void)arg;
    char digits[20];
    respond_text(req, (struct str){digits, str_format_u64(digits, stale_count)});
}

static void handle_twice_later(struct http_request *req, void *arg)
{
    (void)arg;
    start_late(req, true);
    respond_text(req, STR("first\n"));
}

struct going_on {
    struct sql_query query;
    struct http_request *req;
};

static void on_went_on(struct sql_query *query)
{
    respond_text(CONTAINER_OF(query, struct going_on, query)->req, STR("late\n"));
}

static void handle_query_goes_on(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    struct going_on *going_on = arena_alloc(&req->arena, sizeof(*going_on));
    if (going_on == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    *going_on = (struct going_on){.req = req};
    going_on->query =
        (struct sql_query){.text = STR(STATEMENT), .on_done = on_went_on, .task = &req->task};
    http_on_cancel(req, end_at_once);
    if (sql_query_start(context->sql, &going_on->query) < 0) {
        http_respond_error(req, 503, NULL);
    }
}

/* --- answers that are none --- */

static void *respond_on_thread(void *arg)
{
    respond_text(arg, STR("from a thread\n"));
    return NULL;
}

static void handle_thread(struct http_request *req, void *arg)
{
    pthread_t thread;
    (void)arg;
    if (pthread_create(&thread, NULL, respond_on_thread, req) == 0) {
        (void)pthread_join(thread, NULL);
    }
}

static void handle_status(struct http_request *req, void *arg)
{
    struct str text;
    uint64_t code = 0;
    (void)arg;
    const bool is_given = http_query_get(req, STR("code"), &text);
    const struct http_response response = {
        .status = is_given && str_parse_u64(text, INT32_MAX, &code) ? (int)code : -1,
        .content_type = TEXT_TYPE,
        .body = STR("ok\n"),
    };
    http_respond(req, &response);
}

int routes_misuse_add(struct router *router, const struct app_context *context)
{
    static const struct {
        enum http_method method;
        const char *path;
        route_handler_fn handler;
        unsigned flags;
    } rows[] = {
        {METHOD_GET, "/test/misuse/field", handle_field, 0},
        {METHOD_POST, "/test/misuse/field", handle_field, ROUTE_STREAM},
        {METHOD_GET, "/test/misuse/forget", handle_forget, 0},
        {METHOD_GET, "/test/misuse/forget-cancel", handle_forget_cancel, 0},
        {METHOD_GET, "/test/misuse/lose-callback", handle_lose_callback, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/test/misuse/lose-timer", handle_lose_timer, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/test/misuse/lose-query", handle_lose_query, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/test/misuse/query-on-stack", handle_query_on_stack, 0},
        {METHOD_GET, "/test/misuse/command-on-stack", handle_command_on_stack, 0},
        {METHOD_GET, "/test/misuse/twice", handle_twice, 0},
        {METHOD_GET, "/test/misuse/end-twice", handle_end_twice, 0},
        {METHOD_GET, "/test/misuse/twice-later", handle_twice_later, 0},
        {METHOD_GET, "/test/misuse/late", handle_late, 0},
        {METHOD_GET, "/test/misuse/late-ref", handle_late_ref, 0},
        {METHOD_GET, "/test/misuse/stale", handle_stale, 0},
        {METHOD_GET, "/test/misuse/query-goes-on", handle_query_goes_on, 0},
        {METHOD_GET, "/test/misuse/thread", handle_thread, 0},
        {METHOD_GET, "/test/misuse/status", handle_status, 0},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(rows); i++) {
        rc = router_add(router, rows[i].method, rows[i].path, rows[i].handler,
                        (void *)(uintptr_t)context, rows[i].flags);
    }
    return rc;
}
