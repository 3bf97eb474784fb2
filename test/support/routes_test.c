/* SPDX-License-Identifier: MIT
 *
 * routes_test.c - routes that exist in the test server only: known amounts of work, waiting and
 * output.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/http/server.h"
#include "profiling/code/symbol.h"
#include "test/support/routes_mutex.h"
#include "test/support/test_module.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

static uint64_t query_number(struct http_request *req, struct str name, uint64_t fallback)
{
    struct str text;
    uint64_t value = fallback;
    if (http_query_get(req, name, &text) && !str_parse_u64(text, UINT32_MAX, &value)) {
        value = fallback;
    }
    return value;
}

static void respond_text(struct http_request *req, struct str body)
{
    const struct http_response response = {.status = 200, .content_type = TEXT_TYPE, .body = body};
    http_respond(req, &response);
}

/* --- /test/burn?ms=N: CPU time in two functions, 3 to 1 --- */

static _Thread_local volatile uint64_t burn_sink;

/* What this thread has used: others may be busy at the same time. */
static uint64_t thread_cpu_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); /* always exists on Linux */
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void burn(uint64_t cpu_ns)
{
    const uint64_t end_ns = thread_cpu_ns() + cpu_ns;
    while (thread_cpu_ns() < end_ns) {
        for (uint64_t i = 0; i < 2000; i++) {
            burn_sink = burn_sink * 31 + i;
        }
    }
}

/* The asm statements keep the calls from becoming jumps, which would take the callers off the
 * stack. */
static void __attribute__((noinline)) burn_three_parts(uint64_t part_ns)
{
    burn(3 * part_ns);
    __asm__ volatile("");
}

static void __attribute__((noinline)) burn_one_part(uint64_t part_ns)
{
    burn(part_ns);
    __asm__ volatile("");
}

static void handle_burn(struct http_request *req, void *arg)
{
    (void)arg;
    const uint64_t part_ns = query_number(req, STR("ms"), 4) * NS_PER_MS / 4;
    burn_three_parts(part_ns);
    burn_one_part(part_ns);
    respond_text(req, STR("burnt\n"));
}

/* --- /test/thread?ms=N: burns on a thread that ends with it --- */

static void *burn_on_thread(void *arg)
{
    (void)pthread_setname_np(pthread_self(), "burner");
    burn((uintptr_t)arg * NS_PER_MS);
    return NULL;
}

static void handle_thread(struct http_request *req, void *arg)
{
    (void)arg;
    const uintptr_t ms = (uintptr_t)query_number(req, STR("ms"), 4);
    pthread_t thread;
    if (pthread_create(&thread, NULL, burn_on_thread, (void *)ms) != 0) {
        http_respond_error(req, 503, NULL);
        return;
    }
    (void)pthread_detach(thread);
    respond_text(req, STR("started\n"));
}

/* --- sleeping --- */

/* /test/sleep?ms=N waits on the loop; /test/stubborn?ms=N even when it is cancelled;
 * /test/long?ms=N as long as its client stays. /test/sleep/hasty and /patient have limits of their
 * own of how long is slow. */

struct sleeper {
    uv_timer_t timer;
    struct http_request *req;
};

static uint64_t cancelled_count;

static void on_sleeper_closed(uv_handle_t *handle)
{
    struct sleeper *sleeper = handle->data;
    struct http_request *req = sleeper->req;
    respond_text(req, STR("slept\n")); /* after a cancel nobody reads it */
    http_release(req);
}

static void on_awake(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_sleeper_closed);
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    struct sleeper *sleeper = req->user;
    cancelled_count++;
    if (!uv_is_closing((uv_handle_t *)&sleeper->timer)) { /* it may have fired in this turn */
        uv_close((uv_handle_t *)&sleeper->timer, on_sleeper_closed);
    }
}

