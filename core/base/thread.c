/* SPDX-License-Identifier: MIT
 *
 * thread.c - a thread inherits the signal mask of its creator.
 */
#include "core/base/thread.h"

#include <signal.h>

int thread_start(void *(*run)(void *), void *arg, pthread_t *ret_thread)
{
    sigset_t blocked;
    sigset_t previous;
    (void)sigfillset(&blocked);
    (void)sigdelset(&blocked, SIGPROF);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, &previous);
    const int error = pthread_create(ret_thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return -error;
}
