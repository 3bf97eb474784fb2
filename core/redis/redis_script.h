/* SPDX-License-Identifier: MIT
 *
 * redis_script.h - Lua scripts in Redis, called by their hash once the server has loaded them.
 *
 * Flow:    first use: SCRIPT LOAD and EVAL in one write -> afterwards EVALSHA -> NOSCRIPT (the
 *          server was restarted or flushed): EVAL, which loads the script again
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_REDIS_REDIS_SCRIPT_H
#define TOQ_CORE_REDIS_REDIS_SCRIPT_H

#include "core/redis/redis.h"

#define REDIS_SHA_BYTES     40
#define REDIS_EVAL_ARGS_MAX 32 /* keys and arguments together */

struct redis_script {
    const char *text;          /* a literal */
    char sha[REDIS_SHA_BYTES]; /* as the server spells it */
    bool has_sha;
    struct redis_call load;
};

/* One run of a script, in the caller's memory until on_reply runs or redis_eval_cancel returns. */
struct redis_eval {
    struct redis_script *script;
    const struct str *args; /* keys, then arguments: borrowed until then, with their bytes */
    size_t key_count;
    size_t count;
    uint64_t timeout_ms; /* as redis_send's, for both attempts together */
    void (*on_reply)(struct redis_eval *eval, int status,
                     const struct redis_reply *reply); /* as redis_reply_fn */
    struct redis *redis;
    struct redis_call call;
    uint64_t start_ns;
};

/* redis_script_init prepares a script, once; it outlives its clients.
 *
 * text: borrowed.
 */
void redis_script_init(struct redis_script *script, const char *text);

/* redis_eval_send runs a script.
 *
 * eval:    everything up to on_reply is set, the rest not; at most REDIS_EVAL_ARGS_MAX args.
 * task:    as redis_call_init's.
 * Returns: as redis_send. on_reply may also get an error of redis_send, when the second attempt was
 *          refused.
 */
MUST_USE int redis_eval_send(struct redis *redis, struct redis_eval *eval, struct task *task);

/* redis_eval_cancel cancels a run: on_reply never runs. Harmless when it has run. */
void redis_eval_cancel(struct redis_eval *eval);

#endif
