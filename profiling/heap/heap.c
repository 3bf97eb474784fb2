/* SPDX-License-Identifier: MIT
 *
 * heap.c - turns jemalloc's sampling on and off, and takes its profiles.
 *
 * jemalloc can only sample when that was configured before main, by malloc_conf. Until heap_start
 * sampling is off, at no measurable cost.
 */
#include "profiling/heap/heap.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/code/symbol.h"
#include "profiling/code/synthetic.h"
#include "profiling/heap/heap_ctl.h"
#include "profiling/heap/heap_dump.h"
#include "profiling/heap/heap_facts.h"
#include "profiling/heap/heap_hook.h"
#include "profiling/heap/heap_known.h"
#include "profiling/write/source.h"

#define TEXT(macro)    TEXT_OF(macro)
#define TEXT_OF(macro) #macro
#define LG_RATE        19 /* 512 KiB, Go's MemProfileRate */

/* Read by jemalloc before main; what MALLOC_CONF says comes after it. prof_accum: what was freed
 * again stays in the profile of allocations. background_thread: else pages that are free for long
 * are given back by who allocates next, and an idle server keeps those of its last peak. */
const char *malloc_conf = "prof:true,prof_active:false,prof_accum:true,lg_prof_sample:" TEXT(
    LG_RATE) ",background_thread:true,max_background_threads:1";

static struct {
    struct code_wait wait; /* for the first unwind table */
    bool is_started;
    bool is_users; /* MALLOC_CONF says whether it samples */
    _Atomic uint64_t purges;
    _Atomic uint64_t dumps;
    _Atomic uint64_t dump_ns;
} heap;

/* Of the one dump that is made at a time: jemalloc's own is one, heap_known is the other. */
static pthread_mutex_t dump_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- on and off --- */

static void set_active(bool is_active)
{
    if (!heap.is_users) {
        (void)heap_ctl_write("prof.active", &is_active, sizeof(is_active));
    }
}

static void on_table(struct code_wait *wait, int status)
{
    (void)wait;
    if (status != UV_ECANCELED) {
        set_active(true); /* without a table there are no stacks, but the sums are right */
    }
}

static const char *check(void)
{
    if (!heap_ctl_exists()) {
        return "heap profiles need jemalloc, and this build has its sanitizer's malloc";
    }
    if (!heap_ctl_bool("config.prof")) {
        return "heap profiles need a jemalloc that was built with --enable-prof";
    }
    if (!heap_ctl_bool("opt.prof")) {
        return "MALLOC_CONF has prof:false, so no allocation is sampled";
    }
    if (!heap_ctl_bool("opt.prof_thread_active_init")) {
        return "MALLOC_CONF has prof_thread_active_init:false, so no allocation is sampled";
    }
    if (heap.is_users && !heap_ctl_bool("prof.active")) {
        return "MALLOC_CONF has prof_active:false, so no allocation is sampled";
    }
    return NULL;
}

static const char *check_allocs(void)
{
    const char *reason = check();
    if (reason == NULL && !heap_ctl_bool("opt.prof_accum")) {
        reason = "MALLOC_CONF has prof_accum:false, so what was freed again is not known";
    }
    return reason;
}

int heap_start(void)
{
    const char *conf = getenv("MALLOC_CONF");
    heap.is_users = conf != NULL && strstr(conf, "prof_active:") != NULL;
    if (heap.is_started || check() != NULL || !heap_hook_install()) {
        return 0;
    }
    heap.wait.done = on_table;
    const int status = code_refresh(&heap.wait);
    if (status != 0) {
        heap_hook_remove();
        return status;
    }
    heap.is_started = true;
    return 0;
}

void heap_stop(void)
{
    if (heap.is_started) {
        heap.is_started = false;
        code_cancel(&heap.wait);
        set_active(false);
        heap_hook_remove();
    }
}

/* --- a look --- */

static uint64_t read_rate(void)
{
    size_t lg_rate = LG_RATE;
    return heap_ctl_read("prof.lg_sample", &lg_rate, sizeof(lg_rate)) ? UINT64_C(1) << lg_rate
                                                                      : UINT64_C(1) << LG_RATE;
}

/* split_label takes the hook's made-up frame off the outer end. */
static uint32_t split_label(struct heap_dump_stack *stack)
{
    uint32_t label;
    if (synthetic_label(stack->frames[stack->frame_count - 1], &label)) {
        stack->frame_count--;
        return label < LABEL_MAX ? label : LABEL_OTHER;
    }
    for (size_t i = 0; i < stack->frame_count; i++) {
        stack->frames[i]--; /* taken before the hook was there: jemalloc keeps return addresses */
    }
    return LABEL_NONE;
}

