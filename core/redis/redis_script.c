/* SPDX-License-Identifier: MIT
 *
 * redis_script.c - sends EVALSHA, or EVAL where the client or the server does not know the hash.
 */
#include "core/redis/redis_script.h"

#include "core/base/clock.h"

static void on_loaded(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct redis_script *script = CONTAINER_OF(call, struct redis_script, load);
    if (status == 0 && reply->type == REDIS_TEXT && reply->text.len == REDIS_SHA_BYTES) {
        memcpy(script->sha, reply->text.ptr, REDIS_SHA_BYTES);
        script->has_sha = true;
    }
}

void redis_script_init(struct redis_script *script, const char *text)
{
    *script = (struct redis_script){.text = text};
    redis_call_init(&script->load, NULL, on_loaded);
}

/* learn_sha asks for the hash; until the answer comes, and if it fails, EVAL is used. */
static void learn_sha(struct redis *redis, struct redis_script *script)
{
    if (!script->has_sha && script->load.redis == NULL) {
        const struct str args[] = {STR("SCRIPT"), STR("LOAD"), str_from(script->text)};
        const int status = redis_send(redis, &script->load, args, ARRAY_COUNT(args), 0);
        (void)status; /* the next use asks again */
    }
}

static int send_as(struct redis_eval *eval, struct str command, struct str script,
                   uint64_t timeout_ms)
{
    struct str args[3 + REDIS_EVAL_ARGS_MAX];
    char number[20];
    args[0] = command;
    args[1] = script;
    args[2] = (struct str){number, str_format_u64(number, eval->key_count)};
    for (size_t i = 0; i < eval->count; i++) {
        args[3 + i] = eval->args[i];
    }
    return redis_send(eval->redis, &eval->call, args, 3 + eval->count, timeout_ms);
}

static int send_text(struct redis_eval *eval, uint64_t timeout_ms)
{
    return send_as(eval, STR("EVAL"), str_from(eval->script->text), timeout_ms);
}

/* left_ms is what remains of the run's time; 0 would mean the default. */
static uint64_t left_ms(const struct redis_eval *eval)
{
    const uint64_t elapsed_ms = (clock_now_ns() - eval->start_ns) / NS_PER_MS;
    if (eval->timeout_ms == 0) {
        return 0;
    }
    return elapsed_ms < eval->timeout_ms ? eval->timeout_ms - elapsed_ms : 1;
}

static void on_reply(struct redis_call *call, int status, const struct redis_reply *reply)
{
    struct redis_eval *eval = CONTAINER_OF(call, struct redis_eval, call);
    if (status == UV_EREMOTEIO && redis_reply_has_code(reply, STR("NOSCRIPT"))) {
        /* the call has ended, so it can be sent again */
        status = send_text(eval, left_ms(eval));
        if (status == 0) {
            return;
        }
        reply = NULL;
    }
    eval->on_reply(eval, status, reply);
}

int redis_eval_send(struct redis *redis, struct redis_eval *eval, struct task *task)
{
    REQUIRE(eval->key_count <= eval->count && eval->count <= REDIS_EVAL_ARGS_MAX);
    eval->redis = redis;
    eval->start_ns = clock_now_ns();
    redis_call_init(&eval->call, task, on_reply);
    learn_sha(redis, eval->script);
    if (!eval->script->has_sha) {
        return send_text(eval, eval->timeout_ms);
    }
    return send_as(eval, STR("EVALSHA"), (struct str){eval->script->sha, REDIS_SHA_BYTES},
                   eval->timeout_ms);
}

void redis_eval_cancel(struct redis_eval *eval)
{
    redis_cancel(&eval->call);
}
