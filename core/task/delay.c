/* SPDX-License-Identifier: MIT
 *
 * delay.c - remembers recent long callbacks, and charges them with the time that tasks waited
 * behind them.
 */
#include "core/task/delay.h"

#include "core/base/clock.h"
#include "core/task/arrival.h"
#include "core/task/usage.h"

#define RUNS_MAX    16                /* earlier ones are forgotten */
#define REMEMBER_NS (100 * NS_PER_MS) /* bytes that came during one are read by then */

struct long_run {
    uint64_t task_id;
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t turn;
    uint32_t label;
};

_Thread_local uint64_t delay_until_ns;

static _Thread_local struct {
    struct long_run runs[RUNS_MAX];
    uint32_t next;
    uint32_t count; /* that are remembered */
    uint64_t turn;
} own = {.turn = 1};

void delay_add(uint64_t task_id, uint32_t label, uint64_t start_ns, uint64_t end_ns)
{
    own.runs[own.next] = (struct long_run){task_id, start_ns, end_ns, own.turn, label};
    own.next = (own.next + 1) % RUNS_MAX;
    own.count += own.count < RUNS_MAX;
    delay_until_ns = UINT64_MAX; /* in this turn and the next */
}

static uint64_t overlap(const struct long_run *run, uint64_t since_ns)
{
    const uint64_t from_ns = run->start_ns > since_ns ? run->start_ns : since_ns;
    return run->end_ns > from_ns ? run->end_ns - from_ns : 0;
}

static void count(const struct long_run *run, const struct delay_victim *victim, uint64_t ns,
                  bool is_upper, struct task_behind *behind)
{
    if (ns == 0) {
        return;
    }
    *(is_upper ? &behind->upper_ns : &behind->ns) += ns;
    usage_count_delay(run->label, victim->label, is_upper, ns);
    if (ns > behind->longest_ns) {
        behind->longest_ns = ns;
        behind->label = run->label;
    }
}

/* is_over: the run ended before the victim came, or before the turns that count. */
static bool is_over(const struct long_run *run, const struct delay_victim *victim, bool is_known)
{
    return is_known ? run->end_ns <= victim->since_ns : run->turn + 1 < own.turn;
}

void delay_suffer(const struct delay_victim *victim, struct task_behind *behind)
{
    if (behind->turn == own.turn) {
        return;
    }
    behind->turn = own.turn;
    /* the kernel tells when a new request came, if that was before this turn */
    const bool is_known = victim->is_new && victim->since_ns < arrival_poll_began_ns();
    for (uint32_t i = 0; i < own.count; i++) {
        const struct long_run *run = &own.runs[(own.next + RUNS_MAX - 1 - i) % RUNS_MAX];
        if (is_over(run, victim, is_known)) {
            break; /* as are those before it */
        }
        if (run->task_id == victim->task_id) {
            continue;
        }
        const bool is_exact = run->turn == own.turn || is_known;
        const uint64_t ns = overlap(run, victim->is_new && !is_exact ? 0 : victim->since_ns);
        if (is_exact || !usage_has_slept()) {
            count(run, victim, ns, !is_exact, behind);
        }
    }
}

void delay_end_turn(uint64_t now_ns)
{
    own.turn++;
    if (own.count == 0) {
        return;
    }
    const struct long_run *last = &own.runs[(own.next + RUNS_MAX - 1) % RUNS_MAX];
    if (last->turn + 1 < own.turn) {
        delay_until_ns = last->end_ns;
        if (now_ns - last->end_ns > REMEMBER_NS) {
            own.count = 0;
            delay_until_ns = 0;
        }
    }
}
