/* SPDX-License-Identifier: MIT
 *
 * test_mutex.c - who holds mutexes that others wait for is found: in our code, through libuv,
 * around conditions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/maps.h"
#include "profiling/code/symbol.h"
#include "profiling/code/unwind_table.h"
#include "profiling/thread/mutex.h"
#include "profiling/thread/mutex_hook.h"
#include "profiling/thread/mutex_wait.h"
#include "profiling/walk/backtrace.h"
#include "profiling/walk/bounds.h"
#include "profiling/walk/unwind.h"
#include "profiling/write/source.h"
#include "test/unit/support/pool_rig.h"

#define WAITERS 3
#define HOLD_NS (100 * NS_PER_MS)

/* --- what was recorded --- */

static struct stacks before;
static struct mutex_stats stats_before;

static int set_up(void **state)
{
    (void)state;
    mutex_start(1);
    stats_before = mutex_get_stats();
    contention_read(mutex_wait_records(), &before);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mutex_stop();
    stacks_deinit(&before);
    return 0;
}

static uint64_t events(void)
{
    return mutex_get_stats().events - stats_before.events;
}

struct tally {
    int64_t count;
    int64_t ns;
    uint32_t label;         /* of the last that was added */
    const char *innermost;  /* its innermost function */
    const char *unexpected; /* a function of the hook's */
};

static bool is_named(uint64_t address, const char *function, struct symbol_result *result)
{
    symbol_lookup(address, result);
    for (size_t i = 0; i < result->count; i++) {
        if (strcmp(result->frames[i].function, function) == 0) {
            return true;
        }
    }
    return false;
}

static void add_sample(const struct stacks *stacks, const struct stacks_sample *sample,
                       const char *function, struct tally *tally)
{
    uint64_t frames[STACKS_FRAMES_MAX];
    struct symbol_result result;
    const size_t depth = stacks_read(stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    bool is_in = false;
    for (size_t i = 0; i < depth; i++) {
        is_in = is_in || is_named(frames[i], function, &result);
        if (is_named(frames[i], "pthread_mutex_unlock", &result) ||
            is_named(frames[i], "mutex_wait_release", &result)) {
            tally->unexpected = "the hook";
        }
    }
    if (is_in && sample->values[0] > 0) {
        symbol_lookup(frames[0], &result);
        tally->count += sample->values[0];
        tally->ns += sample->values[1];
        tally->label = sample->labels.label;
        tally->innermost = result.frames[0].function;
    }
}

/* What was recorded since set_up with a function on the stack. */
static struct tally tally_of(const char *function)
{
    struct tally tally = {0};
    struct stacks now = {0};
    contention_read(mutex_wait_records(), &now);
    stacks_merge(&now, &before, -1);
    for (size_t i = 0; i < now.sample_count; i++) {
        add_sample(&now, &now.samples[i], function, &tally);
    }
    stacks_deinit(&now);
    assert_null(tally.unexpected);
    return tally;
}

/* --- known contention --- */

struct known {
    uv_mutex_t mutex;
    uv_cond_t cond;
    bool is_ready; /* what cond is for */
    _Atomic uint64_t waited_ns;
};

static void await_waiters(const void *mutex, uint32_t count)
{
    while (atomic_load(&mutex_wait_homes[mutex_wait_home(mutex)].waiters) < count) {
        (void)sched_yield();
    }
}

static void hold(void)
{
    const uint64_t start_ns = clock_now_ns();
    while (clock_now_ns() - start_ns < HOLD_NS) {
        const struct timespec step = {.tv_nsec = (long)NS_PER_MS};
        (void)nanosleep(&step, NULL);
    }
}

static void wait_for(struct known *known, void (*unlock)(uv_mutex_t *))
{
    const uint64_t start_ns = clock_now_ns();
    uv_mutex_lock(&known->mutex);
    atomic_fetch_add(&known->waited_ns, clock_now_ns() - start_ns);
    unlock(&known->mutex);
}

static void *wait_in_libuv(void *arg)
{
    wait_for(arg, uv_mutex_unlock);
    return NULL;
}

static void start_waiters(pthread_t *threads, size_t count, struct known *known)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_in_libuv, known), 0);
    }
}

