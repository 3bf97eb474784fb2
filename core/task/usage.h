/* SPDX-License-Identifier: MIT
 *
 * usage.h - CPU time by task and by label on a loop's thread, and by the label of their jobs on
 * other threads.
 *
 * Time follows the label, as samples of the CPU profile do: code that runs while a label is set
 * counts for that label; without a label, for the loop itself, "[loop]": polls, reads, and the
 * parsing of a head whose route is not known yet. A write for several requests counts for the last
 * of them.
 *
 * A callback is measured by the counter of ticks.h. That does not suffice for one that takes
 * USAGE_LONG_NS or longer, since it may have slept or been preempted: then the thread's CPU clock
 * is read, and the callback gets the time since the last reading less that of the short callbacks
 * in between. At the end of a turn the clock is read if the last reading is USAGE_WINDOW_NS old;
 * all labels together are then exactly the thread's CPU time.
 *
 * Error: an interrupt or another process during a short callback counts for the callback, with less
 *        than USAGE_LONG_NS; if the labels then have more than the thread, they are scaled down. A
 *        long callback may get the time of polls since the last reading: a few microseconds as a
 *        rule, and never more than USAGE_WINDOW_NS.
 * Flow:  loop_run -> usage_start -> usage_switch round each callback -> usage_end_turn -> totals
 * Thread: the loop's.
 */
#ifndef TOQ_CORE_TASK_USAGE_H
#define TOQ_CORE_TASK_USAGE_H

#include <uv.h>

#include "core/base/clock.h"
#include "core/base/ticks.h"
#include "core/task/task_self.h"
#include "core/task/usage_totals.h"

#define USAGE_LONG_NS   (100 * NS_PER_US)
#define USAGE_WINDOW_NS NS_PER_MS
#define USAGE_ENDED_MAX 256

/* A request that has ended in this turn; its answer is written at the end of the turn. */
struct usage_ended {
    uint64_t task_id;
    uint64_t ticks;
    struct metric_histogram *seconds; /* that its CPU time is added to; NULL: none */
    uint64_t *ret_ns;                 /* where it is stored; NULL: nowhere */
};

/* A usage_long_fn gets a callback that took USAGE_LONG_NS or longer, while its task is still the
 * current one. start_ns, end_ns: clock_now_ns. */
typedef void (*usage_long_fn)(uint32_t label, uint64_t start_ns, uint64_t end_ns);

/* The account of a loop's thread. */
struct usage {
    uint64_t last_ticks; /* of the last switch */
    uint64_t long_ticks; /* USAGE_LONG_NS */
    uint64_t *cell;      /* counts the ticks of what runs now; &rest: no request's */
    uint64_t rest;
    uint32_t label; /* of what runs now */
    uint32_t ended_count;
    uint32_t ended_next;   /* the one whose answer is probably written next */
    uint64_t poll_ticks;   /* when this turn began to poll */
    uint64_t poll_idle_ns; /* uv_metrics_idle_time then */
    bool is_sleep_known;   /* the sleep of that poll is in slept_ns, or was not counted */
    uint64_t slept_ns;     /* of the ticks in `window` */
    uint64_t read_ticks;   /* when the thread's clock was read last ... */
    uint64_t read_ns;      /* ... clock_now_ns then ... */
    uint64_t cpu_ns;       /* ... and its value */
    double ns_per_tick;    /* measured, ever more precisely */
    uint64_t first_ticks;  /* when measuring began ... */
    uint64_t first_ns;     /* ... and clock_now_ns then */
    uv_loop_t *uv;
    usage_long_fn on_long; /* NULL: none */
    struct usage_totals *totals;
    uint64_t window[LABEL_MAX]; /* ticks since the last reading */
    struct usage_ended ended[USAGE_ENDED_MAX];
};

/* usage_create makes the account of a loop; free() frees it.
 *
 * on_long: NULL: none.
 * Returns: the account; NULL when memory is missing.
 */
MUST_USE struct usage *usage_create(uv_loop_t *uv, usage_long_fn on_long);

/* usage_start makes it the account of the calling thread, which runs the loop from now on. CPU time
 * that the thread used before, outside of an account, is "[loop]". Without memory for its totals
 * the thread goes on without an account. No other thread that runs a loop has the thread's name. */
void usage_start(struct usage *account);

/* usage_stop counts up to now; the thread has no account any more. */
void usage_stop(void);

/* usage_ns_since is the time since ticks_now was `ticks`, as far as the counter's rate is known. */
double usage_ns_since(const struct usage *account, uint64_t ticks);

