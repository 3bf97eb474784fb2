/* SPDX-License-Identifier: MIT
 *
 * routes_block.c - requests that wait for Redis or MySQL, and requests that hold the loop. Each
 * answers with the nanoseconds that it measured itself: "NAME N" a line for each part.
 */
#include "test/support/routes_block.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/http/http.h"
#include "core/http/offload.h"

#define PARTS_MAX  4
#define TEXT_BYTES 64

/* The asm statements keep the calls from becoming jumps, which would take the callers off the
 * stack. */
#define STAYS_ON_STACK __asm__ volatile("")

/* One request. */
struct visit {
    struct http_request *req;
    const struct app_context *context;
    uint64_t ms;
    uint64_t start_ns; /* of the part that runs */
    struct {
        const char *name;
        uint64_t ns;
    } parts[PARTS_MAX];
    size_t part_count;
    struct redis_call call;
    struct sql_query query;
    char text[TEXT_BYTES];
};

static struct visit *begin(struct http_request *req, const struct app_context *context)
{
    struct visit *visit = arena_alloc(&req->arena, sizeof(*visit));
    struct str text;
    if (visit == NULL) {
        http_respond_error(req, 503, NULL);
        return NULL;
    }
    memset(visit, 0, sizeof(*visit));
    visit->req = req;
    visit->context = context;
    if (!http_query_get(req, STR("ms"), &text) || !str_parse_u64(text, 60000, &visit->ms)) {
        visit->ms = 100;
    }
    visit->start_ns = clock_now_ns();
    return visit;
}

static void end_part(struct visit *visit, const char *name)
{
    const uint64_t now_ns = clock_now_ns();
    visit->parts[visit->part_count].name = name;
    visit->parts[visit->part_count].ns = now_ns - visit->start_ns;
    visit->part_count++;
    visit->start_ns = now_ns;
}

static void respond(struct visit *visit)
{
    char body[PARTS_MAX * TEXT_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < visit->part_count; i++) {
        len += (size_t)snprintf(body + len, sizeof(body) - len, "%s %llu\n", visit->parts[i].name,
                                (unsigned long long)visit->parts[i].ns);
    }
    const struct http_response response = {
        .status = 200, .content_type = "text/plain; charset=utf-8", .body = {body, len}};
    http_respond(visit->req, &response);
}

/* --- /test/wait/mysql?ms=N, /test/wait/redis?ms=N, /test/wait/both?ms=N --- */

static void on_waited_for_mysql(struct sql_query *query)
{
    struct visit *visit = query->arg;
    http_on_cancel(visit->req, NULL);
    end_part(visit, "mysql");
    respond(visit);
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    struct visit *visit = req->user;
    redis_cancel(&visit->call);
    sql_query_cancel(&visit->query);
    http_respond_error(req, 503, NULL);
}

__attribute__((noinline)) static int wait_for_mysql(struct visit *visit)
{
    const int len =
        snprintf(visit->text, sizeof(visit->text), "SELECT SLEEP(%llu.%03llu)",
                 (unsigned long long)visit->ms / 1000, (unsigned long long)visit->ms % 1000);
    visit->query = (struct sql_query){
        .text = {visit->text, (size_t)len},
        .task = &visit->req->task,
        .on_done = on_waited_for_mysql,
        .arg = visit,
    };
    const int status = sql_query_start(visit->context->sql, &visit->query);
    STAYS_ON_STACK;
    return status;
}

static void handle_mysql(struct http_request *req, void *context)
{
    struct visit *visit = begin(req, context);
    if (visit == NULL) {
        return;
    }
    req->user = visit;
    http_on_cancel(req, on_cancel);
    if (wait_for_mysql(visit) != 0) {
        http_respond_error(req, 503, NULL);
    }
}

static void on_waited_for_redis(struct redis_call *call, int status,
                                const struct redis_reply *reply)
{
    struct visit *visit = CONTAINER_OF(call, struct visit, call);
    (void)status;
    (void)reply;
    end_part(visit, "redis");
    http_on_cancel(visit->req, NULL);
    respond(visit);
}

static void on_redis_before_mysql(struct redis_call *call, int status,
                                  const struct redis_reply *reply)
{
    struct visit *visit = CONTAINER_OF(call, struct visit, call);
    (void)status;
    (void)reply;
    end_part(visit, "redis");
    if (wait_for_mysql(visit) != 0) {
        http_on_cancel(visit->req, NULL);
        http_respond_error(visit->req, 503, NULL);
    }
}

