/* SPDX-License-Identifier: MIT
 *
 * task_stack.c - a job with symbols at hand, and the lines it writes.
 */
#include "profiling/task/task_stack.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "profiling/code/code.h"
#include "profiling/code/symbol.h"
#include "profiling/cpu/thread_stack.h"
#include "profiling/task/task_frames.h"

#define ANSWER_NS  (500 * NS_PER_MS) /* on a busy machine it has to get a core first */
#define FRAMES_MAX 32

struct task_stack {
    struct loop *loop;
    struct pool *pool;
    void (*work)(void *arg);
    void (*done)(void *arg, int status);
    void *arg;
    struct code_wait code_wait;
    struct pool_job job;
    const struct maps *maps; /* held so that symbols can be looked up */
};

static void put_frame(struct buf *out, uint64_t address)
{
    struct symbol_result symbol;
    symbol_lookup(address, &symbol);
    for (size_t i = 0; i < symbol.count; i++) {
        const struct symbol_frame *frame = &symbol.frames[i];
        const char *slash = strrchr(frame->file, '/');
        buf_append_cstr(out, frame->function);
        if (frame->file[0] != '\0') {
            buf_printf(out, " %s:%d", slash == NULL ? frame->file : slash + 1, frame->line);
        }
        buf_append_char(out, '\n');
    }
}

void task_stack_write(const struct task_facts *facts, struct buf *out)
{
    uint64_t addresses[TASK_FRAMES_MAX];
    struct task_frames frames;
    if (facts->await_depth == 0) {
        return;
    }
    task_frames_from(facts, &frames);
    frames.state = 0; /* it stands beside the stack, as */
    const size_t count = task_frames_list(&frames, addresses) - 1; /* the route does */
    for (size_t i = 0; i < count; i++) {
        put_frame(out, addresses[i]);
    }
}

void task_stack_write_thread(pid_t tid, struct buf *out)
{
    struct thread_stack stack = {0};
    if (thread_stack_take(tid, ANSWER_NS, &stack) == 0) {
        for (size_t i = 0; i < stack.frame_count && i < FRAMES_MAX; i++) {
            put_frame(out, stack.frames[i]);
        }
    }
}

static void run_work(struct pool_job *job)
{
    const struct task_stack *stack = CONTAINER_OF(job, struct task_stack, job);
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    stack->work(stack->arg);
    (void)task_swap_label(label);
}

static void end(struct task_stack *stack, int status)
{
    void (*done)(void *arg, int status) = stack->done;
    void *arg = stack->arg;
    free(stack);
    done(arg, status);
}

static void on_worked(struct pool_job *job, int status)
{
    struct task_stack *stack = CONTAINER_OF(job, struct task_stack, job);
    code_put(stack->maps);
    end(stack, status);
}

static void on_code_ready(struct code_wait *wait, int status)
{
    struct task_stack *stack = CONTAINER_OF(wait, struct task_stack, code_wait);
    if (status == 0) {
        stack->maps = code_get();
        status = pool_submit(stack->pool, stack->loop, &stack->job);
    }
    if (status != 0) {
        code_put(stack->maps);
        end(stack, status);
    }
}

int task_stack_start(struct loop *loop, struct pool *pool, void (*work)(void *arg),
                     void (*done)(void *arg, int status), void *arg)
{
    struct task_stack *stack = calloc(1, sizeof(*stack));
    if (stack == NULL) {
        return UV_ENOMEM;
    }
    *stack =
        (struct task_stack){.loop = loop, .pool = pool, .work = work, .done = done, .arg = arg};
    stack->code_wait.done = on_code_ready;
    stack->job.work = run_work;
    stack->job.done = on_worked;
    const int status = code_refresh(&stack->code_wait);
    if (status != 0) {
        free(stack);
    }
    return status;
}