static void join_all(const pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* The asm statements keep the calls from becoming jumps. */
static __attribute__((noinline)) void unlock_after_a_while(struct known *known)
{
    hold();
    assert_int_equal(pthread_mutex_unlock(&known->mutex), 0);
    __asm__ volatile("");
}

static __attribute__((noinline)) void uv_unlock_at_once(struct known *known)
{
    uv_mutex_unlock(&known->mutex);
    __asm__ volatile("");
}

static __attribute__((noinline)) void wait_for_condition(struct known *known)
{
    while (!known->is_ready) {
        uv_cond_wait(&known->cond, &known->mutex);
    }
    __asm__ volatile("");
}

static void known_init(struct known *known)
{
    *known = (struct known){0};
    assert_int_equal(uv_mutex_init(&known->mutex), 0);
    assert_int_equal(uv_cond_init(&known->cond), 0);
}

static void known_deinit(struct known *known)
{
    uv_cond_destroy(&known->cond);
    uv_mutex_destroy(&known->mutex);
}

static void test_the_holder_is_charged_with_the_wait(void **state)
{
    (void)state;
    struct known known;
    known_init(&known);
    pthread_t threads[WAITERS];
    uv_mutex_lock(&known.mutex);
    start_waiters(threads, WAITERS, &known);
    await_waiters(&known.mutex, WAITERS);
    const uint32_t label = task_swap_label(LABEL_OTHER);
    unlock_after_a_while(&known);
    task_swap_label(label);
    join_all(threads, WAITERS);
    const struct tally holder = tally_of("test_mutex.unlock_after_a_while");
    const struct tally others = tally_of("test_mutex.wait_in_libuv");
    const int64_t waited_ns = (int64_t)known.waited_ns;
    assert_true(waited_ns >= (int64_t)(WAITERS * HOLD_NS));
    assert_in_range(holder.ns + others.ns, waited_ns * 9 / 10, waited_ns);
    assert_in_range(holder.ns, WAITERS * HOLD_NS, waited_ns);
    assert_int_equal(holder.count, 1);
    assert_int_equal(holder.label, LABEL_OTHER);
    assert_string_equal(holder.innermost, "test_mutex.unlock_after_a_while");
    known_deinit(&known);
}

static void test_a_librarys_locks_are_seen(void **state)
{
    (void)state;
    struct known known;
    known_init(&known);
    pthread_t thread;
    uv_mutex_lock(&known.mutex);
    start_waiters(&thread, 1, &known);
    await_waiters(&known.mutex, 1);
    uv_unlock_at_once(&known);
    join_all(&thread, 1);
    const struct tally holder = tally_of("test_mutex.uv_unlock_at_once");
    assert_int_equal(holder.count, 1);
    assert_string_equal(holder.innermost, "uv_mutex_unlock");
    known_deinit(&known);
}

/* Waits for the mutex that the other lets go of in order to wait for the condition. */
static void *make_ready(void *arg)
{
    struct known *known = arg;
    uv_mutex_lock(&known->mutex);
    known->is_ready = true;
    uv_cond_signal(&known->cond);
    uv_mutex_unlock(&known->mutex);
    return NULL;
}

static void test_waiting_for_a_condition_lets_go(void **state)
{
    (void)state;
    struct known known;
    known_init(&known);
    pthread_t thread;
    uv_mutex_lock(&known.mutex);
    assert_int_equal(pthread_create(&thread, NULL, make_ready, &known), 0);
    await_waiters(&known.mutex, 1);
    wait_for_condition(&known);
    assert_int_equal(pthread_mutex_trylock(&known.mutex), EBUSY); /* it is held again */
    uv_mutex_unlock(&known.mutex);
    join_all(&thread, 1);
    const struct tally holder = tally_of("test_mutex.wait_for_condition");
    assert_int_equal(holder.count, 1);
    assert_string_equal(holder.innermost, "uv_cond_wait");
    known_deinit(&known);
}

static void test_only_the_last_unlock_of_a_recursive_mutex_counts(void **state)
{
    (void)state;
    struct known known = {.mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP};
    pthread_t thread;
    uv_mutex_lock(&known.mutex);
    uv_mutex_lock(&known.mutex);
    start_waiters(&thread, 1, &known);
    await_waiters(&known.mutex, 1);
    uv_mutex_unlock(&known.mutex);
    assert_int_equal(events(), 0);
    uv_mutex_unlock(&known.mutex);
    assert_int_equal(events(), 1);
    join_all(&thread, 1);
}

static void test_without_a_fraction_nothing_is_recorded(void **state)
{
    (void)state;
    struct known known;
    known_init(&known);
    mutex_stop();
    pthread_t thread;
    uv_mutex_lock(&known.mutex);
    start_waiters(&thread, 1, &known);
    hold();
    uv_mutex_unlock(&known.mutex);
    join_all(&thread, 1);
    assert_int_equal(events(), 0);
    assert_false(mutex_wait_is_any(&known.mutex));
    known_deinit(&known);
}

/* --- the source --- */

static int taken_status;

static void on_taken(struct source_take *take, int status)
{
    (void)take;
    taken_status = status;
}

static void test_the_source_hands_out_what_was_recorded(void **state)
{
    (void)state;
    struct mutex_waiter *waiter = mutex_wait_begin(&before);
    mutex_wait_release(&before, 1);
    mutex_wait_end(waiter);
    struct loop *loop;
    struct profile_spec spec = {0};
    struct source_take take = {.done = on_taken};
    taken_status = 1;
    assert_int_equal(loop_create(&loop), 0);
    source_mutex.describe(&spec);
    assert_int_equal(source_mutex.take(loop, pool_rig_get(), &take), 0);
    assert_int_equal(taken_status, 1);
    const uint64_t before_count = source_mutex.count();
    loop_run(loop);
    assert_int_equal(taken_status, 0);
    /* The worker and the loop may contend for the pool's mutex meanwhile. */
    assert_in_range(take.stacks.sample_count, before_count, source_mutex.count());
    assert_true(take.stacks.total > 0);
    assert_string_equal(spec.types[0].type, "contentions");
    assert_string_equal(spec.types[1].unit, "nanoseconds");
    stacks_deinit(&take.stacks);
    loop_destroy(loop);
}

static void test_a_build_without_the_hook_says_so(void **state)
{
    (void)state;
    if (mutex_hook_is_built()) {
        assert_null(source_mutex.check());
    } else {
        assert_non_null(source_mutex.check());
    }
}

static int publish_table(void **state)
{
    static struct maps *maps;
    static struct unwind_table *table;
    (void)state;
    uint64_t low;
    uint64_t high;
    assert_true(maps_find_main_stack(&low, &high));
    bounds_init(low, high);
    assert_int_equal(maps_create(&maps), 0);
    assert_int_equal(unwind_table_create(maps, &table), 0);
    unwind_publish(table);
    return 0;
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(test_the_source_hands_out_what_was_recorded, set_up,
                                        tear_down),
        cmocka_unit_test(test_a_build_without_the_hook_says_so),
    };
    const struct CMUnitTest hooked[] = {
        cmocka_unit_test_setup_teardown(test_the_holder_is_charged_with_the_wait, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_librarys_locks_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_for_a_condition_lets_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_the_last_unlock_of_a_recursive_mutex_counts,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_fraction_nothing_is_recorded, set_up,
                                        tear_down),
    };
    int failed = cmocka_run_group_tests_name("mutex", all, publish_table, NULL);
    if (mutex_hook_is_built()) {
        failed += cmocka_run_group_tests_name("mutex_hook", hooked, NULL, NULL);
    }
    return failed;
}
