/* SPDX-License-Identifier: MIT
 *
 * delay.h - the time that a task waited for the loop while other tasks' callbacks ran.
 *
 * A callback that takes USAGE_LONG_NS or longer makes everything else wait; it is remembered for
 * 100 ms. A task that is resumed in the same turn has waited for it: it was ready when the poll
 * returned. So has a request whose first bytes came while the callback ran, where the kernel tells
 * when they came (conn_ready_ns). Of what is resumed in the next turn, when the poll before it did
 * not sleep, the kernel does not tell: all of the callback's time, as far as the task waited, is
 * counted as an upper bound, apart from the other. Shorter callbacks are not charged;
 * toq_loop_iteration_duration_seconds shows them.
 *
 * Flow:   usage_long_fn -> delay_add; task_enter -> delay_suffer; each turn delay_end_turn
 * Thread: the loop's.
 */
#ifndef TOQ_CORE_TASK_DELAY_H
#define TOQ_CORE_TASK_DELAY_H

#include "core/base/base.h"

/* Behind whom a task has waited for the loop. */
struct task_behind {
    uint64_t turn; /* of the loop, that counted last */
    uint64_t ns;
    uint64_t upper_ns;
    uint64_t longest_ns; /* of one callback ... */
    uint32_t label;      /* ... of this label */
};

/* Who is resumed. */
struct delay_victim {
    uint64_t task_id;
    uint64_t since_ns; /* when it began to wait, or when its first bytes came */
    uint32_t label;
    bool is_new; /* it has not run before */
};

/* A task of the calling thread's that began later (clock_now_ns) has waited for no long callback;
 * 0: none has, UINT64_MAX: each may have. */
extern _Thread_local uint64_t delay_until_ns;

/* delay_add tells of a callback that has taken long.
 *
 * start_ns, end_ns: clock_now_ns.
 */
void delay_add(uint64_t task_id, uint32_t label, uint64_t start_ns, uint64_t end_ns);

/* delay_suffer adds to `behind` what a task that is about to be resumed has waited behind others;
 * once a turn at most. */
void delay_suffer(const struct delay_victim *victim, struct task_behind *behind);

/* delay_end_turn begins another turn. now_ns: clock_now_ns. */
void delay_end_turn(uint64_t now_ns);

#endif
