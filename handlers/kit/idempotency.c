/* SPDX-License-Identifier: MIT
 *
 * idempotency.c - one hash in Redis for each key: body, id, until (of the lease) and answer.
 */
#include "handlers/kit/idempotency.h"

#include <stdlib.h>

#include "core/base/clock.h"

#define KEEP_MS         "86400000" /* a day, as long as clients may retry */
#define ANSWER_MAX      65536      /* a listing's JSON is well below */
#define CALL_TIMEOUT_MS 0          /* Redis' own: nothing else can answer */

/* KEYS: the record. ARGV: digest of the body, a new id, the lease in ms. The server's clock counts
 * the lease, for whoever comes next may be another process on another machine. */
static const char begin_text[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
    "local known = redis.call('HMGET', KEYS[1], 'body', 'id', 'until', 'answer')\n"
    "if not known[1] then\n"
    "  redis.call('HSET', KEYS[1], 'body', ARGV[1], 'id', ARGV[2], 'until', now + ARGV[3])\n"
    "  redis.call('PEXPIRE', KEYS[1], " KEEP_MS ")\n"
    "  return {0, ARGV[2], ''}\n"
    "end\n"
    "if known[1] ~= ARGV[1] then\n"
    "  return {3, '', ''}\n"
    "end\n"
    "if known[4] then\n"
    "  return {2, known[2], known[4]}\n"
    "end\n"
    "if tonumber(known[3]) > now then\n"
    "  return {1, known[2], ''}\n"
    "end\n"
    "redis.call('HSET', KEYS[1], 'until', now + ARGV[3])\n"
    "return {0, known[2], ''}\n";

/* KEYS: the record. ARGV: the id, the answer; without it, the lease ends. A record that is
 * another's by now, or gone, is left alone. */
static const char finish_text[] = "if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then\n"
                                  "  return 0\n"
                                  "end\n"
                                  "if ARGV[2] then\n"
                                  "  return redis.call('HSET', KEYS[1], 'answer', ARGV[2])\n"
                                  "end\n"
                                  "return redis.call('HSET', KEYS[1], 'until', 0)\n";

void idempotency_init(struct idempotency *idempotency, struct redis *redis, uint64_t lease_ms)
{
    idempotency->redis = redis;
    idempotency->lease_ms = lease_ms;
    redis_script_init(&idempotency->begin, begin_text);
    redis_script_init(&idempotency->finish, finish_text);
}

bool idempotency_key_is_valid(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] < ' ' || key.ptr[i] > '~') {
            return false;
        }
    }
    return key.len > 0 && key.len <= IDEMPOTENCY_KEY_MAX_BYTES;
}

/* --- the beginning --- */

/* name_record makes the record's key, and the body's fingerprint: digests, for a token is not to
 * lie about in Redis. */
static bool name_record(struct idempotency_call *call, const struct idempotency_scope *scope)
{
    static const char prefix[] = IDEMPOTENCY_PREFIX;
    const struct str names[] = {scope->token, scope->path, scope->key};
    memcpy(call->name, prefix, sizeof(prefix) - 1);
    return digest_texts(names, ARRAY_COUNT(names), call->name + sizeof(prefix) - 1) &&
           digest_texts(&scope->body, 1, call->body);
}

/* take reads what the script says.
 *
 * Returns: 0; UV_EPROTO when it is not what the script says.
 */
static int take(struct idempotency_call *call, const struct redis_reply *reply)
{
    if (reply->type != REDIS_ARRAY || reply->count != 3 || reply->items[0].type != REDIS_INTEGER ||
        reply->items[0].integer < IDEMPOTENCY_NEW || reply->items[0].integer > IDEMPOTENCY_OTHER ||
        reply->items[1].type != REDIS_TEXT || reply->items[2].type != REDIS_TEXT) {
        return UV_EPROTO;
    }
    call->state = (enum idempotency_state)reply->items[0].integer;
    call->answer = reply->items[2].text;
    if (call->state == IDEMPOTENCY_NEW) {
        if (reply->items[1].text.len != UUID_TEXT_LEN) {
            return UV_EPROTO;
        }
        memcpy(call->id, reply->items[1].text.ptr, UUID_TEXT_LEN);
    }
    return 0;
}

static void on_begun(struct redis_eval *eval, int status, const struct redis_reply *reply)
{
    struct idempotency_call *call = CONTAINER_OF(eval, struct idempotency_call, eval);
    if (status < 0) {
        idempotency_release(call); /* the claim may have been made, only the answer did not come */
    }
    call->on_begun(call, status == 0 ? take(call, reply) : status);
}

int idempotency_begin(struct idempotency *idempotency, struct idempotency_call *call,
                      const struct idempotency_scope *scope)
{
    if (!name_record(call, scope)) {
        return UV_ENOMEM;
    }
    call->idempotency = idempotency;
    call->args[0] = (struct str){call->name, IDEMPOTENCY_NAME_BYTES};
    call->args[1] = (struct str){call->body, DIGEST_TEXT_LEN};
    call->args[2] = (struct str){call->id, UUID_TEXT_LEN};
    call->args[3] = (struct str){call->lease, str_format_u64(call->lease, idempotency->lease_ms)};
    call->eval = (struct redis_eval){
        .script = &idempotency->begin,
        .args = call->args,
        .key_count = 1,
        .count = 4,
        .timeout_ms = CALL_TIMEOUT_MS,
        .on_reply = on_begun,
    };
    return redis_eval_send(idempotency->redis, &call->eval, call->task);
}

/* --- the end --- */

/* A record that is being written, in memory of its own: who asked for it may leave. */
struct ending {
    struct redis_eval eval;
    struct str args[3];
    char name[IDEMPOTENCY_NAME_BYTES];
    char id[UUID_TEXT_LEN];
    char answer[];
};

static void on_ended(struct redis_eval *eval, int status, const struct redis_reply *reply)
{
    (void)status; /* lost: the lease ends, and the next attempt finds the thing made */
    (void)reply;
    free(CONTAINER_OF(eval, struct ending, eval));
}

/* end_call writes the record: with an answer, or without one, which ends the lease. */
static void end_call(struct idempotency_call *call, const struct str *answer)
{
    const size_t len = answer == NULL ? 0 : answer->len;
    struct ending *ending = len > ANSWER_MAX ? NULL : malloc(sizeof(*ending) + len);
    if (ending == NULL) {
        return;
    }
    memcpy(ending->name, call->name, sizeof(ending->name));
    memcpy(ending->id, call->id, sizeof(ending->id));
    if (len > 0) {
        memcpy(ending->answer, answer->ptr, len);
    }
    ending->args[0] = (struct str){ending->name, sizeof(ending->name)};
    ending->args[1] = (struct str){ending->id, sizeof(ending->id)};
    ending->args[2] = (struct str){ending->answer, len};
    ending->eval = (struct redis_eval){
        .script = &call->idempotency->finish,
        .args = ending->args,
        .key_count = 1,
        .count = answer == NULL ? 2 : 3,
        .timeout_ms = CALL_TIMEOUT_MS,
        .on_reply = on_ended,
    };
    if (redis_eval_send(call->idempotency->redis, &ending->eval, NULL) < 0) {
        free(ending);
    }
}

void idempotency_finish(struct idempotency_call *call, struct str answer)
{
    end_call(call, &answer);
}

void idempotency_release(struct idempotency_call *call)
{
    end_call(call, NULL);
}

void idempotency_cancel(struct idempotency_call *call)
{
    redis_eval_cancel(&call->eval);
    idempotency_release(
        call); /* behind the claim in the pipeline; under an id that is ours, or no one's */
}
