/* SPDX-License-Identifier: MIT
 *
 * idempotency.h - a request with an Idempotency-Key takes effect once, however often it is sent.
 *
 * Redis holds for each key what was asked, the identifier that the thing to be made was given, and,
 * once it is made, the answer. So after a crash, a timeout or a lost connection the next attempt
 * makes the same thing, or finds it made; never a second one.
 *
 * Flow:    idempotency_begin -> NEW: make it under the identifier -> idempotency_finish with the
 *          answer, or idempotency_release when it was not made
 *          -> DONE: the answer of then; RUNNING: another request with this key is at it; OTHER: the
 *          key was used for something else
 * Failure: without Redis nobody can tell whether a key is new: begin fails, and the caller answers
 *          503. A Redis that drops keys for want of memory forgets them early.
 * Memory:  a call is its caller's until on_begun runs or idempotency_cancel returns.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_KIT_IDEMPOTENCY_H
#define TOQ_HANDLERS_KIT_IDEMPOTENCY_H

#include "core/redis/redis_script.h"
#include "handlers/kit/digest.h"
#include "handlers/kit/uuid.h"

#define IDEMPOTENCY_KEY_MAX_BYTES 255
#define IDEMPOTENCY_PREFIX        "toq:once:"
#define IDEMPOTENCY_NAME_BYTES    (sizeof(IDEMPOTENCY_PREFIX) - 1 + DIGEST_TEXT_LEN)

struct idempotency {
    struct redis *redis;
    struct redis_script begin;
    struct redis_script finish;
    uint64_t lease_ms; /* after which whoever began is taken for dead */
};

enum idempotency_state {
    IDEMPOTENCY_NEW,     /* go on, with the identifier in `id` */
    IDEMPOTENCY_RUNNING, /* 409 */
    IDEMPOTENCY_DONE,    /* the answer of then is in `answer` */
    IDEMPOTENCY_OTHER,   /* 422 */
};

struct idempotency_call {
    /* the caller's: set before idempotency_begin, everything else zero */
    struct task *task;
    /* status: 0; else as redis_reply_fn. */
    void (*on_begun)(struct idempotency_call *call, int status);
    void *arg;

    /* out */
    enum idempotency_state state;
    char id[UUID_TEXT_LEN]; /* in: a new one; out: that of the first attempt */
    struct str answer;      /* borrowed until on_begun returns */

    /* private */
    struct idempotency *idempotency;
    char name[IDEMPOTENCY_NAME_BYTES]; /* of the record in Redis */
    char body[DIGEST_TEXT_LEN];
    char lease[20];
    struct str args[5];
    struct redis_eval eval;
};

/* What makes two requests the same. */
struct idempotency_scope {
    struct str token;
    struct str path;
    struct str key;
    struct str body;
};

/* idempotency_init prepares it.
 *
 * lease_ms: longer than any request lives.
 */
void idempotency_init(struct idempotency *idempotency, struct redis *redis, uint64_t lease_ms);

/* idempotency_key_is_valid tells whether a key has 1 to IDEMPOTENCY_KEY_MAX_BYTES printable ASCII
 * characters. */
bool idempotency_key_is_valid(struct str key);

/* idempotency_begin asks whether this is the first such request, and claims it if so.
 *
 * scope:   read before it returns.
 * Returns: 0: on_begun runs once, later; else as redis_send, and on_begun never runs.
 */
MUST_USE int idempotency_begin(struct idempotency *idempotency, struct idempotency_call *call,
                               const struct idempotency_scope *scope);

/* idempotency_cancel gives up waiting for on_begun. What was claimed stays so until the lease is
 * over, as idempotency_release has it. Harmless when on_begun has run. */
void idempotency_cancel(struct idempotency_call *call);

/* idempotency_finish stores the answer of a request that was NEW; nobody waits for it. */
void idempotency_finish(struct idempotency_call *call, struct str answer);

/* idempotency_release lets the next request with the key go on at once, under the same identifier,
 * because this one was given up. */
void idempotency_release(struct idempotency_call *call);

#endif
