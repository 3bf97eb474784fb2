/* SPDX-License-Identifier: MIT
 *
 * test_mutex_hook.c - mutexes behave as the C library's do, whatever is recorded of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "profiling/thread/mutex.h"
#include "profiling/thread/mutex_hook.h"
#include "profiling/thread/mutex_wait.h"

#define STRESS_ROUNDS 1000000
#define ANSWERS_MAX   32

static int set_up(void **state)
{
    (void)state;
    mutex_start(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mutex_stop();
    return 0;
}

static void await_waiters(const void *mutex, uint32_t count)
{
    while (atomic_load(&mutex_wait_homes[mutex_wait_home(mutex)].waiters) < count) {
        (void)sched_yield();
    }
}

/* --- the same answers as the C library's --- */

typedef int (*mutex_fn)(pthread_mutex_t *mutex);

struct functions {
    mutex_fn lock;
    mutex_fn unlock;
};

/* One kind of mutex, and what the functions answered one after the other. */
struct run {
    const struct functions *functions;
    pthread_mutex_t mutex;
    int answers[ANSWERS_MAX];
    size_t count;
};

struct kind {
    int type;
    int protocol;
    int robust;
};

static void answer(struct run *run, int rc)
{
    assert_true(run->count < ANSWERS_MAX);
    run->answers[run->count++] = rc;
}

static void init_mutex(pthread_mutex_t *mutex, const struct kind *kind)
{
    pthread_mutexattr_t attributes;
    assert_int_equal(pthread_mutexattr_init(&attributes), 0);
    assert_int_equal(pthread_mutexattr_settype(&attributes, kind->type), 0);
    assert_int_equal(pthread_mutexattr_setprotocol(&attributes, kind->protocol), 0);
    assert_int_equal(pthread_mutexattr_setrobust(&attributes, kind->robust), 0);
    assert_int_equal(pthread_mutex_init(mutex, &attributes), 0);
    assert_int_equal(pthread_mutexattr_destroy(&attributes), 0);
}

/* What a thread may do that does not hold the mutex. */
static void *try_from_outside(void *arg)
{
    struct run *run = arg;
    const struct timespec past = {0};
    answer(run, pthread_mutex_trylock(&run->mutex));
    answer(run, pthread_mutex_timedlock(&run->mutex, &past));
    const int type = run->mutex.__data.__kind & 3;
    if (type == PTHREAD_MUTEX_ERRORCHECK || type == PTHREAD_MUTEX_RECURSIVE) {
        answer(run, run->functions->unlock(&run->mutex)); /* else undefined */
    }
    return NULL;
}

static void *lock_and_end(void *arg)
{
    struct run *run = arg;
    answer(run, run->functions->lock(&run->mutex));
    return NULL;
}

static void on_thread(void *(*function)(void *), struct run *run)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, function, run), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void run_owner_deaths(struct run *run)
{
    on_thread(lock_and_end, run);
    answer(run, run->functions->lock(&run->mutex)); /* EOWNERDEAD */
    answer(run, pthread_mutex_consistent(&run->mutex));
    answer(run, run->functions->unlock(&run->mutex));
    on_thread(lock_and_end, run);
    answer(run, run->functions->lock(&run->mutex));
    answer(run, run->functions->unlock(&run->mutex)); /* not made consistent */
    answer(run, run->functions->lock(&run->mutex));   /* ENOTRECOVERABLE */
}

static struct run run_kind(const struct kind *kind, const struct functions *functions)
{
    struct run run = {.functions = functions};
    init_mutex(&run.mutex, kind);
    answer(&run, functions->lock(&run.mutex));
    on_thread(try_from_outside, &run);
    if (kind->type == PTHREAD_MUTEX_ERRORCHECK || kind->type == PTHREAD_MUTEX_RECURSIVE) {
        const int rc = functions->lock(&run.mutex);
        answer(&run, rc);
        if (rc == 0) {
            answer(&run, functions->unlock(&run.mutex));
        }
    }
    answer(&run, functions->unlock(&run.mutex));
    if (kind->type == PTHREAD_MUTEX_ERRORCHECK || kind->type == PTHREAD_MUTEX_RECURSIVE) {
        answer(&run, functions->unlock(&run.mutex)); /* EPERM */
    }
    answer(&run, pthread_mutex_trylock(&run.mutex));
    answer(&run, functions->unlock(&run.mutex));
    if (kind->robust == PTHREAD_MUTEX_ROBUST) {
        run_owner_deaths(&run);
    }
    assert_int_equal(pthread_mutex_destroy(&run.mutex), 0);
    return run;
}

