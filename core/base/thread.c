/* SPDX-License-Identifier: MIT
 *
 * thread.c - starts threads with all signals blocked but SIGPROF and those of faults, and with a
 * second stack for handlers.
 */
#include "core/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "core/base/alt_stack.h"

struct start {
    void *(*run)(void *);
    void *arg;
};

static void *run_start(void *arg)
{
    const struct start start = *(struct start *)arg;
    free(arg);
    alt_stack_start();
    void *result = start.run(start.arg);
    alt_stack_stop();
    return result;
}

/* A fault whose signal is blocked ends the process without its handler. */
static void fill_blocked(sigset_t *ret_blocked)
{
    static const int taken[] = {SIGPROF, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    (void)sigfillset(ret_blocked);
    for (size_t i = 0; i < ARRAY_COUNT(taken); i++) {
        (void)sigdelset(ret_blocked, taken[i]);
    }
}

int thread_start(void *(*run)(void *), void *arg, pthread_t *ret_thread)
{
    struct start *start = malloc(sizeof(*start));
    if (start == NULL) {
        return -EAGAIN;
    }
    *start = (struct start){run, arg};
    sigset_t blocked;
    sigset_t previous;
    fill_blocked(&blocked);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &previous);
    const int error = pthread_create(ret_thread, NULL, run_start, start);
    (void)pthread_sigmask(SIG_SETMASK, &previous, NULL);
    if (error != 0) {
        free(start);
    }
    return -error;
}
