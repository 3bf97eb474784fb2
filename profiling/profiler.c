/* SPDX-License-Identifier: MIT
 *
 * profiler.c - starts and stops the profiles in order.
 */
#include "profiling/profiler.h"

#include "core/crash/crash_stack.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/code/maps.h"
#include "profiling/cpu/sampler.h"
#include "profiling/cpu/thread_stack.h"
#include "profiling/cpu/threads.h"
#include "profiling/heap/heap_own.h"
#include "profiling/named.h"
#include "profiling/walk/bounds.h"
#include "profiling/walk/crash_walk.h"

static int start_history(const struct profiler_options *options)
{
    const struct history_options history = {
        .loop = options->loop,
        .pool = options->pool,
        .windows = options->history_windows,
        .window_ms = HISTORY_WINDOW_MS,
        .bytes_max = HISTORY_BYTES_MAX,
    };
    return history.windows == 0 ? 0 : history_start(&history);
}

static struct loop *work_of(const struct profiler_options *options)
{
    return options->work == NULL ? options->loop : options->work;
}

static int start_block(const struct profiler_options *options)
{
    return block_start(work_of(options), options->block_ms);
}

static size_t walk_crashed(const struct crash_place *place, uint64_t *ret_frames, size_t max)
{
    const struct arch_regs regs = {place->pc, place->sp, place->fp, place->lr};
    return crash_walk(regs, ret_frames, max);
}

static int start_all(const struct profiler_options *options)
{
    uint64_t low = 0;
    uint64_t high = 0;
    if (!maps_find_main_stack(&low, &high)) {
        low = high = 0; /* it is copied, then */
    }
    bounds_init(low, high);
    crash_stack_use(walk_crashed);
    int status = code_start(options->loop, options->pool);
    if (status != 0) {
        return status;
    }
    status = sampler_start(options->loop, options->on_itimer);
    if (status != 0) {
        code_stop();
        return status;
    }
    thread_stack_init(work_of(options));
    status = start_history(options);
    status = status == 0 ? start_block(options) : status;
    status = status == 0 ? heap_start() : status;
    if (status != 0) {
        block_stop();
        history_stop();
        thread_stack_deinit();
        sampler_stop();
        code_stop();
        return status;
    }
    cpu_init(options->loop, options->pool);
    mutex_start(options->mutex_fraction);
    named_init(options->loop, options->pool);
    task_keep_await_stacks(true);
    return 0;
}

int profiler_start(const struct profiler_options *options)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    const int status = start_all(options);
    (void)task_swap_label(label);
    return status;
}

void profiler_stop(void)
{
    named_deinit();
    mutex_stop();
    task_keep_await_stacks(false);
    cpu_deinit();
    heap_stop();
    history_stop();
    block_stop();
    thread_stack_deinit();
    sampler_stop();
    code_stop();
}

void profiler_join_thread(void)
{
    heap_own_join();
}

struct profiler_stats profiler_get_stats(void)
{
    return (struct profiler_stats){
        .block = block_get_stats(),
        .cpu = cpu_get_stats(),
        .heap = heap_get_stats(),
        .history = history_get_stats(),
        .mutex = mutex_get_stats(),
        .label_overflow = label_overflow_count(),
        .table_bytes = heap_own_bytes(),
        .ring_bytes = threads_get_bytes(),
    };
}

const char *profiler_strerror(int status)
{
    switch (status) {
    case UV_ENOMEM:
        return "out of memory";
    case UV_ECANCELED:
        return "cancelled";
    case UV_EFBIG:
        return "file too large: RLIMIT_FSIZE is less than jemalloc's dump of the heap";
    case UV_ENOENT:
        return "no such file or directory: /proc is not mounted";
    case UV_EACCES:
    case UV_EPERM:
        return "permission denied: /proc/self is not readable";
    default:
        return uv_strerror(status);
    }
}
