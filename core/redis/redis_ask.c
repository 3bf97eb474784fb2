/* SPDX-License-Identifier: MIT
 *
 * redis_ask.c - calls in memory of their own, which is freed when they end.
 *
 * The request is held by the call, or by a deferred refusal.
 */
#include "core/redis/redis_ask.h"

#include <stdlib.h>

#include "core/telemetry/log_limit.h"

struct ask {
    struct redis_call call;
    struct task *task; /* NULL: nobody's */
    struct task_wait wait;
    struct loop_deferred refusal;
    int status; /* of the refusal */
    redis_asked_fn on_done;
    void *arg;
};

static const struct task_waker refusal_waker = {.kind = "refusal"};

/* tell hands the reply over; the request is held meanwhile. */
static void tell(struct ask *ask, int status, const struct redis_reply *reply)
{
    task_remove_wait(&ask->wait);
    ask->on_done(ask->arg, status, reply);
    free(ask);
}

static void on_asked(struct redis_call *call, int status, const struct redis_reply *reply)
{
    tell(CONTAINER_OF(call, struct ask, call), status, reply);
}

static void on_refused(struct loop_deferred *deferred)
{
    struct ask *ask = CONTAINER_OF(deferred, struct ask, refusal);
    struct task *task = ask->task;
    struct task *previous = task_enter(task);
    task_awaited(task, refusal_waker);
    tell(ask, ask->status, NULL);
    task_leave(previous);
    task_release(task); /* redis_ask's hold */
}

static void give_up(struct task_wait *wait)
{
    struct ask *ask = CONTAINER_OF(wait, struct ask, wait);
    redis_cancel(&ask->call);
    tell(ask, UV_ECANCELED, NULL);
}

static int send_for(struct redis *redis, struct task_ref ref, struct ask *ask,
                    const struct redis_command *command)
{
    const struct task *task = ask->task;
    if (task == NULL ? ref.id != 0 : task->is_cancelled) {
        return UV_ECANCELED; /* it has ended, or was cancelled */
    }
    return redis_send(redis, &ask->call, command->args, command->count, command->timeout_ms);
}

void redis_ask(struct redis *redis, struct task_ref ref, const struct redis_command *command,
               redis_asked_fn on_done, void *arg)
{
    struct task *task = task_from_ref(ref);
    struct ask *ask = malloc(sizeof(*ask));
    if (ask == NULL && task == NULL) {
        on_done(arg, UV_ENOMEM, NULL);
        return;
    }
    if (ask == NULL) {
        task_cancel(task, UV_ENOMEM);
        task_release(task);
        return;
    }
    *ask = (struct ask){.task = task, .on_done = on_done, .arg = arg};
    redis_call_init(&ask->call, task, on_asked);
    ask->status = send_for(redis, ref, ask, command);
    if (ask->status < 0) {
        ask->refusal.run = on_refused;
        list_init(&ask->refusal.link);
        task_await(task, refusal_waker);
        loop_defer(redis_loop(redis), &ask->refusal);
        return;
    }
    if (task != NULL) {
        task_add_wait(task, &ask->wait, give_up);
        task_release(task); /* the call holds it */
    }
}

static void on_told(void *arg, int status, const struct redis_reply *reply)
{
    (void)arg;
    if (status == UV_EREMOTEIO) {
        LOG_LIMITED(LOG_WARN, "redis", "command failed", log_str("error", reply->text));
    }
}

void redis_tell(struct redis *redis, const struct redis_command *command)
{
    redis_ask(redis, (struct task_ref){0}, command, on_told, NULL);
}
