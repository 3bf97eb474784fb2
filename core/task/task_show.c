/* SPDX-License-Identifier: MIT
 *
 * task_show.c - publishes facts of a task beside its state: its trace, and notes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/task/task.h"

bool task_is_note(const struct task_change *change)
{
    return change->state == task_note_hit || change->state == task_note_miss ||
           change->state == task_note_batch || change->state == task_note_error ||
           change->state == task_note_status;
}

const char *task_error_word(uint64_t number, char *out)
{
    if (number < TASK_MYSQL_ERROR_MIN) {
        (void)uv_err_name_r(-(int)number, out, TASK_ERROR_BYTES);
    } else {
        (void)snprintf(out, TASK_ERROR_BYTES, "%" PRIu64, number);
    }
    return out;
}

void task_note(struct task *task, const char *note, uint64_t number)
{
    if (task->slot != TASK_NO_SLOT) {
        task_slots_add_change(
            task->slot,
            &(struct task_change){.when_ns = clock_now_ns(), .state = note, .number = number});
    }
}

void task_next_span(const struct task *task, const uint8_t own_id[TRACE_SPAN_ID_BYTES],
                    uint8_t ret_id[TRACE_SPAN_ID_BYTES])
{
    const uint32_t count =
        task->slot == TASK_NO_SLOT ? TASK_CHANGES_MAX : task_slots_change_count(task->slot);
    if (count < TASK_CHANGES_MAX) {
        trace_child_id(own_id, count, ret_id);
    } else {
        memcpy(ret_id, own_id, TRACE_SPAN_ID_BYTES);
    }
}

void task_show_trace(struct task *task, const struct trace_context *trace)
{
    struct task_span span = {.flags = trace->flags};
    memcpy(span.trace_id, trace->trace_id, sizeof(span.trace_id));
    memcpy(&span.span_id, trace->span_id, sizeof(span.span_id));
    memcpy(&span.parent_id, trace->parent_id, sizeof(span.parent_id));
    if (task->slot != TASK_NO_SLOT) {
        task_slots_publish_span(task->slot, &span);
    }
}

void task_get_ids(const struct task *task, struct trace_ids *ret_ids)
{
    task_slots_copy_ids(task->slot, task->id, ret_ids);
}