/* usage_has_slept tells whether the poll of this turn of the calling thread has slept: then the
 * events that it found came during the sleep. */
bool usage_has_slept(void);

/* usage_count_delay counts the time that one task has waited for the loop behind another.
 *
 * culprit, victim: their labels.
 * is_upper:        ns is an upper bound.
 */
void usage_count_delay(uint32_t culprit, uint32_t victim, bool is_upper, uint64_t ns);

/* usage_switch_long is usage_switch after so many `ticks` that the thread's clock must be read.
 * Cold, as are the others here: callers save no registers for it. */
__attribute__((cold)) void usage_switch_long(struct usage *account, uint64_t ticks, uint32_t label,
                                             uint64_t *cell);

/* usage_count counts the ticks since the last switch, and switches; cell: not NULL. */
static inline void usage_count(struct usage *account, uint32_t label, uint64_t *cell)
{
    const uint64_t now_ticks = ticks_now();
    const uint64_t ticks = now_ticks - account->last_ticks;
    account->last_ticks = now_ticks;
    if (UNLIKELY(ticks >= account->long_ticks)) {
        usage_switch_long(account, ticks, label, cell);
        return;
    }
    account->window[account->label] += ticks;
    *account->cell += ticks;
    account->label = label;
    account->cell = cell;
}

/* usage_switch counts the ticks since the last switch, and sets the label and cell that count from
 * now on. Harmless when they are set already.
 *
 * cell:    counts the ticks until the next switch; NULL: no request's.
 * Returns: ticks_now; 0 when nothing was switched, and on a thread without an account.
 */
static inline uint64_t usage_switch(uint32_t label, uint64_t *cell)
{
    struct usage *account = task_self.usage;
    if (UNLIKELY(account == NULL)) {
        return 0;
    }
    uint64_t *next = cell == NULL ? &account->rest : cell;
    if (label == account->label && next == account->cell) {
        return 0;
    }
    usage_count(account, label, next);
    return account->last_ticks;
}

/* usage_read_cell is the count of a cell of the calling thread so far, in nanoseconds; 0 on a
 * thread without an account. */
uint64_t usage_read_cell(const uint64_t *cell);

/* usage_switch_out_of_order is usage_switch_to_ended for another answer than the expected one. */
void usage_switch_out_of_order(struct usage *account, uint32_t label, uint64_t task_id);

/* usage_end_when_full is usage_end when this turn has USAGE_ENDED_MAX already: those are added up
 * first. */
struct usage_ended *usage_end_when_full(struct usage *account, uint64_t task_id,
                                        const uint64_t *cell);

/* usage_end ends a request: at the end of the turn, its CPU time is added up, with the write of its
 * answer in this turn. Writes in later turns count for its label alone.
 *
 * cell:    the one that counted for it; it counts no more.
 * Returns: its entry; the caller may set `seconds` and `ret_ns`, which are NULL, in this callback;
 *          NULL on a thread without an account.
 */
static inline struct usage_ended *usage_end(uint64_t task_id, const uint64_t *cell)
{
    struct usage *account = task_self.usage;
    if (UNLIKELY(account == NULL)) {
        return NULL;
    }
    if (UNLIKELY(account->ended_count == USAGE_ENDED_MAX)) {
        return usage_end_when_full(account, task_id, cell);
    }
    struct usage_ended *ended = &account->ended[account->ended_count++];
    *ended = (struct usage_ended){.task_id = task_id, .ticks = *cell};
    if (account->cell == cell) {
        account->cell = &ended->ticks;
    }
    return ended;
}

/* usage_add_ns adds to a cell of the calling thread. */
void usage_add_ns(uint64_t *cell, uint64_t ns);

/* usage_switch_to_ended is usage_switch for the write of an answer, whose request may have ended in
 * this turn. */
static inline void usage_switch_to_ended(uint32_t label, uint64_t task_id)
{
    struct usage *account = task_self.usage;
    if (UNLIKELY(account == NULL)) {
        return;
    }
    struct usage_ended *next = &account->ended[account->ended_next];
    if (account->ended_next >= account->ended_count) {
        usage_switch(label, NULL);
        return;
    }
    if (UNLIKELY(next->task_id != task_id)) {
        usage_switch_out_of_order(account, label, task_id);
        return;
    }
    account->ended_next++;
    usage_switch(label, &next->ticks);
}

/* usage_end_turn is called when the loop is about to poll.
 *
 * idle_ns: uv_metrics_idle_time.
 */
void usage_end_turn(struct usage *account, uint64_t idle_ns);

#endif
