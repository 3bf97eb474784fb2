/* SPDX-License-Identifier: MIT
 *
 * goroutine.c - makes the profile and the dump.
 */
#include "profiling/task/goroutine.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "profiling/code/synthetic.h"
#include "profiling/task/goroutine_look.h"
#include "profiling/task/goroutine_text.h"
#include "profiling/write/source.h"

/* --- the profile --- */

struct profile_look {
    struct goroutine_look look;
    struct source_take *take;
    uint64_t no_stack; /* the frame of a thread without a stack */
};

struct leaked_look {
    struct pool_job job;
    struct source_take *take;
    int status;
};

static const int64_t one[STACKS_VALUES_MAX] = {1};

static void add_task(struct source_take *take, const struct goroutine_task *task)
{
    struct stacks *stacks = &take->stacks;
    uint64_t frames[TASK_FRAMES_MAX];
    const size_t count = task_frames_list(&task->frames, frames);
    const struct stacks_labels labels = {
        .label = task->frames.label,
        .state = task->state,
        .trace = take->traces.has_labels ? stacks_trace(stacks, &task->trace) : 0,
    };
    stacks_add(stacks, frames, count, &labels, one);
}

static void add_thread(struct source_take *take, const struct goroutine_thread *thread,
                       uint64_t no_stack)
{
    struct stacks *stacks = &take->stacks;
    const struct thread_stack *stack = &thread->stack;
    const struct stacks_labels labels = {
        .label = stack->owner.label,
        .thread = stacks_name(stacks, str_from(thread->name)),
        .trace = take->traces.has_labels ? stacks_trace(stacks, &stack->owner.trace) : 0,
    };
    if (stack->frame_count == 0) {
        stacks_add(stacks, &no_stack, 1, &labels, one);
    } else {
        stacks_add(stacks, stack->frames, stack->frame_count, &labels, one);
    }
}

static int profile_work(struct goroutine_look *look)
{
    const struct profile_look *own = CONTAINER_OF(look, struct profile_look, look);
    for (size_t i = 0; i < look->threads.count; i++) {
        add_thread(own->take, &look->threads.items[i], own->no_stack);
    }
    for (size_t i = 0; i < look->tasks.count; i++) {
        add_task(own->take, &look->tasks.items[i]);
    }
    return 0;
}

static void profile_done(struct goroutine_look *look, int status)
{
    struct profile_look *own = CONTAINER_OF(look, struct profile_look, look);
    struct source_take *take = own->take;
    goroutine_look_deinit(look);
    free(own);
    take->done(take, status);
}

static int goroutine_take(struct loop *loop, struct pool *pool, struct source_take *take)
{
    struct profile_look *own = calloc(1, sizeof(*own));
    if (own == NULL) {
        return UV_ENOMEM;
    }
    own->look.loop = loop;
    own->look.pool = pool;
    own->look.traces = take->traces;
    own->look.work = profile_work;
    own->look.done = profile_done;
    own->take = take;
    own->no_stack = synthetic_state("stack unavailable");
    const int status = goroutine_look_start(&own->look);
    if (status != 0) {
        free(own);
    }
    return status;
}

static void goroutine_describe(struct profile_spec *spec)
{
    spec->types[0] = (struct profile_type){"goroutine", "count"};
    spec->type_count = 1;
    spec->period_type = spec->types[0];
    spec->period = 1;
}

static uint64_t goroutine_count(void)
{
    return task_slots_living() + goroutine_threads_count();
}

const struct source source_goroutine = {
    .name = "goroutine",
    .description = "Stack traces of all current goroutines: of each request in flight, where it "
                   "waits, and of each thread. Use debug=2 as a query parameter to export in the "
                   "same format as an unrecovered panic.",
    .text = SOURCE_TEXT_COUNT,
    .has_traces = true,
    .has_labels_in_text = true,
    .describe = goroutine_describe,
    .take = goroutine_take,
    .count = goroutine_count,
};

/* --- the profile of what nothing will ever wake --- */

static _Atomic uint64_t leaked_count; /* at the last look, as Go counts them */

