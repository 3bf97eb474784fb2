/* SPDX-License-Identifier: MIT
 *
 * goroutine_text.c - one entry per task and thread:
 *
 * goroutine 17 [mysql, 3 minutes] {method: GET, route: "/v1/listings/:id"}:
 * sql_query(...)
 *         /toq/core/sql/sql_pool.c:172 +0x1d
 */
#include "profiling/task/goroutine_text.h"

#include <inttypes.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/base/hex.h"
#include "core/base/lookup.h"
#include "core/task/label.h"
#include "profiling/code/symbol.h"

#define NS_PER_MINUTE   (60 * NS_PER_S)
#define ENTRY_BYTES_MAX (256u << 10) /* what is left free at the end, so that no entry is cut */

#define SLOTS           64
#define TEXTS_BYTES_MAX (1u << 20)

/* In Go's words, as parsers know them. */
#define NO_STACK "\tgoroutine running on other thread; stack unavailable\n"
#define ELIDED   "...additional frames elided...\n"

/* --- the head of an entry --- */

struct text_label {
    const char *key;
    const char *value; /* NULL or "": none */
};

static bool is_plain(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        const char lower = (char)(*c | 0x20);
        const bool is_letter = lower >= 'a' && lower <= 'z';
        const bool is_digit = *c >= '0' && *c <= '9';
        if (!is_letter && !is_digit && *c != '.' && *c != '/' && *c != '_') {
            return false;
        }
    }
    return true;
}

static const struct trace_ids no_ids;

/* put_labels prints labels as Go 1.27 does; keys in order. */
static void put_labels(struct buf *out, const struct ring_owner *owner, const char *thread)
{
    const struct label set = label_get(owner->label);
    const struct trace_ids *ids = &owner->trace;
    char trace_id[2 * sizeof(ids->trace_id) + 1] = "";
    char span_id[2 * sizeof(ids->span_id) + 1] = "";
    if (ids->span_id != 0) {
        hex_encode((const uint8_t *)ids->trace_id, sizeof(ids->trace_id), trace_id);
        hex_encode((const uint8_t *)&ids->span_id, sizeof(ids->span_id), span_id);
    }
    const struct text_label labels[] = {{"method", set.method}, {"route", set.route},
                                        {"rpc", set.rpc},       {"span_id", span_id},
                                        {"thread", thread},     {"trace_id", trace_id}};
    const char *before = " {";
    for (size_t i = 0; i < ARRAY_COUNT(labels); i++) {
        const char *value = labels[i].value;
        if (value == NULL || value[0] == '\0') {
            continue;
        }
        buf_printf(out, "%s%s: ", before, labels[i].key);
        if (is_plain(value)) {
            buf_append_cstr(out, value);
        } else {
            buf_append_json(out, str_from(value));
        }
        before = ", ";
    }
    if (before[0] == ',') {
        buf_append_char(out, '}');
    }
}

/* --- frames --- */

/* put_frame prints the functions at an address, the inlined ones first. offset: from the address to
 * the one that the entry shows, a return address. */
static void put_frame(struct buf *out, uint64_t address, uint64_t offset)
{
    struct symbol_result symbol;
    symbol_lookup(address, &symbol);
    out->is_failed = out->is_failed || symbol.is_failed;
    const uint64_t shown = address + offset;
    for (size_t i = 0; i < symbol.count; i++) {
        const struct symbol_frame *frame = &symbol.frames[i];
        buf_printf(out, "%s(...)\n\t%s:%d", frame->function,
                   frame->file[0] == '\0' ? "?"
                                            "?"
                                          : frame->file,
                   frame->line);
        if (symbol.entry != 0 && shown > symbol.entry) {
            buf_printf(out, " +0x%" PRIx64, shown - symbol.entry);
        }
        buf_append_char(out, '\n');
    }
}

/* put_task_stack prints where a task waits. What for, and its route, the first and the last of the
 * frames, are in the head. */
static void put_task_stack(struct buf *out, const struct task_frames *task)
{
    uint64_t frames[TASK_FRAMES_MAX];
    struct task_frames code = *task;
    code.state = 0;
    const size_t count = task_frames_list(&code, frames) - 1;
    /* a handler that is on no stack stands there with its first instruction */
    const bool is_resumed = count > 0 && frames[count - 1] == (uintptr_t)task->handler;
    for (size_t i = 0; i < count; i++) {
        put_frame(out, frames[i], is_resumed && i + 1 == count ? 0 : 1);
    }
    const bool is_cut = is_resumed && task->await_depth == TASK_AWAIT_FRAMES_MAX;
    buf_append_cstr(out, count == 0 ? NO_STACK : is_cut ? ELIDED : "");
}