static void compare_kind(const struct kind *kind, const struct functions *real)
{
    static const struct functions ours = {pthread_mutex_lock, pthread_mutex_unlock};
    static const uint32_t fractions[] = {0, 1, 10};
    const struct run expected = run_kind(kind, real);
    assert_true(expected.count >= 5);
    for (size_t i = 0; i < ARRAY_COUNT(fractions); i++) {
        mutex_start(fractions[i]);
        const struct run run = run_kind(kind, &ours);
        assert_int_equal(run.count, expected.count);
        assert_memory_equal(run.answers, expected.answers, sizeof(run.answers));
    }
}

static void test_every_kind_answers_as_the_real_one(void **state)
{
    (void)state;
    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP};
    static const int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};
    static const int robusts[] = {PTHREAD_MUTEX_STALLED, PTHREAD_MUTEX_ROBUST};
    const struct functions real = {
        .lock = (mutex_fn)dlsym(RTLD_NEXT, "pthread_mutex_lock"),
        .unlock = (mutex_fn)dlsym(RTLD_NEXT, "pthread_mutex_unlock"),
    };
    assert_ptr_not_equal(real.lock, pthread_mutex_lock);
    for (size_t t = 0; t < ARRAY_COUNT(types); t++) {
        for (size_t p = 0; p < ARRAY_COUNT(protocols); p++) {
            for (size_t r = 0; r < ARRAY_COUNT(robusts); r++) {
                const struct kind kind = {types[t], protocols[p], robusts[r]};
                compare_kind(&kind, &real);
            }
        }
    }
}

static void test_static_initialisers(void **state)
{
    (void)state;
    pthread_mutex_t mutexes[] = {
        PTHREAD_MUTEX_INITIALIZER,
        PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
        PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
        PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP,
    };
    for (size_t i = 0; i < ARRAY_COUNT(mutexes); i++) {
        assert_int_equal(pthread_mutex_lock(&mutexes[i]), 0);
        assert_int_equal(pthread_mutex_unlock(&mutexes[i]), 0);
    }
}

/* A waiter whose mutex's owner dies while it waits. */
static void *wait_for_a_dying_owner(void *arg)
{
    pthread_mutex_t *mutex = arg;
    const int rc = pthread_mutex_lock(mutex);
    if (rc == EOWNERDEAD) {
        (void)pthread_mutex_consistent(mutex);
        (void)pthread_mutex_unlock(mutex);
    }
    return (void *)(intptr_t)rc;
}

static void *die_when_waited_for(void *arg)
{
    if (pthread_mutex_lock(arg) == 0) {
        await_waiters(arg, 1);
    }
    return NULL;
}

static void test_a_waiter_learns_that_the_owner_died(void **state)
{
    (void)state;
    const struct kind kind = {PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST};
    pthread_mutex_t mutex;
    pthread_t owner;
    pthread_t waiter;
    void *rc;
    init_mutex(&mutex, &kind);
    assert_int_equal(pthread_create(&owner, NULL, die_when_waited_for, &mutex), 0);
    while (pthread_mutex_trylock(&mutex) == 0) {
        assert_int_equal(pthread_mutex_unlock(&mutex), 0);
        (void)sched_yield();
    }
    assert_int_equal(pthread_create(&waiter, NULL, wait_for_a_dying_owner, &mutex), 0);
    assert_int_equal(pthread_join(owner, NULL), 0);
    assert_int_equal(pthread_join(waiter, &rc), 0);
    assert_int_equal((intptr_t)rc, EOWNERDEAD);
    assert_false(mutex_wait_is_any(&mutex));
    assert_int_equal(pthread_mutex_destroy(&mutex), 0);
}