static void add_stack(void *arg, const struct heap_dump_stack *dumped)
{
    struct source_take *take = arg;
    const uint64_t rate = read_rate();
    struct heap_dump_stack stack = *dumped;
    const struct stacks_labels labels = {.label = split_label(&stack),
                                         .size_bytes = heap_known_size(dumped)};
    const uint64_t *frames;
    size_t count = heap_hook_strip(stack.frames, stack.frame_count, &frames);
    const uint64_t unknown = synthetic_route(labels.label);
    if (count == 0) {
        frames = &unknown;
        count = 1;
    }
    struct heap_amount allocated = dumped->allocated;
    struct heap_amount in_use = dumped->in_use;
    if (!take->is_raw) {
        allocated = heap_known_raise(dumped, heap_unsample(allocated, rate));
        in_use = heap_unsample(in_use, rate);
    }
    const int64_t values[STACKS_VALUES_MAX] = {allocated.objects, allocated.bytes, in_use.objects,
                                               in_use.bytes};
    stacks_add(&take->stacks, frames, count, &labels, values);
}

/* is_cut tells whether a file has grown to RLIMIT_FSIZE: jemalloc does not notice a short write. */
static bool is_cut(int fd)
{
    struct rlimit limit;
    struct stat status;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           fstat(fd, &status) == 0 && (uint64_t)status.st_size >= limit.rlim_cur;
}

/* jemalloc opens the file by its name, and says of whatever goes wrong that it did. */
static int dump_to(int fd)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (access(path, W_OK) != 0) {
        return -errno;
    }
    const char *const name = path;
    const bool is_dumped = heap_ctl_write("prof.dump", &name, sizeof(name));
    if (is_cut(fd)) {
        return UV_EFBIG;
    }
    return is_dumped ? 0 : UV_ENOMEM;
}

/* dump_into has jemalloc write into a file that exists in memory alone. */
static int dump_into(struct source_take *take)
{
    const int fd = memfd_create("heap", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    FILE *file = fdopen(fd, "r");
    if (file == NULL) {
        const int status = -errno;
        (void)close(fd);
        return status;
    }
    int status = dump_to(fd);
    status = status == 0 ? heap_dump_read(file, add_stack, take) : status;
    (void)fclose(file);
    return status;
}

static void take_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    const uint64_t start_ns = clock_now_ns();
    (void)pthread_mutex_lock(&dump_lock);
    if (take->is_purging) {
        symbol_trim();
        (void)heap_ctl_write("arena." TEXT(MALLCTL_ARENAS_ALL) ".purge", NULL, 0);
        (void)atomic_fetch_add(&heap.purges, 1);
    }
    take->state = (void *)(intptr_t)dump_into(take);
    (void)pthread_mutex_unlock(&dump_lock);
    (void)atomic_fetch_add(&heap.dumps, 1);
    (void)atomic_fetch_add(&heap.dump_ns, clock_now_ns() - start_ns);
    (void)task_swap_label(label);
}

static void take_done(struct pool_job *job, int status)
{
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    take->done(take, status == 0 ? (int)(intptr_t)take->state : status);
}

static int take_stacks(struct loop *loop, struct pool *pool, struct source_take *take)
{
    if (take->is_raw) {
        heap_facts_flush(); /* for the facts in the text */
    }
    take->job.work = take_work;
    take->job.done = take_done;
    return pool_submit(pool, loop, &take->job);
}

/* --- the two profiles: one and the same, seen from its two ends --- */

static void describe(struct profile_spec *spec)
{
    static const struct profile_type types[] = {{"alloc_objects", "count"},
                                                {"alloc_space", "bytes"},
                                                {"inuse_objects", "count"},
                                                {"inuse_space", "bytes"}};
    memcpy(spec->types, types, sizeof(types));
    spec->type_count = ARRAY_COUNT(types);
    spec->period_type = (struct profile_type){"space", "bytes"};
    spec->period = (int64_t)read_rate();
}

static void describe_allocs(struct profile_spec *spec)
{
    describe(spec);
    spec->default_type = "alloc_space";
}

static uint64_t count_stacks(void)
{
    return heap_hook_get_stats().stacks;
}

static void append_facts(struct buf *out)
{
    heap_facts_append(out, atomic_load(&heap.purges));
}

const struct source source_heap = {
    .name = "heap",
    .description = "A sampling of memory allocations of live objects. You can specify the gc GET "
                   "parameter to run GC before taking the heap sample.",
    .text = SOURCE_TEXT_HEAP,
    .describe = describe,
    .check = check,
    .take = take_stacks,
    .count = count_stacks,
    .append_facts = append_facts,
};

const struct source source_allocs = {
    .name = "allocs",
    .description = "A sampling of all past memory allocations",
    .text = SOURCE_TEXT_HEAP,
    .describe = describe_allocs,
    .check = check_allocs,
    .take = take_stacks,
    .count = count_stacks,
    .append_facts = append_facts,
};

struct heap_stats heap_get_stats(void)
{
    const struct heap_hook_stats hook = heap_hook_get_stats();
    return (struct heap_stats){
        .samples = hook.samples,
        .failures = hook.failures,
        .truncated = hook.truncated,
        .hook_ns = hook.ns,
        .dumps = atomic_load(&heap.dumps),
        .dump_ns = atomic_load(&heap.dump_ns),
    };
}
