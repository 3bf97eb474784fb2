/* SPDX-License-Identifier: MIT
 *
 * stack_line.c - takes and symbolizes one stack on a worker thread.
 */
#include "profiling/task/stack_line.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/code/symbol.h"
#include "profiling/cpu/thread_stack.h"

#define ANSWER_NS      (500 * NS_PER_MS) /* on a busy machine it has to get a core first */
#define FRAMES_MAX     24
#define LINE_MAX_BYTES 1024

struct stack_line {
    struct loop *loop;
    struct pool *pool;
    pid_t tid;
    stack_line_fn done;
    void *arg;
    struct code_wait code_wait;
    struct pool_job job;
    const struct maps *maps; /* held so that symbols can be looked up */
    struct thread_stack stack;
    struct buf text;
};

static void append_frame(struct buf *text, uint64_t address)
{
    struct symbol_result symbol;
    symbol_lookup(address, &symbol);
    for (size_t i = 0; i < symbol.count; i++) {
        buf_append_cstr(text, text->len == 0 ? "" : " < ");
        buf_append_cstr(text, symbol.frames[i].function);
    }
}

static void work(struct pool_job *job)
{
    struct stack_line *line = CONTAINER_OF(job, struct stack_line, job);
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    const int status = thread_stack_take(line->tid, ANSWER_NS, &line->stack);
    if (status != 0) {
        buf_printf(&line->text, "(none: %s)", uv_strerror(status));
    }
    for (size_t i = 0; status == 0 && i < line->stack.frame_count && i < FRAMES_MAX; i++) {
        append_frame(&line->text, line->stack.frames[i]);
    }
    buf_append_char(&line->text, '\0');
    (void)task_swap_label(label);
}

static void end(struct stack_line *line)
{
    const bool has_text = line->text.len > 0 && !line->text.is_failed;
    line->done(line->arg, has_text ? line->text.data : "");
    buf_deinit(&line->text);
    free(line);
}

static void on_worked(struct pool_job *job, int status)
{
    struct stack_line *line = CONTAINER_OF(job, struct stack_line, job);
    (void)status;
    code_put(line->maps);
    end(line);
}

static void on_code_ready(struct code_wait *wait, int status)
{
    struct stack_line *line = CONTAINER_OF(wait, struct stack_line, code_wait);
    if (status != 0) {
        end(line);
        return;
    }
    line->maps = code_get();
    line->job.work = work;
    line->job.done = on_worked;
    if (pool_submit(line->pool, line->loop, &line->job) != 0) {
        code_put(line->maps);
        end(line);
    }
}

int stack_line_start(struct loop *loop, struct pool *pool, pid_t tid, stack_line_fn done, void *arg)
{
    struct stack_line *line = calloc(1, sizeof(*line));
    if (line == NULL) {
        return UV_ENOMEM;
    }
    line->loop = loop;
    line->pool = pool;
    line->tid = tid;
    line->done = done;
    line->arg = arg;
    line->code_wait.done = on_code_ready;
    buf_init(&line->text, LINE_MAX_BYTES);
    const int status = code_refresh(&line->code_wait);
    if (status != 0) {
        buf_deinit(&line->text);
        free(line);
    }
    return status;
}
