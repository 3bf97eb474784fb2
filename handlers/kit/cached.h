/* SPDX-License-Identifier: MIT
 *
 * cached.h - one value of MySQL, a number or a text, that Redis keeps for a while.
 *
 *     cached_ask(&state->cached, http_ref(req),
 *                &(struct cached_value){
 *                    .name = page,
 *                    .statement = SQL_READ("visits.read", TEXT_READ, sql_text(page))},
 *                on_read, req);
 *
 * Flow:    cached_ask -> GET -> on_done; or else -> the statement -> a script that puts it there ->
 *          on_done. A write: its transaction -> cached_forget_then -> then -> the answer
 * Age:     a value is no older than ttl_ms, by the clocks of this machine and of Redis, which are
 *          to agree. Once Redis has carried cached_forget out, it gives nothing that is older: what
 *          a read finds that began before is not put there.
 * Failure: when Redis is away or does not answer within timeout_ms, MySQL is asked. A cached_forget
 *          that it did not get, or has lost with its data, leaves the older value for the rest of
 *          ttl_ms.
 * Memory:  an ask lies in its request's arena.
 * Thread:  the work loop.
 */
#ifndef TOQ_HANDLERS_KIT_CACHED_H
#define TOQ_HANDLERS_KIT_CACHED_H

#include "core/redis/redis_ask.h"
#include "core/sql/sql_ask.h"

/* What a module caches, in its state. */
struct cached {
    struct sql *sql;
    struct redis *redis;
    const char *prefix;  /* of its keys in Redis, a literal: the module's own */
    uint64_t ttl_ms;     /* 0: nothing is kept */
    uint64_t timeout_ms; /* that Redis may take to answer; 0: the client's own */
};

struct cached_value {
    struct str name; /* the rest of its key, copied; beyond NAME_REST_MAX bytes nothing is kept */
    /* the first column of its first row is the value; its parameters are copied, as by sql_ask */
    struct sql_statement statement;
    struct str
        absent; /* the value where it has no row, a literal; ptr NULL: none, which is not kept */
};

/* A cached_fn gets a value, once.
 *
 * status: 0; UV_ENOENT: there is none; else as sql_query_fn lists.
 * value:  a number in decimal, or the text; borrowed until it returns. */
typedef void (*cached_fn)(void *arg, int status, struct str value);

/* cached_ask reads a value for a request. on_done runs exactly once, later; as sql_ask's, not when
 * memory is missing for it.
 *
 * ref: http_ref's or grpc_ref's; of one that has ended, on_done gets UV_ECANCELED at once.
 */
void cached_ask(const struct cached *cached, struct task_ref ref, const struct cached_value *value,
                cached_fn on_done, void *arg);

/* cached_forget says that a value may have changed, when nobody waits to hear that it is forgotten:
 * after a write that failed, of which nobody knows (UV_ECONNRESET, UV_ETIMEDOUT, UV_ECANCELED). */
void cached_forget(const struct cached *cached, struct str name);

/* A cached_forgotten_fn goes on after a write, once. */
typedef void (*cached_forgotten_fn)(void *arg);

/* cached_forget_then says that a value has changed, and runs `then` once Redis has carried
 * that out, or cannot: a write that is answered in there is seen by all who read after it, also at
 * other processes. `then` runs exactly once, perhaps inside; not when memory is missing for it, and
 * the request is cancelled instead.
 *
 * A write whose client may leave is a transaction (sql_tx_steps), also with one statement: of a
 * sql_ask that was cancelled nobody knows when it is done, so it could come after this.
 *
 * ref: http_ref's or grpc_ref's.
 */
void cached_forget_then(const struct cached *cached, struct task_ref ref, struct str name,
                        cached_forgotten_fn then, void *arg);

#endif
