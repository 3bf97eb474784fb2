/* SPDX-License-Identifier: MIT
 *
 * threadcreate.c - the stacks that created this process's threads, from the first thread on:
 * whether profiling starts later or not at all, a few threads cost nothing worth saving.
 *
 * The program's pthread_create precedes libc's, for its libraries too. Threads that libc and
 * jemalloc create by libc's own function are not seen.
 *
 * Memory:  CREATOR_STACKS_MAX distinct stacks, static; threads of further ones are counted as
 *          dropped.
 * Thread:  any.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/walk/backtrace.h"
#include "profiling/write/source.h"

#define CREATOR_STACKS_MAX 128
#define CREATOR_FRAMES_MAX 64

struct creator {
    uint64_t frames[CREATOR_FRAMES_MAX]; /* in the call instructions, the innermost first */
    size_t frame_count;
    uint32_t label; /* what the creating thread worked for */
    uint64_t count; /* threads */
};

static struct {
    pthread_mutex_t lock;
    struct creator items[CREATOR_STACKS_MAX];
    size_t count;
    uint64_t dropped;
    _Atomic uint64_t total;
} creators = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- who creates threads --- */

/* clang links its sanitizers into the program, and with them a pthread_create that they need. */
#ifndef __clang__

static bool is_same(const struct creator *a, const struct creator *b)
{
    return a->label == b->label && a->frame_count == b->frame_count &&
           memcmp(a->frames, b->frames, a->frame_count * sizeof(a->frames[0])) == 0;
}

static void count_thread(const struct creator *creator)
{
    (void)pthread_mutex_lock(&creators.lock);
    size_t i = 0;
    while (i < creators.count && !is_same(&creators.items[i], creator)) {
        i++;
    }
    if (i == CREATOR_STACKS_MAX) {
        creators.dropped++;
    } else {
        if (i == creators.count) {
            creators.items[creators.count++] = *creator;
        }
        creators.items[i].count++;
    }
    (void)pthread_mutex_unlock(&creators.lock);
    (void)atomic_fetch_add(&creators.total, 1);
}

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* find_next finds the pthread_create behind ours; twice at once does no harm. */
static create_fn find_next(void)
{
    static _Atomic(create_fn) next;
    create_fn found = atomic_load(&next);
    if (found == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_create");
        INVARIANT(symbol != NULL);
        memcpy(&found, &symbol, sizeof(found));
        atomic_store(&next, found);
    }
    return found;
}

/* unwind_by_libc does it before there is an unwind table. libgcc's unwinder takes locks and may
 * allocate, which is allowed here as in pthread_create itself; threads are rare. */
static size_t unwind_by_libc(uint64_t *ret_frames)
{
    void *addresses[CREATOR_FRAMES_MAX];
    const int found = backtrace(addresses, CREATOR_FRAMES_MAX);
    for (int i = 0; i < found; i++) {
        ret_frames[i] = (uintptr_t)addresses[i] - 1;
    }
    return found > 0 ? (size_t)found : 0;
}

/* read_stack reads the stack from the caller of pthread_create on, which is known by its return
 * address: how many frames lie in between depends on how the program was built. */
static void read_stack(const void *return_address, struct creator *creator)
{
    uint64_t frames[CREATOR_FRAMES_MAX];
    bool is_complete;
    size_t count = backtrace_take(frames, CREATOR_FRAMES_MAX, &is_complete);
    if (count == 0) {
        count = unwind_by_libc(frames);
    }
    size_t first = 0;
    while (first < count && frames[first] + 1 != (uintptr_t)return_address) {
        first++;
    }
    creator->frames[0] = (uintptr_t)return_address - 1; /* known even when the stack is not */
    creator->frame_count = first < count ? count - first : 1;
    memcpy(creator->frames, frames + first, (count - first) * sizeof(frames[0]));
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
                   void *(*start)(void *), void *restrict arg)
{
    struct creator creator = {.label = task_current_label()};
    read_stack(__builtin_return_address(0), &creator);
    const int error = find_next()(thread, attr, start, arg);
    if (error == 0) {
        count_thread(&creator);
    }
    return error;
}

#endif

/* --- the profile --- */

static void take_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct stacks *stacks = &CONTAINER_OF(job, struct source_take, job)->stacks;
    (void)pthread_mutex_lock(&creators.lock);
    for (size_t i = 0; i < creators.count; i++) {
        const struct creator *creator = &creators.items[i];
        const struct stacks_labels labels = {.label = creator->label};
        const int64_t values[STACKS_VALUES_MAX] = {(int64_t)creator->count};
        stacks_add(stacks, creator->frames, creator->frame_count, &labels, values);
    }
    stacks->dropped += creators.dropped;
    (void)pthread_mutex_unlock(&creators.lock);
    (void)task_swap_label(label);
}

static void take_done(struct pool_job *job, int status)
{
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    take->done(take, status);
}

static int take_creators(struct loop *loop, struct pool *pool, struct source_take *take)
{
    take->job.work = take_work;
    take->job.done = take_done;
    return pool_submit(pool, loop, &take->job);
}

static void describe(struct profile_spec *spec)
{
    spec->types[0] = (struct profile_type){"threadcreate", "count"};
    spec->type_count = 1;
    spec->period_type = spec->types[0];
    spec->period = 1;
}

static uint64_t count_threads(void)
{
    return atomic_load(&creators.total);
}

const struct source source_threadcreate = {
    .name = "threadcreate",
    .description = "Stack traces that led to the creation of new OS threads",
    .text = SOURCE_TEXT_COUNT,
    .has_labels_in_text = true,
    .describe = describe,
    .take = take_creators,
    .count = count_threads,
};
