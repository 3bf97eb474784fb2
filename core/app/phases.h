/* SPDX-License-Identifier: MIT
 *
 * phases.h - a drain in phases: each is entered once, in order, and is left when nothing is left to
 * wait for. Every 5 s a line in the log says what that is.
 *
 * Thread: the loop that runs it.
 */
#ifndef TOQ_CORE_APP_PHASES_H
#define TOQ_CORE_APP_PHASES_H

#include "core/loop/conn.h"
#include "core/telemetry/log.h"

struct phases;

/* What the phases of a drain are; a literal. */
struct phases_rules {
    const char *const *names; /* of each phase, for the log */
    void (*enter)(struct phases *phases, int phase);
    bool (*is_over)(const struct phases *phases, int phase);
    void (*report)(const struct phases *phases, enum log_level level, const char *message);
};

struct phases {
    const struct phases_rules *rules;
    struct loop *loop;
    int phase; /* 0 until it begins */
    uint64_t start_ms;
    struct wheel_timer report;
};

/* phases_init prepares phases that have not begun. */
void phases_init(struct phases *phases, const struct phases_rules *rules, struct loop *loop);

/* phases_begin enters the first phase, 1, and begins to report. */
void phases_begin(struct phases *phases);

/* phases_enter enters a phase whether or not the one before it is over. */
void phases_enter(struct phases *phases, int phase);

/* phases_advance enters the phases that follow, as long as the current one is over.
 *
 * arg: the struct phases, so that it can be the callback of what a phase waits for.
 */
void phases_advance(void *arg);

/* phases_stop ends the reports. */
void phases_stop(struct phases *phases);

/* phases_fill writes the two fields that a report begins with: name of the phase, elapsed_ms. */
void phases_fill(const struct phases *phases, struct log_field *ret_fields);

#endif
