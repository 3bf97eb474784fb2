/* SPDX-License-Identifier: MIT
 *
 * goroutine_look.c - divides a look between the loop and a worker thread.
 */
#include "profiling/task/goroutine_look.h"

#include "core/task/label.h"
#include "core/task/task.h"

/* keep_wanted leaves out what belongs to other traces. */
static void keep_wanted(struct goroutine_look *look)
{
    size_t kept = 0;
    for (size_t i = 0; i < look->tasks.count; i++) {
        if (trace_filter_takes(&look->traces, &look->tasks.items[i].trace)) {
            look->tasks.items[kept++] = look->tasks.items[i];
        }
    }
    look->tasks.count = kept;
    kept = 0;
    for (size_t i = 0; i < look->threads.count; i++) {
        if (trace_filter_takes(&look->traces, &look->threads.items[i].stack.owner.trace)) {
            look->threads.items[kept++] = look->threads.items[i];
        }
    }
    look->threads.count = kept;
}

static void look_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct goroutine_look *look = CONTAINER_OF(job, struct goroutine_look, job);
    look->status = goroutine_tasks_copy(&look->tasks);
    if (look->status == 0) {
        look->status = goroutine_threads_take(&look->threads);
    }
    if (look->status == 0) {
        keep_wanted(look);
        look->status = look->work(look);
    }
    (void)task_swap_label(label);
}

static void look_done(struct pool_job *job, int status)
{
    struct goroutine_look *look = CONTAINER_OF(job, struct goroutine_look, job);
    code_put(look->maps);
    look->done(look, status == 0 ? look->status : status);
}

static void on_code_ready(struct code_wait *wait, int status)
{
    struct goroutine_look *look = CONTAINER_OF(wait, struct goroutine_look, code_wait);
    if (status != 0) {
        look->done(look, status);
        return;
    }
    look->maps = code_get();
    look->job.work = look_work;
    look->job.done = look_done;
    status = pool_submit(look->pool, look->loop, &look->job);
    if (status != 0) {
        code_put(look->maps);
        look->done(look, status);
    }
}

int goroutine_look_start(struct goroutine_look *look)
{
    look->code_wait.done = on_code_ready;
    return code_refresh(&look->code_wait);
}

void goroutine_look_deinit(struct goroutine_look *look)
{
    goroutine_tasks_deinit(&look->tasks);
    goroutine_threads_deinit(&look->threads);
}