/* Redis waits for an element of a list that nobody fills. */
__attribute__((noinline)) static int wait_for_redis(struct visit *visit, redis_reply_fn on_reply)
{
    const int len =
        snprintf(visit->text, sizeof(visit->text), "%llu.%03llu",
                 (unsigned long long)visit->ms / 1000, (unsigned long long)visit->ms % 1000);
    const struct str args[] = {STR("BLPOP"), STR("nobody:fills"), {visit->text, (size_t)len}};
    redis_call_init(&visit->call, &visit->req->task, on_reply);
    const int status =
        redis_send(visit->context->redis, &visit->call, args, ARRAY_COUNT(args), 60000);
    STAYS_ON_STACK;
    return status;
}

static void begin_with_redis(struct http_request *req, const struct app_context *context,
                             redis_reply_fn on_reply)
{
    struct visit *visit = begin(req, context);
    if (visit == NULL) {
        return;
    }
    req->user = visit;
    http_on_cancel(req, on_cancel);
    if (wait_for_redis(visit, on_reply) != 0) {
        http_on_cancel(req, NULL);
        http_respond_error(req, 503, NULL);
    }
}

static void handle_redis(struct http_request *req, void *context)
{
    begin_with_redis(req, context, on_waited_for_redis);
    STAYS_ON_STACK;
}

static void handle_both(struct http_request *req, void *context)
{
    begin_with_redis(req, context, on_redis_before_mysql);
    STAYS_ON_STACK;
}

/* --- /test/hold/burn?ms=N, and .../sleep, .../two, .../once: the loop is held --- */

static volatile uint64_t sink;

__attribute__((noinline)) static void hold_by_burning(uint64_t ms)
{
    const uint64_t end_ns = clock_now_ns() + ms * NS_PER_MS;
    while (clock_now_ns() < end_ns) {
        sink = sink * 31 + 1;
    }
    STAYS_ON_STACK;
}

/* A signal ends a sleep early, so it goes on until the time is over. */
__attribute__((noinline)) static void hold_by_sleeping(uint64_t ms)
{
    const uint64_t end_ns = clock_now_ns() + ms * NS_PER_MS;
    const struct timespec end = {(time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
    STAYS_ON_STACK;
}

static void handle_burn(struct http_request *req, void *context)
{
    struct visit *visit = begin(req, context);
    if (visit != NULL) {
        hold_by_burning(visit->ms);
        end_part(visit, "burn");
        respond(visit);
    }
}

static void handle_sleep(struct http_request *req, void *context)
{
    struct visit *visit = begin(req, context);
    if (visit != NULL) {
        hold_by_sleeping(visit->ms);
        end_part(visit, "sleep");
        respond(visit);
    }
}

static void handle_two(struct http_request *req, void *context)
{
    struct visit *visit = begin(req, context);
    if (visit != NULL) {
        hold_by_burning(visit->ms);
        end_part(visit, "burn");
        hold_by_sleeping(2 * visit->ms);
        end_part(visit, "sleep");
        respond(visit);
    }
}

/* One call of nanosleep, as a library may have it that knows of no signals. */
__attribute__((noinline)) static void hold_by_one_sleep(uint64_t ms)
{
    const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000 * NS_PER_MS)};
    (void)nanosleep(&time, NULL);
    STAYS_ON_STACK;
}

static void handle_once(struct http_request *req, void *context)
{
    struct visit *visit = begin(req, context);
    if (visit != NULL) {
        hold_by_one_sleep(visit->ms);
        end_part(visit, "once");
        respond(visit);
    }
}

/* Jobs that hold threads of the offload pool, as a disk that hangs would. */
static void sleep_on_thread(void *arg)
{
    const struct visit *visit = arg;
    hold_by_one_sleep(visit->ms);
}

static void on_slept(struct http_request *req, void *arg, int status)
{
    (void)status;
    (void)req;
    end_part(arg, "offload");
    respond(arg);
}

static void handle_offload(struct http_request *req, void *context)
{
    const struct app_context *app = context;
    struct visit *visit = begin(req, context);
    if (visit != NULL && http_offload(req, app->offload, sleep_on_thread, on_slept, visit) < 0) {
        http_respond_error(req, 503, "busy");
    }
}

int routes_block_add(struct router *router, const struct app_context *context)
{
    static const struct {
        const char *path;
        route_handler_fn handler;
    } rows[] = {
        {"/test/wait/mysql", handle_mysql}, {"/test/wait/redis", handle_redis},
        {"/test/wait/both", handle_both},   {"/test/hold/burn", handle_burn},
        {"/test/hold/sleep", handle_sleep}, {"/test/hold/two", handle_two},
        {"/test/hold/once", handle_once},   {"/test/hold/offload", handle_offload},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(rows); i++) {
        rc = router_add(router, METHOD_GET, rows[i].path, rows[i].handler,
                        (void *)(uintptr_t)context, 0);
    }
    return rc;
}
