/* SPDX-License-Identifier: MIT
 *
 * held.c - checks the work loop at each tick.
 */
#include "handlers/diagnostics/held.h"

#include "core/task/recorder.h"

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "core/telemetry/log.h"

/* When more is said, after warn_ms. */
static const uint64_t later_ms[] = {10000, 60000};

static void say(const struct held *held, const char *stack)
{
    LOG(LOG_WARN, "loop", "the work loop is held: no request is served meanwhile",
        log_cstr("route", label_name(held->label)), log_u64("task", held->task),
        log_u64("held_ms", held->asked_ms), log_cstr("stack", stack));
}

static void on_stack(void *arg, const char *line)
{
    struct held *held = arg;
    held->is_asking = false;
    if (held->is_on) {
        say(held, line);
    }
}

/* tell says it now, or with the stack when that has come. */
static void tell(struct held *held)
{
    struct task_facts task;
    const bool is_known = loop_copy_running(held->options.work, &task);
    held->said++;
    recorder_trigger(RECORDER_HELD);
    if (held->is_asking) {
        return; /* the thread does not answer: the line before is still to come */
    }
    held->asked_ms = held->held_ms;
    held->label = is_known ? task.label : LABEL_NONE;
    held->task = is_known ? task.id : 0;
    held->is_asking =
        pprof_ask_stack(held->options.pprof, held->options.work_tid, on_stack, held) == 0;
    if (!held->is_asking) {
        say(held, "");
    }
}

/* due_ms is when the next line about a turn is due. */
static uint64_t due_ms(const struct held *held)
{
    const uint64_t warn_ms = held->options.warn_ms;
    if (held->said == 0) {
        return warn_ms;
    }
    if (held->said > ARRAY_COUNT(later_ms)) {
        return UINT64_MAX;
    }
    const uint64_t later = later_ms[held->said - 1];
    return later > warn_ms ? later : UINT64_MAX;
}

static void on_timer(struct wheel_timer *timer)
{
    struct held *held = CONTAINER_OF(timer, struct held, timer);
    uint64_t turn;
    const uint64_t held_ms = loop_held_ns(held->options.work, &turn) / NS_PER_MS;
    if (turn != held->turn) {
        if (held->said > 0) {
            LOG(LOG_INFO, "loop", "the work loop turns again",
                log_cstr("route", label_name(held->label)), log_u64("task", held->task),
                log_u64("held_ms", held->held_ms));
        }
        held->turn = turn;
        held->said = 0;
    }
    held->held_ms = held_ms;
    if (held_ms >= due_ms(held)) {
        tell(held);
    }
    loop_set_timer(held->options.loop, timer, WHEEL_TICK_MS);
}

void held_start(struct held *held, const struct held_options *options)
{
    *held = (struct held){.options = *options};
    wheel_timer_init(&held->timer, on_timer);
    if (options->warn_ms > 0 && options->loop != options->work) {
        held->is_on = true;
        loop_set_timer(options->loop, &held->timer, WHEEL_TICK_MS);
    }
}

void held_stop(struct held *held)
{
    held->is_on = false;
    wheel_unset(&held->timer);
}