static void start_sleep(struct http_request *req, http_cancel_fn stop)
{
    struct sleeper *sleeper = arena_alloc(&req->arena, sizeof(*sleeper));
    if (sleeper == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    sleeper->req = req;
    http_hold(req); /* the timer's handle lies in its arena */
    sleeper->timer.data = sleeper;
    req->user = sleeper;
    (void)uv_timer_init(req->server->listener.poll.loop, &sleeper->timer);
    (void)uv_timer_start(&sleeper->timer, on_awake, query_number(req, STR("ms"), 10), 0);
    http_on_cancel(req, stop);
    task_await(&req->task, (struct task_waker){.kind = "timer"}); /* until the end */
    task_park(&req->task, "sleep");
}

static void handle_sleep(struct http_request *req, void *arg)
{
    (void)arg;
    start_sleep(req, on_cancel);
}

static void handle_stubborn(struct http_request *req, void *arg)
{
    (void)arg;
    start_sleep(req, NULL);
}

static void handle_cancelled(struct http_request *req, void *arg)
{
    (void)arg;
    char digits[20];
    respond_text(req, (struct str){digits, str_format_u64(digits, cancelled_count)});
}

/* --- /test/echo: the body back; /test/params/:a/:b: the parameters --- */

static void handle_echo(struct http_request *req, void *arg)
{
    (void)arg;
    respond_text(req, req->body);
}

/* --- /test/big?bytes=N: a whole answer of that length --- */

static void handle_big(struct http_request *req, void *arg)
{
    (void)arg;
    static char body[8 << 20]; /* all zero, and so no memory until somebody writes to it */
    const uint64_t bytes = query_number(req, STR("bytes"), 1 << 20);
    respond_text(req, (struct str){body, bytes < sizeof(body) ? (size_t)bytes : sizeof(body)});
}

static void handle_params(struct http_request *req, void *arg)
{
    (void)arg;
    struct buf body;
    buf_init(&body, 65536);
    buf_append_json(&body, req->params[0]);
    buf_append_json(&body, req->params[1]);
    respond_text(req, buf_str(&body));
    buf_deinit(&body);
}

/* --- /test/header?value=V: a response field of the client's making --- */

static void handle_header(struct http_request *req, void *arg)
{
    (void)arg;
    struct http_header header = {STR("X-Test"), STR("")};
    if (!http_query_get(req, STR("value"), &header.value)) {
        header.value = STR("none");
    }
    const struct http_response response = {
        .status = 200,
        .content_type = TEXT_TYPE,
        .body = STR("ok\n"),
        .headers = &header,
        .header_count = 1,
    };
    http_respond(req, &response);
}

/* --- /test/stream?bytes=N: a streamed answer that stops when the client does not read --- */

struct stream {
    uint64_t left_bytes;
};

static uint64_t streamed_bytes;

static void pump(struct http_request *req)
{
    static char chunk[16384];
    struct stream *stream = req->user;
    memset(chunk, 'x', sizeof(chunk));
    while (stream->left_bytes > 0) {
        const size_t len =
            stream->left_bytes < sizeof(chunk) ? (size_t)stream->left_bytes : sizeof(chunk);
        stream->left_bytes -= len;
        streamed_bytes += len;
        if (!http_stream_write(req, (struct str){chunk, len})) {
            task_park(&req->task, "write");
            return;
        }
    }
    http_stream_end(req);
}

static void on_stream_cancel(struct http_request *req, int status)
{
    (void)status;
    cancelled_count++;
    http_stream_end(req);
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    struct stream *stream = arena_alloc(&req->arena, sizeof(*stream));
    if (stream == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    stream->left_bytes = query_number(req, STR("bytes"), 100000);
    req->user = stream;
    const struct http_response response = {.status = 200, .content_type = TEXT_TYPE};
    http_stream_start(req, &response, pump);
    http_on_cancel(req, on_stream_cancel);
    pump(req);
}

/* --- events --- */

/* /test/events is a stream of events, none of which comes, until its client leaves or the server
 * stops. */

static void on_events_drain(struct http_request *req)
{
    (void)!http_stream_write(req, STR("data: bye\n\n")); /* the last one: nothing waits behind it */
    http_stream_end(req);
}

static void handle_events(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = "text/event-stream"};
    http_stream_start(req, &response, NULL);
    http_on_cancel(req, on_stream_cancel);
    http_on_drain(req, on_events_drain);
    (void)http_wait(req, "events"); /* its client's departure, or the drain */
    if (!http_stream_write(req, STR("data: hello\n\n"))) {
        task_park(&req->task, "write");
    }
}

static void handle_streamed(struct http_request *req, void *arg)
{
    (void)arg;
    char digits[20];
    respond_text(req, (struct str){digits, str_format_u64(digits, streamed_bytes)});
}

/* --- a relay --- */

/* /test/relay sends the body back as it comes, at the pace of the slower side, and its length as a
 * trailer. */

struct relay {
    uint64_t total_bytes;
    size_t owed_bytes; /* not consumed until the peer reads */
    bool is_slow;      /* on_writable is to come */
    bool is_end;
};

static void end_relay(struct http_request *req)
{
    const struct relay *relay = req->user;
    char digits[20];
    const struct http_header trailers[] = {
        {STR("x-bytes"), {digits, str_format_u64(digits, relay->total_bytes)}},
        {STR("x-end"), STR("yes")},
    };
    http_stream_end_with(req, trailers, ARRAY_COUNT(trailers));
}

static void on_relay_writable(struct http_request *req)
{
    struct relay *relay = req->user;
    relay->is_slow = false;
    http_body_consume(req, relay->owed_bytes);
    relay->owed_bytes = 0;
    if (relay->is_end) {
        end_relay(req);
    }
}

static void on_relay_body(struct http_request *req, struct str data, bool is_end)
{
    struct relay *relay = req->user;
    relay->total_bytes += data.len;
    relay->owed_bytes += data.len;
    relay->is_end = is_end;
    streamed_bytes += data.len;
    relay->is_slow = !http_stream_write(req, data) || relay->is_slow;
    if (relay->is_slow) {
        task_park(&req->task, "write");
        return;
    }
    http_body_consume(req, relay->owed_bytes);
    relay->owed_bytes = 0;
    if (is_end) {
        end_relay(req);
    }
}

static void on_relay_cancel(struct http_request *req, int status)
{
    cancelled_count++;
    if (status == UV_ETIMEDOUT) {
        end_relay(req); /* a deadline: the peer is there, and gets the trailers */
    } else {
        http_stream_end(req);
    }
}

static void handle_relay(struct http_request *req, void *arg)
{
    (void)arg;
    struct relay *relay = arena_alloc(&req->arena, sizeof(*relay));
    if (relay == NULL) {
        http_respond_error(req, 503, NULL);
        return;
    }
    *relay = (struct relay){0};
    req->user = relay;
    const struct http_response response = {.status = 200, .content_type = TEXT_TYPE};
    http_stream_start(req, &response, on_relay_writable);
    http_on_cancel(req, on_relay_cancel);
    http_on_body(req, on_relay_body);
}

/* --- /test/hold: takes a body and uses none of it, until it has all; /test/reset?code=N --- */

static void on_held_body(struct http_request *req, struct str data, bool is_end)
{
    (void)data;
    if (is_end) {
        respond_text(req, STR("held\n"));
    }
}

static void on_held_cancel(struct http_request *req, int status)
{
    (void)status;
    cancelled_count += req->reset_code == HTTP_RESET_CANCEL ? 1 : 1000;
    http_respond_error(req, 503, NULL);
}

static void handle_hold(struct http_request *req, void *arg)
{
    (void)arg;
    http_on_body(req, on_held_body);
    http_on_cancel(req, on_held_cancel);
    task_park(&req->task, "hold");
}

static void handle_reset(struct http_request *req, void *arg)
{
    (void)arg;
    http_reset(req, (enum http_reset)query_number(req, STR("code"), HTTP_RESET_INTERNAL));
}

/* --- /test/tasks: what is in flight, a line each: method, route, state, handler --- */

/* All tasks are requests: nothing else makes tasks yet. */
static void put_task(struct task *task, void *arg)
{
    struct buf *body = arg;
    const struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    struct symbol_result handler;
    symbol_lookup((uint64_t)(uintptr_t)req->route->handler, &handler);
    buf_printf(body, "%s %s %s %s\n", http_method_name(req->method), req->route->path, task->state,
               handler.frames[0].function);
}

static void handle_tasks(struct http_request *req, void *arg)
{
    (void)arg;
    struct buf body;
    buf_init(&body, 1u << 20);
    task_for_each(put_task, &body);
    respond_text(req, buf_str(&body));
    buf_deinit(&body);
}

/* --- memory --- */

/* /test/leak?count=N&bytes=B makes blocks that stay until /test/unleak; /test/churn some that do
 * not. */

#define LEAKED_MAX 4096

static void *volatile leaked[LEAKED_MAX];
static size_t leaked_count;

static void __attribute__((noinline)) leak_blocks(uint64_t count, size_t bytes)
{
    for (uint64_t i = 0; i < count && leaked_count < LEAKED_MAX; i++) {
        leaked[leaked_count] = malloc(bytes);
        leaked_count++;
    }
}

static void __attribute__((noinline)) churn_blocks(uint64_t count, size_t bytes)
{
    for (uint64_t i = 0; i < count; i++) {
        void *volatile block = malloc(bytes);
        free(block);
    }
}

static void handle_leak(struct http_request *req, void *arg)
{
    (void)arg;
    leak_blocks(query_number(req, STR("count"), 1), query_number(req, STR("bytes"), 1));
    respond_text(req, STR("leaked\n"));
}

static void handle_unleak(struct http_request *req, void *arg)
{
    (void)arg;
    for (; leaked_count > 0; leaked_count--) {
        free(leaked[leaked_count - 1]);
    }
    respond_text(req, STR("freed\n"));
}

static void handle_churn(struct http_request *req, void *arg)
{
    (void)arg;
    churn_blocks(query_number(req, STR("count"), 1), query_number(req, STR("bytes"), 1));
    respond_text(req, STR("churned\n"));
}

/* --- the table --- */

int routes_test_add(struct router *router)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/test/burn", handle_burn, 0},
        {METHOD_GET, "/test/thread", handle_thread, 0},
        {METHOD_GET, "/test/sleep", handle_sleep, 0},
        {METHOD_GET, "/test/sleep/hasty", handle_sleep, ROUTE_SLOW_MS(50)},
        {METHOD_GET, "/test/sleep/patient", handle_sleep, ROUTE_SLOW_MS(60000)},
        {METHOD_GET, "/test/long", handle_sleep, ROUTE_NO_DEADLINE | ROUTE_LONG},
        {METHOD_GET, "/test/contend", contend_handle, 0},
        {METHOD_GET, "/test/cancelled", handle_cancelled, 0},
        {METHOD_GET, "/test/tasks", handle_tasks, 0},
        {METHOD_GET, "/test/leak", handle_leak, 0},
        {METHOD_GET, "/test/unleak", handle_unleak, 0},
        {METHOD_GET, "/test/churn", handle_churn, 0},
        {METHOD_POST, "/test/echo", handle_echo, ROUTE_BODY},
        {METHOD_GET, "/test/big", handle_big, 0},
        {METHOD_POST, "/test/no-body", handle_cancelled, 0},
        {METHOD_GET, "/test/params/:a/:b", handle_params, 0},
        {METHOD_GET, "/test/params/literal/:b", handle_params, 0},
        {METHOD_GET, "/test/header", handle_header, 0},
        {METHOD_GET, "/test/stream", handle_stream, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/test/events", handle_events, ROUTE_NO_DEADLINE | ROUTE_LONG},
        {METHOD_GET, "/test/streamed", handle_streamed, 0},
        {METHOD_GET, "/test/stubborn", handle_stubborn, 0},
        {METHOD_POST, "/test/relay", handle_relay, ROUTE_STREAM},
        {METHOD_POST, "/test/hold", handle_hold, ROUTE_STREAM | ROUTE_NO_DEADLINE},
        {METHOD_POST, "/test/reset", handle_reset, ROUTE_STREAM},
    };
    return router_add_rows(router, rows, ARRAY_COUNT(rows), NULL);
}
