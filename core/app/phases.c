/* SPDX-License-Identifier: MIT
 *
 * phases.c - runs the phases of a drain; both loops use it.
 */
#include "core/app/phases.h"

#define REPORT_MS 5000

static void on_report(struct wheel_timer *timer)
{
    struct phases *phases = CONTAINER_OF(timer, struct phases, report);
    phases->rules->report(phases, LOG_INFO, "still shutting down, waiting");
    loop_set_timer(phases->loop, timer, REPORT_MS);
}

void phases_init(struct phases *phases, const struct phases_rules *rules, struct loop *loop)
{
    *phases = (struct phases){.rules = rules, .loop = loop};
    wheel_timer_init(&phases->report, on_report);
}

void phases_begin(struct phases *phases)
{
    phases->start_ms = loop_now_ms(phases->loop);
    loop_set_timer(phases->loop, &phases->report, REPORT_MS);
    phases_enter(phases, 1);
}

void phases_enter(struct phases *phases, int phase)
{
    phases->phase = phase;
    phases->rules->enter(phases, phase);
}

void phases_advance(void *arg)
{
    struct phases *phases = arg;
    while (phases->rules->is_over(phases, phases->phase)) {
        phases_enter(phases, phases->phase + 1);
    }
}

void phases_stop(struct phases *phases)
{
    wheel_unset(&phases->report);
}

void phases_fill(const struct phases *phases, struct log_field *ret_fields)
{
    ret_fields[0] = log_cstr("phase", phases->rules->names[phases->phase]);
    ret_fields[1] = log_u64("elapsed_ms", loop_now_ms(phases->loop) - phases->start_ms);
}
