/* SPDX-License-Identifier: MIT
 *
 * delay.h - the time that a task waited for the loop while other tasks' callbacks ran.
 *
 * A callback that takes USAGE_LONG_NS or longer makes everything else wait; it is remembered for
 * 100 ms. A task that is resumed in the same turn has waited for it: the task was ready when the
 * poll returned. So has a request whose first bytes came while the callback ran, where the kernel
 * tells when they came (conn_ready_ns). For a task that is resumed in the next turn, after a poll
 * that did not sleep, the kernel does not tell: the part of the callback that the task waited
 * through is an upper bound, and counted apart. Shorter callbacks are not charged;
 * toq_loop_iteration_duration_seconds shows them.
 *
 * Flow:   loop_run -> delay_start; usage_long_fn -> delay_add; task_enter -> delay_suffer; each
 *         turn delay_end_turn
 * Thread: the loop's.
 */
#ifndef TOQ_CORE_TASK_DELAY_H
#define TOQ_CORE_TASK_DELAY_H

#include "core/task/task_self.h"

#define DELAY_RUNS_MAX 16 /* earlier ones are forgotten */

/* How long a task has waited for the loop behind callbacks of others. */
struct task_behind {
    uint64_t turn; /* the last one in which it was counted */
    uint64_t ns;
    uint64_t upper_ns;
    uint64_t longest_ns; /* of one callback ... */
    uint32_t label;      /* ... of this label */
};

/* A task that is resumed. */
struct delay_victim {
    uint64_t task_id;
    uint64_t since_ns; /* when it began to wait, or when its first bytes came */
    uint32_t label;
    bool is_new; /* it has not run before */
};

/* A long callback. */
struct delay_run {
    uint64_t task_id;
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t turn;
    uint32_t label;
};

/* The recent long callbacks of a loop; all zero at first. */
struct delay {
    struct delay_run runs[DELAY_RUNS_MAX];
    uint32_t next;
    uint32_t count; /* that are remembered */
    uint64_t turn;
};

/* delay_start begins to remember those of a loop, which the calling thread runs from now on. */
void delay_start(struct delay *delay);

/* delay_stop ends that: the calling thread runs no loop any more. */
void delay_stop(void);

/* delay_add remembers a long callback.
 *
 * start_ns, end_ns: clock_now_ns.
 */
void delay_add(uint64_t task_id, uint32_t label, uint64_t start_ns, uint64_t end_ns);

/* delay_suffer adds to `behind` how long a task that is about to be resumed has waited behind
 * others; the second call in a turn does nothing. */
void delay_suffer(const struct delay_victim *victim, struct task_behind *behind);

/* delay_end_turn ends a turn and begins the next. now_ns: clock_now_ns. */
void delay_end_turn(struct delay *delay, uint64_t now_ns);

#endif
