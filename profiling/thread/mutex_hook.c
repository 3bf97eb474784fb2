/* SPDX-License-Identifier: MIT
 *
 * mutex_hook.c - the functions in front of the C library's mutexes.
 *
 * They run inside malloc, before main and in every thread: no allocation, no lock of our own. The
 * functions that they call take no mutex, so they do not recurse.
 */
#include "profiling/thread/mutex_hook.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "profiling/thread/mutex_wait.h"
#include "profiling/walk/arch.h"

#define KIND_TYPE 3 /* the bits of a mutex's kind that are its PTHREAD_MUTEX_* type */

typedef int (*mutex_fn)(pthread_mutex_t *mutex);
typedef int (*wait_fn)(pthread_cond_t *cond, pthread_mutex_t *mutex);
typedef int (*timedwait_fn)(pthread_cond_t *cond, pthread_mutex_t *mutex,
                            const struct timespec *deadline);
typedef int (*clockwait_fn)(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                            const struct timespec *deadline);

enum real { REAL_LOCK, REAL_TRYLOCK, REAL_UNLOCK, REAL_WAIT, REAL_TIMEDWAIT, REAL_CLOCKWAIT };

static const char *const names[] = {
    [REAL_LOCK] = "pthread_mutex_lock",          [REAL_TRYLOCK] = "pthread_mutex_trylock",
    [REAL_UNLOCK] = "pthread_mutex_unlock",      [REAL_WAIT] = "pthread_cond_wait",
    [REAL_TIMEDWAIT] = "pthread_cond_timedwait", [REAL_CLOCKWAIT] = "pthread_cond_clockwait",
};

static _Atomic(void *) reals[ARRAY_COUNT(names)];

/* find_reals looks all of them up, whichever is called first. dlsym takes the loader's lock, but
 * not through us, and allocates only when it fails (glibc 2.36, dlfcn/dlerror.c); an allocator may
 * have called before main, and else the constructor does it while there is one thread. */
static __attribute__((constructor)) void find_reals(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        void *real = dlsym(RTLD_NEXT, names[i]);
        INVARIANT(real != NULL);
        atomic_store_explicit(&reals[i], real, memory_order_relaxed);
    }
}

static inline void *find(enum real which)
{
    if (UNLIKELY(atomic_load_explicit(&reals[which], memory_order_relaxed) == NULL)) {
        find_reals();
    }
    return atomic_load_explicit(&reals[which], memory_order_relaxed);
}

/* A recursive mutex that was locked more than once stays locked. */
static bool is_kept(const pthread_mutex_t *mutex)
{
    return (mutex->__data.__kind & KIND_TYPE) == PTHREAD_MUTEX_RECURSIVE &&
           mutex->__data.__count > 1;
}

/* Before a mutex is unlocked: afterwards it may be gone, and so may be its waiters. */
static __attribute__((noinline)) void charge(const pthread_mutex_t *mutex, void *return_address)
{
    if (!is_kept(mutex)) {
        mutex_wait_release(mutex, arch_code_address((uintptr_t)return_address) - 1);
    }
}

static inline bool is_waited_for(const pthread_mutex_t *mutex)
{
    return mutex_wait_is_on() && UNLIKELY(mutex_wait_is_any(mutex));
}

static __attribute__((noinline)) int lock_after_wait(pthread_mutex_t *mutex)
{
    struct mutex_waiter *waiter = mutex_wait_begin(mutex);
    const int rc = ((mutex_fn)find(REAL_LOCK))(mutex);
    mutex_wait_end(waiter);
    return rc;
}

/* EBUSY is the one answer of a trylock that a lock would not give. */
int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (!mutex_wait_is_on()) {
        return ((mutex_fn)find(REAL_LOCK))(mutex);
    }
    const int rc = ((mutex_fn)find(REAL_TRYLOCK))(mutex);
    return LIKELY(rc != EBUSY) ? rc : lock_after_wait(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (is_waited_for(mutex)) {
        charge(mutex, __builtin_return_address(0));
    }
    return ((mutex_fn)find(REAL_UNLOCK))(mutex);
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (is_waited_for(mutex)) {
        charge(mutex, __builtin_return_address(0));
    }
    return ((wait_fn)find(REAL_WAIT))(cond, mutex);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *deadline)
{
    if (is_waited_for(mutex)) {
        charge(mutex, __builtin_return_address(0));
    }
    return ((timedwait_fn)find(REAL_TIMEDWAIT))(cond, mutex, deadline);
}

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *deadline)
{
    if (is_waited_for(mutex)) {
        charge(mutex, __builtin_return_address(0));
    }
    return ((clockwait_fn)find(REAL_CLOCKWAIT))(cond, mutex, clock, deadline);
}

bool mutex_hook_is_built(void)
{
    return true;
}
