/* SPDX-License-Identifier: MIT
 *
 * redis_ask.h - commands on behalf of a request, without memory of the caller's.
 *
 *     redis_ask(redis, http_ref(req), &REDIS_COMMAND(STR("GET"), key), on_got, req);
 *
 * Flow:    redis_ask -> redis_send -> on_done; redis_tell -> redis_send
 * Failure: on_done gets a status, also when the command was refused. When the request is cancelled,
 *          its commands are cancelled, and each on_done gets UV_ECANCELED. When memory is missing
 *          for the ask itself, the request is cancelled, with 503, and on_done does not run.
 * Memory:  an ask holds its request, so `arg` may be the request, or lie in its arena. Arguments
 *          are copied.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_REDIS_REDIS_ASK_H
#define TOQ_CORE_REDIS_REDIS_ASK_H

#include "core/redis/redis.h"

struct redis_command {
    const struct str *args; /* the command's name in upper case, and its arguments */
    size_t count;
    uint64_t timeout_ms; /* as redis_send's */
};

/* REDIS_COMMAND is a command of these arguments, with the client's own timeout. */
#define REDIS_COMMAND(...)                                                                         \
    ((struct redis_command){.args = (struct str[]){__VA_ARGS__},                                   \
                            .count = ARRAY_COUNT(((struct str[]){__VA_ARGS__}))})

/* A redis_asked_fn gets the end of a command, once.
 *
 * status: as a redis_reply_fn's; or an error of redis_send; UV_ECANCELED: the request was cancelled
 *         or has ended.
 * reply:  as there. */
typedef void (*redis_asked_fn)(void *arg, int status, const struct redis_reply *reply);

/* redis_ask sends a command for a request. on_done runs exactly once, later; but not at all when
 * memory is missing for the ask itself, and the request is cancelled instead.
 *
 * ref: http_ref's or grpc_ref's; all zero: for no request. Then on_done gets UV_ENOMEM at once when
 *      memory is missing.
 */
void redis_ask(struct redis *redis, struct task_ref ref, const struct redis_command *command,
               redis_asked_fn on_done, void *arg);

/* redis_tell sends a command without a request and without on_done. An error reply is logged; other
 * failures are counted, as for each command. */
void redis_tell(struct redis *redis, const struct redis_command *command);

#endif
