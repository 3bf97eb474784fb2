/* SPDX-License-Identifier: MIT
 *
 * thread_stack.c - asks one question at a time; its number keeps a late answer from being taken for
 * that to a new question.
 */
#include "profiling/cpu/thread_stack.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/clock.h"
#include "profiling/cpu/asleep.h"

static pthread_mutex_t asker = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_number;
static const struct loop *work_loop; /* under the asker's lock; NULL: none */
static pid_t work_tid;

static void set_work(const struct loop *loop)
{
    (void)pthread_mutex_lock(&asker);
    work_loop = loop;
    work_tid = gettid();
    (void)pthread_mutex_unlock(&asker);
}

void thread_stack_init(const struct loop *work)
{
    static bool is_initialised;
    if (!is_initialised) {
        (void)sem_init(&thread_signal.answered, 0, 0); /* cannot fail with these arguments */
        is_initialised = true;
    }
    set_work(work);
}

void thread_stack_deinit(void)
{
    set_work(NULL);
}

static int ask(pid_t tid, uint64_t number)
{
    atomic_store(&thread_signal.tid, tid);
    atomic_store(&thread_signal.state, number * THREAD_SIGNAL_PHASES + THREAD_SIGNAL_ASKED);
    return tgkill(getpid(), tid, SIGPROF) == 0 ? 0 : -errno;
}

/* withdraw takes the question back.
 *
 * Returns: false when the thread is answering already. */
static bool withdraw(uint64_t number)
{
    uint_fast64_t state = number * THREAD_SIGNAL_PHASES + THREAD_SIGNAL_ASKED;
    return atomic_compare_exchange_strong(&thread_signal.state, &state,
                                          number * THREAD_SIGNAL_PHASES + THREAD_SIGNAL_IDLE);
}

/* wait_until waits for the answer up to a time of the monotonic clock; it goes on when this thread
 * is sampled, too. */
static bool wait_until(uint64_t end_ns)
{
    const struct timespec deadline = {(time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S)};
    int rc;
    do {
        rc = sem_clockwait(&thread_signal.answered, CLOCK_MONOTONIC, &deadline);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

static int take_by_signal(pid_t tid, uint64_t end_ns, struct thread_stack *ret_stack)
{
    const uint64_t number = ++last_number;
    int status = ask(tid, number);
    if (status == 0 && !wait_until(end_ns)) {
        status = UV_ETIMEDOUT;
    }
    if (status != 0 && !withdraw(number)) {
        status = wait_until(INT64_MAX) ? 0 : UV_ETIMEDOUT; /* the answer is being written */
    }
    const uint_fast64_t wanted = number * THREAD_SIGNAL_PHASES + THREAD_SIGNAL_ANSWERED;
    INVARIANT(status != 0 || atomic_load(&thread_signal.state) == wanted);
    if (status == 0) {
        const struct thread_stack *answer = &thread_signal.stack;
        memcpy(ret_stack, answer,
               offsetof(struct thread_stack, frames) +
                   answer->frame_count * sizeof(answer->frames[0]));
    }
    return status;
}

int thread_stack_take(pid_t tid, uint64_t timeout_ns, struct thread_stack *ret_stack)
{
    (void)pthread_mutex_lock(&asker);
    const uint64_t end_ns = clock_now_ns() + timeout_ns;
    int status = asleep_take(tid, tid == work_tid ? work_loop : NULL, end_ns, ret_stack);
    if (status == UV_EAGAIN) {
        status = take_by_signal(tid, end_ns, ret_stack);
    }
    (void)pthread_mutex_unlock(&asker);
    return status;
}
