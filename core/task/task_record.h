/* SPDX-License-Identifier: MIT
 *
 * task_record.h - what the flight recorder hears of tasks.
 *
 * A task that answers in its first callback takes two events, RECORDER_BEGIN and RECORDER_FINISH.
 * Reading the counter takes longer than all the rest of an event: they share the reading with the
 * CPU time that is counted at the same moment.
 *
 * Thread: the loop's; does nothing on a thread that does not record.
 */
#ifndef TOQ_CORE_TASK_TASK_RECORD_H
#define TOQ_CORE_TASK_TASK_RECORD_H

#include "core/task/recorder.h"

/* What the recorder has of a task. */
struct task_record {
    bool is_started;
    bool is_ended;
};

/* task_record_start records that a task is in flight which waits for its first callback; that one
 * records it otherwise. */
static inline void task_record_start(struct task_record *record, uint64_t id)
{
    if (!record->is_started) {
        record->is_started = true;
        recorder_add(RECORDER_START, id, 0);
    }
}

/* task_record_enter records that a callback of a task begins; of no task: id 0, and a record of its
 * own. ticks: usage_switch's. */
static inline void task_record_enter(struct task_record *record, uint64_t id, uint32_t label,
                                     uint64_t ticks)
{
    if (task_self.recorder == NULL) {
        return;
    }
    const bool is_first = id != 0 && !record->is_started;
    const enum recorder_kind kind = is_first           ? RECORDER_BEGIN
                                    : record->is_ended ? RECORDER_LATE
                                                       : RECORDER_ENTER;
    record->is_started = true;
    recorder_add_at(ticks != 0 ? ticks : ticks_now(), kind, id, label);
}

/* task_record_leave records that a callback of a task is over, and that the task has ended if it
 * has ended in there. ticks: usage_switch's. */
static inline void task_record_leave(struct task_record *record, uint64_t id, uint32_t label,
                                     bool is_ended, uint64_t ticks)
{
    if (task_self.recorder == NULL) {
        return;
    }
    const bool is_last = is_ended && !record->is_ended;
    record->is_ended = is_ended;
    recorder_add_at(ticks != 0 ? ticks : ticks_now(), is_last ? RECORDER_FINISH : RECORDER_LEAVE,
                    id, is_last ? label : 0);
}

/* task_record_park records that a task begins to wait.
 *
 * state: a literal.
 * what:  a literal, or literal_keep's; NULL: for nothing that has a name.
 */
static inline void task_record_park(uint64_t id, const char *state, const char *what)
{
    if (task_self.recorder == NULL) {
        return;
    }
    const uint64_t ticks = ticks_now();
    recorder_add_at(ticks, RECORDER_PARK, id, recorder_literal(state));
    if (what != NULL) {
        recorder_add_at(ticks, RECORDER_WHAT, id, recorder_literal(what));
    }
}

/* task_record_end records that a task has ended while no callback of it runs. */
static inline void task_record_end(struct task_record *record, uint64_t id, uint32_t label)
{
    task_record_start(record, id);
    record->is_ended = true;
    recorder_add(RECORDER_END, id, label);
}

#endif