/* --- cancelling --- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool is_ready;
} cancelled = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void unlock_cancelled(void *arg)
{
    (void)arg;
    (void)pthread_mutex_unlock(&cancelled.mutex);
}

static void *wait_to_be_cancelled(void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&cancelled.mutex);
    pthread_cleanup_push(unlock_cancelled, NULL);
    cancelled.is_ready = true; /* nobody else gets the mutex before it waits */
    for (;;) {
        (void)pthread_cond_wait(&cancelled.cond, &cancelled.mutex);
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void *lock_while_cancelled(void *arg)
{
    (void)pthread_cancel(pthread_self());
    (void)pthread_mutex_lock(&cancelled.mutex); /* is no point of cancellation */
    (void)pthread_mutex_unlock(&cancelled.mutex);
    *(bool *)arg = true;
    pthread_testcancel();
    return NULL;
}

static void test_a_wait_for_a_condition_can_be_cancelled(void **state)
{
    (void)state;
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, wait_to_be_cancelled, NULL), 0);
    (void)pthread_mutex_lock(&cancelled.mutex);
    while (!cancelled.is_ready) {
        (void)pthread_mutex_unlock(&cancelled.mutex);
        (void)sched_yield();
        (void)pthread_mutex_lock(&cancelled.mutex);
    }
    assert_int_equal(pthread_cancel(thread), 0);
    (void)pthread_mutex_unlock(&cancelled.mutex);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(pthread_mutex_trylock(&cancelled.mutex), 0); /* the clean-up let it go */
    (void)pthread_mutex_unlock(&cancelled.mutex);
}

static void test_a_lock_is_no_point_of_cancellation(void **state)
{
    (void)state;
    pthread_t thread;
    void *result;
    bool has_locked = false;
    assert_int_equal(pthread_create(&thread, NULL, lock_while_cancelled, &has_locked), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_true(has_locked);
}

/* --- many --- */

#define STRESS_THREADS 4
#define STRESS_MUTEXES 3

static pthread_mutex_t stressed[STRESS_MUTEXES];
static uint64_t stress_sums[STRESS_MUTEXES];

static void *stress(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < STRESS_ROUNDS; i++) {
        const size_t which = i % STRESS_MUTEXES;
        (void)pthread_mutex_lock(&stressed[which]);
        stress_sums[which]++;
        (void)pthread_mutex_unlock(&stressed[which]);
    }
    return NULL;
}

static void test_millions_of_locks(void **state)
{
    (void)state;
    pthread_t threads[STRESS_THREADS];
    uint64_t sum = 0;
    for (size_t i = 0; i < STRESS_MUTEXES; i++) {
        assert_int_equal(pthread_mutex_init(&stressed[i], NULL), 0);
    }
    for (size_t i = 0; i < STRESS_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, stress, NULL), 0);
    }
    for (size_t i = 0; i < STRESS_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (size_t i = 0; i < STRESS_MUTEXES; i++) {
        sum += stress_sums[i];
        assert_false(mutex_wait_is_any(&stressed[i]));
        assert_int_equal(pthread_mutex_destroy(&stressed[i]), 0);
    }
    assert_int_equal(sum, STRESS_THREADS * STRESS_ROUNDS);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(test_static_initialisers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_for_a_condition_can_be_cancelled, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_lock_is_no_point_of_cancellation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_millions_of_locks, set_up, tear_down),
    };
    /* A sanitizer calls it an error to unlock what is not locked. */
    const struct CMUnitTest hooked[] = {
        cmocka_unit_test_setup_teardown(test_every_kind_answers_as_the_real_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_waiter_learns_that_the_owner_died, set_up,
                                        tear_down),
    };
    int failed = cmocka_run_group_tests_name("mutex_kinds", all, NULL, NULL);
    if (mutex_hook_is_built()) {
        failed += cmocka_run_group_tests_name("mutex_hook", hooked, NULL, NULL);
    }
    return failed;
}
