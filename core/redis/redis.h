/* SPDX-License-Identifier: MIT
 *
 * redis.h - commands to Redis over one pipelined connection.
 *
 * Flow:    redis_open -> redis_send ... -> all commands of a turn leave in one write -> on_reply in
 *          the order they were sent -> redis_close
 * Failure: without a ready connection a command is refused at once, with UV_ENOTCONN: its caller
 *          goes on without Redis, or answers 503. When the connection is lost, all commands that
 *          wait for a reply end with UV_ECONNRESET; whether the server has executed them is
 *          unknown. The client reconnects by itself.
 * Memory:  a call is in the caller's memory; at most max_pending calls wait, and max_queue_bytes.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_REDIS_REDIS_H
#define TOQ_CORE_REDIS_REDIS_H

#include "core/loop/loop.h" /* and with it the UV_ codes */
#include "core/redis/redis_options.h"
#include "core/redis/redis_reply.h"
#include "core/task/task.h"

struct redis;
struct redis_call;
struct redis_operation;

/* A redis_reply_fn gets the end of a call, exactly once; it may send the call again or free it.
 *
 * status: 0; UV_EREMOTEIO: the server answered with an error, in reply->text ("WRONGTYPE Operation
 *         ..."); UV_ETIMEDOUT; UV_ECONNRESET; UV_ECANCELED: redis_close.
 * reply:  borrowed until it returns; NULL unless status is 0 or UV_EREMOTEIO.
 */
typedef void (*redis_reply_fn)(struct redis_call *call, int status,
                               const struct redis_reply *reply);

/* One command under way, in the caller's memory until on_reply runs or redis_cancel returns. */
struct redis_call {
    redis_reply_fn on_reply;
    struct task *task;   /* that it works for, held meanwhile; NULL: none */
    struct redis *redis; /* NULL unless it is under way */
    uint64_t sequence;   /* its place in the pipeline */
    uint64_t start_ns;
    struct redis_operation *operation; /* where it is counted */
    struct wheel_timer deadline;
};

enum redis_health_state {
    REDIS_HEALTH_DOWN,     /* away, or login fails */
    REDIS_HEALTH_DEGRADED, /* it refuses commands, or takes no writes: see the reason */
    REDIS_HEALTH_UP,
};

/* The state of the server, for /health. */
struct redis_health {
    enum redis_health_state state;
    const char *reason;  /* when degraded, a literal without secrets; else "" */
    bool is_ready;       /* redis_send is accepted */
    uint64_t latency_ns; /* of the last check, one every stall_timeout_ms / 3; 0 before the first */
    const char *error;   /* why it is not ready; borrowed until the next turn */
};

/* redis_open makes a client and starts to connect.
 *
 * options: its texts are borrowed until on_closed.
 * Returns: 0 with *ret_redis set; UV_ENOMEM. A server that is not there is no error.
 */
MUST_USE int redis_open(struct loop *loop, const struct redis_options *options,
                        struct redis **ret_redis);

/* redis_close ends the calls that are under way with UV_ECANCELED and frees the client, both later;
 * on_closed runs last. New commands are refused with UV_ENOTCONN. It does not wait for a look-up of
 * the host's name, which keeps its thread and loop_run until it ends.
 *
 * on_closed: NULL: none.
 */
void redis_close(struct redis *redis, void (*on_closed)(void *arg), void *arg);

/* redis_call_init prepares a call that is not under way.
 *
 * task: parked as "redis" while it waits, and current while on_reply runs; outlives the call; NULL
 *       for none.
 */
void redis_call_init(struct redis_call *call, struct task *task, redis_reply_fn on_reply);

/* redis_send sends one command. on_reply runs once, later; replies come in the order of the
 * commands.
 *
 * Not for commands that block or change the connection, which is shared: BLPOP, SUBSCRIBE, SELECT,
 * CLIENT REPLY ... MULTI to EXEC may be sent, in one turn.
 *
 * args:       the command's name in upper case and its arguments, `count` of them; copied.
 * timeout_ms: until on_reply gets UV_ETIMEDOUT and a later reply is dropped, to the next 100 ms; 0
 *             takes command_timeout_ms.
 * Returns:    0; UV_ENOTCONN not connected; UV_EBUSY queue full; UV_E2BIG the command is larger
 *             than the queue; UV_ENOMEM. On an error on_reply never runs.
 */
MUST_USE int redis_send(struct redis *redis, struct redis_call *call, const struct str *args,
                        size_t count, uint64_t timeout_ms);

/* redis_lend moves a call that is under way to another task: the call holds that task from now on,
 * and releases the one before.
 *
 * task: NULL for none.
 */
void redis_lend(struct redis_call *call, struct task *task);

/* redis_cancel cancels a call: on_reply never runs, and the reply is dropped when it comes.
 * Harmless when the call is not under way. */
void redis_cancel(struct redis_call *call);

/* redis_get_health is the state of the connection and of the server. */
struct redis_health redis_get_health(const struct redis *redis);

/* redis_loop is the client's loop. */
struct loop *redis_loop(const struct redis *redis);

/* redis_pending_count is the number of commands whose reply has not come, cancelled or not. */
size_t redis_pending_count(const struct redis *redis);

/* redis_register_metrics adds the client's families.
 *
 * Owns:    the client outlives `metrics`, or is closed after its last render.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int redis_register_metrics(struct redis *redis, struct metrics *metrics);

#endif
