/* SPDX-License-Identifier: MIT
 *
 * crash_tasks.c - reads slots without waiting for their writer, which may be the thread that
 * crashed.
 */
#include "core/crash/crash_tasks.h"

#include "core/base/clock.h"
#include "core/crash/crash_code.h"
#include "core/task/label.h"
#include "core/task/task.h"

static void put_label(struct crash_out *out, uint32_t id)
{
    const struct label label = label_get(id);
    if (label.method != NULL) {
        crash_out_text(out, " ");
        crash_out_foreign(out, label.method);
    }
    crash_out_text(out, " ");
    crash_out_foreign(out, label.rpc != NULL ? label.rpc : label.route);
}

/* put_waker writes what will wake a task that waits, in the words of /debug/requests; "-" for one
 * that runs. */
static void put_waker(struct crash_out *out, const struct task_facts *task)
{
    const struct task_wakers *wakers = &task->wakers;
    if (task->is_running || task->await_depth == 0) {
        crash_out_text(out, "-");
        return;
    }
    if (task_is_leaked(task)) {
        crash_out_text(out, "nothing: leaked");
        return;
    }
    crash_out_foreign(out, wakers->last.kind == NULL ? "an earlier wait" : wakers->last.kind);
    if (wakers->last.id != 0) {
        crash_out_text(out, " ");
        crash_out_number(out, wakers->last.id);
    }
    if (wakers->count > 1) {
        crash_out_text(out, " and ");
        crash_out_number(out, wakers->count - 1);
        crash_out_text(out, " more");
    }
}

static void put_task(struct crash_out *out, const struct task_facts *task,
                     const struct task_span *span, uint64_t now_ns)
{
    crash_out_text(out, "id=");
    crash_out_number(out, task->id);
    crash_out_text(out, " ");
    crash_out_foreign(out, task->kind);
    put_label(out, task->label);
    crash_out_text(out, " state=\"");
    crash_out_foreign(out, task->state);
    crash_out_text(out, "\" age_ms=");
    crash_out_ms(out, clock_elapsed_ns(task->start_ns, now_ns));
    crash_out_text(out, " in_state_ms=");
    crash_out_ms(out, clock_elapsed_ns(task->state_ns, now_ns));
    crash_out_text(out, " woken_by=\"");
    put_waker(out, task);
    crash_out_text(out, "\"");
    crash_out_text(out, " handler=");
    crash_code_put(out, (uintptr_t)task->handler);
    crash_out_text(out, " trace_id=");
    crash_out_id(out, span->trace_id, sizeof(span->trace_id));
    crash_out_text(out, " span_id=");
    crash_out_id(out, &span->span_id, sizeof(span->span_id));
    crash_out_text(out, "\n");
}

const void *crash_tasks_put_current(struct crash_out *out, uint64_t now_ns)
{
    const struct task_ref ref = task_current_ref();
    struct task_facts task;
    struct task_span span;
    crash_out_text(out, "task: ");
    if (ref.id == 0 || !task_slots_peek(ref.slot, &task, &span) || task.id != ref.id) {
        crash_out_text(out, "none\n");
        return NULL;
    }
    put_task(out, &task, &span, now_ns);
    return task.handler;
}

void crash_tasks_put_trace(struct crash_out *out)
{
    const struct trace_context *trace = task_current_trace();
    if (trace != NULL) {
        crash_out_text(out, "trace: ");
        crash_out_id(out, trace->trace_id, sizeof(trace->trace_id));
        crash_out_text(out, " span ");
        crash_out_id(out, trace->span_id, sizeof(trace->span_id));
        crash_out_text(out, "\n");
    }
}

void crash_tasks_put_all(struct crash_out *out, uint64_t now_ns)
{
    struct task_facts task;
    struct task_span span;
    uint32_t left = 0;
    const uint32_t count = task_slots_count();
    crash_out_text(out, "in flight: ");
    crash_out_number(out, task_slots_living());
    crash_out_text(out, "\n");
    for (uint32_t i = 0, lines = 0; i < count; i++) {
        if (!task_slots_peek(i, &task, &span)) {
            continue;
        }
        if (lines++ >= CRASH_TASKS_MAX) {
            left++;
            continue;
        }
        crash_out_text(out, "  ");
        put_task(out, &task, &span, now_ns);
    }
    if (left > 0) {
        crash_out_text(out, "  and more: ");
        crash_out_number(out, left);
        crash_out_text(out, "\n");
    }
}
