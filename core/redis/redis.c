/* SPDX-License-Identifier: MIT
 *
 * redis.c - the pipeline: a ring of calls in the order in which they were sent.
 *
 * Each command takes the next slot of the ring, each reply empties the oldest. A cancelled call
 * leaves its slot empty, so that later replies still match their calls.
 */
#include "core/redis/redis.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/redis/redis_conn.h"
#include "core/redis/redis_metrics.h"

struct redis {
    struct redis_conn conn;
    struct redis_call **slots; /* owned; a NULL slot: its call has ended without a reply */
    uint64_t slot_mask;
    uint64_t oldest; /* sequence of the next reply */
    uint64_t next;   /* sequence of the next command */
    struct redis_call heartbeat;
    uint64_t latency_ns;
    struct redis_metrics metrics;
    double *pending; /* NULL until redis_register_metrics */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* --- the ends of a call --- */

static enum redis_result result_of(int status)
{
    switch (status) {
    case 0:
        return REDIS_RESULT_OK;
    case UV_EREMOTEIO:
        return REDIS_RESULT_ERROR;
    case UV_ETIMEDOUT:
        return REDIS_RESULT_TIMEOUT;
    case UV_ECANCELED:
        return REDIS_RESULT_CANCELLED;
    default:
        return REDIS_RESULT_LOST;
    }
}

/* waker_of is the waker of a call's task: the reply at its place in the pipeline. */
static struct task_waker waker_of(const struct redis_call *call)
{
    return (struct task_waker){.kind = "redis", .id = call->sequence};
}

/* leave takes a call off the client: it is the caller's again. */
static void leave(struct redis_call *call, int status, uint64_t now_ns)
{
    struct redis *redis = call->redis;
    wheel_unset(&call->deadline);
    call->redis = NULL;
    redis_metrics_count(&redis->metrics, call->operation, result_of(status),
                        now_ns - call->start_ns);
}

/* finish hands the reply over; the callback may free the call, which is not touched afterwards. */
static void finish(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct task *previous = task_enter(call->task);
    const uint64_t now_ns = clock_now_ns();
    task_release(call->task); /* redis_send's hold */
    leave(call, status, now_ns);
    if (call->task != NULL) {
        task_unpark_at(call->task, now_ns);
    }
    task_awaited(call->task, waker_of(call));
    call->on_reply(call, status, reply);
    task_leave(previous);
}

static struct redis_call **slot_of(struct redis *redis, uint64_t sequence)
{
    return &redis->slots[sequence & redis->slot_mask];
}

static void on_deadline(struct wheel_timer *timer)
{
    struct redis_call *call = CONTAINER_OF(timer, struct redis_call, deadline);
    *slot_of(call->redis, call->sequence) = NULL;
    finish(call, UV_ETIMEDOUT, NULL);
}

void redis_cancel(struct redis_call *call)
{
    if (call->redis == NULL) {
        return;
    }
    *slot_of(call->redis, call->sequence) = NULL;
    leave(call, UV_ECANCELED, clock_now_ns());
    task_awaited(call->task, waker_of(call));
    task_release(call->task);
}

void redis_lend(struct redis_call *call, struct task *task)
{
    struct task *previous = call->task;
    call->task = task;
    if (call->redis != NULL) {
        task_hold(task);
        task_await(task, waker_of(call));
        task_awaited(previous, waker_of(call));
        task_release(previous);
    }
}

/* --- sending --- */

void redis_call_init(struct redis_call *call, struct task *task, redis_reply_fn on_reply)
{
    *call = (struct redis_call){.on_reply = on_reply, .task = task};
    wheel_timer_init(&call->deadline, on_deadline);
}

static int write_call(struct redis *redis, const struct str *args, size_t count)
{
    if (!redis_conn_is_ready(&redis->conn)) {
        return UV_ENOTCONN;
    }
    if (redis->next - redis->oldest > redis->slot_mask) {
        return UV_EBUSY;
    }
    return redis_conn_write(&redis->conn, args, count);
}

int redis_send(struct redis *redis, struct redis_call *call, const struct str *args, size_t count,
               uint64_t timeout_ms)
{
    REQUIRE(call->redis == NULL && count > 0);
    loop_require_lasting(redis->conn.loop, call, "redis_send");
    const int status = write_call(redis, args, count);
    if (status < 0) {
        redis_metrics_refuse(&redis->metrics);
        return status;
    }
    call->redis = redis;
    call->sequence = redis->next++;
    call->start_ns = clock_now_ns();
    call->operation = redis_metrics_operation(&redis->metrics, args[0]);
    *slot_of(redis, call->sequence) = call;
    loop_set_timer(redis->conn.loop, &call->deadline,
                   timeout_ms == 0 ? redis->conn.options.command_timeout_ms : timeout_ms);
    if (call->task != NULL) {
        task_hold(call->task);
        task_await(call->task, waker_of(call));
        task_park_for(call->task, "redis", redis_metrics_name(call->operation), call->start_ns);
    }
    return 0;
}

/* --- events of the connection --- */

/* is_misplaced tells whether this server will refuse the next commands, too: it was demoted, loads
 * its data, or has lost our login. Another greeting finds out, or reaches another server. */
static bool is_misplaced(const struct redis_reply *reply)
{
    const struct redis_refusal *refusal =
        reply->type == REDIS_ERROR ? redis_reply_refusal(reply->text) : NULL;
    return redis_reply_has_code(reply, STR("NOAUTH")) || (refusal != NULL && refusal->is_misplaced);
}

static struct redis *owner_of(struct redis_conn *rc)
{
    return CONTAINER_OF(rc, struct redis, conn);
}

static void on_reply(struct redis_conn *rc, const struct redis_reply *reply)
{
    struct redis *redis = owner_of(rc);
    if (redis->oldest == redis->next) {
        redis_conn_drop(rc, UV_EPROTO, STR("a reply to no command"));
        return;
    }
    /* before on_reply, so that it cannot send the next command to the same server */
    if (is_misplaced(reply)) {
        redis_conn_drop(rc, UV_ECONNRESET, reply->text);
    }
    struct redis_call *call = *slot_of(redis, redis->oldest++);
    if (call != NULL) {
        finish(call, reply->type == REDIS_ERROR ? UV_EREMOTEIO : 0, reply);
    }
}

static void on_lost(struct redis_conn *rc, int status)
{
    struct redis *redis = owner_of(rc);
    /* callbacks cannot add to the ring meanwhile: redis_send refuses */
    while (redis->oldest != redis->next) {
        struct redis_call *call = *slot_of(redis, redis->oldest++);
        if (call != NULL) {
            finish(call, status == UV_ECANCELED ? UV_ECANCELED : UV_ECONNRESET, NULL);
        }
    }
}

static void on_heartbeat(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct redis *redis = CONTAINER_OF(call, struct redis, heartbeat);
    if (status == 0) {
        redis->latency_ns = clock_now_ns() - call->start_ns;
    }
    if (reply != NULL && redis_conn_is_ready(&redis->conn)) { /* else log_outage reports it */
        redis_conn_note_refusal(&redis->conn,
                                status == 0 ? NULL : redis_reply_refusal(reply->text));
    }
}

static void beat(struct redis_conn *rc)
{
    struct redis *redis = owner_of(rc);
    const struct redis_options *options = &redis->conn.options;
    if (redis->heartbeat.redis == NULL) {
        struct redis_greeting_command command;
        redis_greeting_make(
            options, options->probe_key == NULL ? REDIS_STEP_PING : REDIS_STEP_PROBE, &command);
        const int status = redis_send(redis, &redis->heartbeat, command.args, command.count,
                                      options->stall_timeout_ms);
        (void)status; /* while the queue is full, other replies show that the server is alive */
    }
}

static void on_conn_closed(struct redis_conn *rc)
{
    struct redis *redis = owner_of(rc);
    void (*on_closed)(void *arg) = redis->on_closed;
    void *arg = redis->on_closed_arg;
    free(redis->slots);
    free(redis);
    if (on_closed != NULL) {
        on_closed(arg);
    }
}

/* --- opening, closing, watching --- */

static size_t slot_count(size_t max_pending)
{
    size_t count = 1;
    while (count < max_pending) {
        count *= 2;
    }
    return count;
}

int redis_open(struct loop *loop, const struct redis_options *options, struct redis **ret_redis)
{
    static const struct redis_conn_events events = {
        .on_ready = beat,
        .on_reply = on_reply,
        .on_lost = on_lost,
        .on_tick = beat,
        .on_closed = on_conn_closed,
    };
    struct redis *redis = calloc(1, sizeof(*redis));
    if (redis == NULL) {
        return UV_ENOMEM;
    }
    int status = redis_conn_open(&redis->conn, loop, options, "commands", &events);
    if (status < 0) {
        free(redis);
        return status;
    }
    redis_call_init(&redis->heartbeat, NULL, on_heartbeat);
    const size_t count = slot_count(redis->conn.options.max_pending);
    redis->slots = calloc(count, sizeof(struct redis_call *));
    redis->slot_mask = count - 1;
    if (redis->slots == NULL) {
        /* frees itself in a later turn: a handle of libuv is open */
        redis_close(redis, NULL, NULL);
        return UV_ENOMEM;
    }
    *ret_redis = redis;
    return 0;
}

void redis_close(struct redis *redis, void (*on_closed)(void *arg), void *arg)
{
    redis->on_closed = on_closed;
    redis->on_closed_arg = arg;
    redis_conn_close(&redis->conn);
}

struct redis_health redis_get_health(const struct redis *redis)
{
    const bool is_ready = redis_conn_is_ready(&redis->conn);
    const bool is_refusing = redis->conn.refusal != NULL;
    return (struct redis_health){
        .state = is_refusing ? REDIS_HEALTH_DEGRADED
                 : is_ready  ? REDIS_HEALTH_UP
                             : REDIS_HEALTH_DOWN,
        .reason = is_refusing ? redis->conn.refusal : "",
        .is_ready = is_ready,
        .latency_ns = redis->latency_ns,
        .error = redis->conn.error,
    };
}

struct loop *redis_loop(const struct redis *redis)
{
    return redis->conn.loop;
}

size_t redis_pending_count(const struct redis *redis)
{
    return (size_t)(redis->next - redis->oldest);
}

struct redis_values {
    size_t pending;
};

static void fill(void *arg, void *values)
{
    *(struct redis_values *)values = (struct redis_values){redis_pending_count(arg)};
}

int redis_register_metrics(struct redis *redis, struct metrics *metrics)
{
    static const struct metric_row pending = {"toq_redis_pending_commands",
                                              "Commands whose reply has not come.", METRIC_GAUGE,
                                              METRIC_FIELD(struct redis_values, pending)};
    int rc = redis_metrics_register(&redis->metrics, metrics);
    rc = rc < 0 ? rc : redis_conn_register_metrics(&redis->conn, metrics);
    return rc < 0 ? rc
                  : metrics_export(metrics, &(struct metrics_export){
                                                .rows = &pending,
                                                .row_count = 1,
                                                .fill = fill,
                                                .values_bytes = sizeof(struct redis_values),
                                                .arg = redis,
                                            });
}