/* A stack as it was printed for some task. */
struct printed {
    const struct task_frames *frames; /* NULL: none */
    size_t start;                     /* in struct printer */
    size_t len;
};

/* What was printed lately: ten thousand tasks wait in a few places. */
struct printer {
    struct printed slots[SLOTS];
    struct buf texts;
};

static struct printed *find_slot(struct printer *printer, const struct task_frames *frames)
{
    uint64_t hash = (uintptr_t)frames->handler;
    for (size_t i = 0; i < frames->await_depth; i++) {
        hash = lookup_mix(hash, (uintptr_t)frames->await_stack[i]);
    }
    return &printer->slots[hash % SLOTS];
}

static bool is_same_stack(const struct task_frames *a, const struct task_frames *b)
{
    return a != NULL && a->handler == b->handler && a->await_depth == b->await_depth &&
           memcmp(a->await_stack, b->await_stack, a->await_depth * sizeof(a->await_stack[0])) == 0;
}

/* put_known_stack prints a stack, or copies what was printed for another task. */
static void put_known_stack(struct buf *out, struct printer *printer,
                            const struct task_frames *frames)
{
    struct printed *slot = find_slot(printer, frames);
    if (!is_same_stack(slot->frames, frames)) {
        const size_t start = printer->texts.len;
        put_task_stack(&printer->texts, frames);
        if (printer->texts.is_failed) {
            put_task_stack(out, frames); /* there are too many to keep them all */
            return;
        }
        *slot = (struct printed){frames, start, printer->texts.len - start};
    }
    buf_append(out, printer->texts.data + slot->start, slot->len);
}

static void put_task(struct buf *out, const struct goroutine_tasks *tasks,
                     const struct goroutine_task *task, bool has_ids, struct printer *printer)
{
    const struct ring_owner owner = {task->frames.label, has_ids ? task->trace : no_ids};
    const uint64_t age_ns = clock_elapsed_ns(task->state_ns, tasks->now_ns);
    buf_printf(out, "goroutine %" PRIu64 " [%s%s", task->id, task->state,
               task->is_leaked ? " (leaked)" : "");
    if (task->frames.await_depth > 0 && age_ns >= NS_PER_MINUTE) {
        buf_printf(out, ", %" PRIu64 " minutes", age_ns / NS_PER_MINUTE);
    }
    buf_append_char(out, ']');
    put_labels(out, &owner, NULL);
    buf_append_cstr(out, ":\n");
    put_known_stack(out, printer, &task->frames);
    buf_append_char(out, '\n');
}

static void put_thread(struct buf *out, const struct goroutine_thread *thread, bool has_ids)
{
    const struct thread_stack *stack = &thread->stack;
    const struct ring_owner owner = {stack->owner.label, has_ids ? stack->owner.trace : no_ids};
    buf_printf(out, "goroutine %" PRIu64 " [%s, locked to thread]", thread->id,
               thread->is_running ? "running" : "syscall");
    put_labels(out, &owner, thread->name);
    buf_append_cstr(out, ":\n");
    for (size_t i = 0; i < stack->frame_count; i++) {
        put_frame(out, stack->frames[i], i == 0 ? 0 : 1);
    }
    const bool is_cut = stack->frame_count == THREAD_STACK_FRAMES_MAX && !stack->is_complete;
    buf_append_cstr(out, stack->frame_count == 0 ? NO_STACK : is_cut ? ELIDED : "");
    buf_append_char(out, '\n');
}

/* --- all of them --- */

static bool has_room(const struct buf *out)
{
    return !out->is_failed && out->max_bytes - out->len >= ENTRY_BYTES_MAX;
}

int goroutine_text_write(const struct goroutine_tasks *tasks,
                         const struct goroutine_threads *threads, bool has_ids, struct buf *out)
{
    for (size_t i = 0; i < threads->count && has_room(out); i++) {
        put_thread(out, &threads->items[i], has_ids);
    }
    struct printer printer = {0};
    buf_init(&printer.texts, TEXTS_BYTES_MAX);
    for (size_t i = 0; i < tasks->count && has_room(out); i++) {
        put_task(out, tasks, &tasks->items[i], has_ids, &printer);
    }
    buf_deinit(&printer.texts);
    return out->is_failed ? UV_ENOMEM : 0;
}