/* leaked_work runs on a worker thread; the threads are not looked at, none of them leaks. */
static void leaked_work(struct pool_job *job)
{
    struct leaked_look *look = CONTAINER_OF(job, struct leaked_look, job);
    struct goroutine_tasks tasks = {0};
    look->status = goroutine_tasks_copy(&tasks);
    atomic_store(&leaked_count, goroutine_tasks_confirm(&tasks));
    for (size_t i = 0; i < tasks.count; i++) {
        if (tasks.items[i].is_leaked) {
            add_task(look->take, &tasks.items[i]);
        }
    }
    goroutine_tasks_deinit(&tasks);
}

static void leaked_done(struct pool_job *job, int status)
{
    struct leaked_look *look = CONTAINER_OF(job, struct leaked_look, job);
    struct source_take *take = look->take;
    status = status == 0 ? look->status : status;
    free(look);
    take->done(take, status);
}

static int goroutineleak_take(struct loop *loop, struct pool *pool, struct source_take *take)
{
    struct leaked_look *look = calloc(1, sizeof(*look));
    if (look == NULL) {
        return UV_ENOMEM;
    }
    look->take = take;
    look->job.work = leaked_work;
    look->job.done = leaked_done;
    const int status = pool_submit(pool, loop, &look->job);
    if (status != 0) {
        free(look);
    }
    return status;
}

static void goroutineleak_describe(struct profile_spec *spec)
{
    goroutine_describe(spec);
    spec->types[0] = (struct profile_type){"goroutineleak", "count"};
    spec->period_type = spec->types[0];
}

static uint64_t goroutineleak_count(void)
{
    return atomic_load(&leaked_count);
}

const struct source source_goroutineleak = {
    .name = "goroutineleak",
    .description = "Stack traces of all leaked goroutines: of each request that nothing will ever "
                   "wake, where it was left. Use debug=2 as a query parameter to export all "
                   "goroutines, with the leaked ones marked.",
    .text = SOURCE_TEXT_COUNT,
    .has_labels_in_text = true,
    .describe = goroutineleak_describe,
    .take = goroutineleak_take,
    .count = goroutineleak_count,
};

/* --- the dump --- */

struct goroutine_dump {
    struct goroutine_look look;
    goroutine_dump_fn on_done; /* NULL: cancelled */
    void *arg;
    struct buf text;
};

static unsigned dump_count;

static int dump_work(struct goroutine_look *look)
{
    struct goroutine_dump *dump = CONTAINER_OF(look, struct goroutine_dump, look);
    (void)goroutine_tasks_confirm(&look->tasks);
    const int status =
        goroutine_text_write(&look->tasks, &look->threads, look->traces.has_labels, &dump->text);
    goroutine_look_deinit(look);
    return status;
}

static void dump_done(struct goroutine_look *look, int status)
{
    struct goroutine_dump *dump = CONTAINER_OF(look, struct goroutine_dump, look);
    const goroutine_dump_fn on_done = dump->on_done;
    void *arg = dump->arg;
    const size_t len = dump->text.len;
    char *data = on_done != NULL && status == 0 ? buf_steal(&dump->text) : NULL;
    goroutine_look_deinit(look);
    buf_deinit(&dump->text);
    free(dump);
    dump_count--;
    if (on_done != NULL) {
        on_done(arg, status, data, data == NULL ? 0 : len);
    }
}

int goroutine_dump_start(const struct goroutine_dump_options *options, goroutine_dump_fn on_done,
                         void *arg, struct goroutine_dump **ret_dump)
{
    if (dump_count == GOROUTINE_DUMPS_MAX) {
        return UV_EBUSY;
    }
    struct goroutine_dump *dump = calloc(1, sizeof(*dump));
    if (dump == NULL) {
        return UV_ENOMEM;
    }
    dump->look.loop = options->loop;
    dump->look.pool = options->pool;
    dump->look.traces = options->traces;
    dump->look.work = dump_work;
    dump->look.done = dump_done;
    dump->on_done = on_done;
    dump->arg = arg;
    buf_init(&dump->text, GOROUTINE_DUMP_BYTES_MAX);
    const int status = goroutine_look_start(&dump->look);
    if (status != 0) {
        free(dump);
        return status;
    }
    dump_count++;
    *ret_dump = dump;
    return 0;
}

void goroutine_dump_cancel(struct goroutine_dump *dump)
{
    dump->on_done = NULL;
}
