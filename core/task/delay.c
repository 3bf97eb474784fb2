/* SPDX-License-Identifier: MIT
 *
 * delay.c - remembers recent long callbacks, and charges them with the time that tasks waited
 * behind them.
 */
#include "core/task/delay.h"

#include "core/base/clock.h"
#include "core/task/arrival.h"
#include "core/task/usage.h"

#define REMEMBER_NS (100 * NS_PER_MS) /* bytes that came during one are read by then */

void delay_start(struct delay *delay)
{
    delay->count = 0;
    delay->turn++;
    task_self.delay = delay;
    task_self.delay_until_ns = 0;
}

void delay_stop(void)
{
    task_self.delay = NULL;
    task_self.delay_until_ns = 0;
}

/* nth_last is the long callback that is remembered at `position`, with the last one at 0. */
static const struct delay_run *nth_last(const struct delay *delay, uint32_t position)
{
    return &delay->runs[(delay->next + DELAY_RUNS_MAX - 1 - position) % DELAY_RUNS_MAX];
}

void delay_add(uint64_t task_id, uint32_t label, uint64_t start_ns, uint64_t end_ns)
{
    struct delay *delay = task_self.delay;
    delay->runs[delay->next] = (struct delay_run){task_id, start_ns, end_ns, delay->turn, label};
    delay->next = (delay->next + 1) % DELAY_RUNS_MAX;
    delay->count += delay->count < DELAY_RUNS_MAX;
    task_self.delay_until_ns = UINT64_MAX; /* in this turn and the next */
}

static uint64_t overlap(const struct delay_run *run, uint64_t since_ns)
{
    const uint64_t from_ns = run->start_ns > since_ns ? run->start_ns : since_ns;
    return run->end_ns > from_ns ? run->end_ns - from_ns : 0;
}

static void count(const struct delay_run *run, const struct delay_victim *victim, uint64_t ns,
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
static bool is_over(const struct delay_run *run, const struct delay_victim *victim, bool is_known)
{
    return is_known ? run->end_ns <= victim->since_ns : run->turn + 1 < task_self.delay->turn;
}

void delay_suffer(const struct delay_victim *victim, struct task_behind *behind)
{
    const struct delay *delay = task_self.delay;
    if (behind->turn == delay->turn) {
        return;
    }
    behind->turn = delay->turn;
    /* the kernel tells when a new request came, if that was before this turn */
    const bool is_known = victim->is_new && victim->since_ns < arrival_poll_began_ns();
    for (uint32_t i = 0; i < delay->count; i++) {
        const struct delay_run *run = nth_last(delay, i);
        if (is_over(run, victim, is_known)) {
            break; /* as are those before it */
        }
        if (run->task_id == victim->task_id) {
            continue;
        }
        const bool is_exact = run->turn == delay->turn || is_known;
        const uint64_t ns = overlap(run, victim->is_new && !is_exact ? 0 : victim->since_ns);
        if (is_exact || !usage_has_slept()) {
            count(run, victim, ns, !is_exact, behind);
        }
    }
}

void delay_end_turn(struct delay *delay, uint64_t now_ns)
{
    delay->turn++;
    if (delay->count == 0) {
        return;
    }
    const struct delay_run *last = nth_last(delay, 0);
    if (last->turn + 1 < delay->turn) {
        task_self.delay_until_ns = last->end_ns;
        if (now_ns - last->end_ns > REMEMBER_NS) {
            delay->count = 0;
            task_self.delay_until_ns = 0;
        }
    }
}
