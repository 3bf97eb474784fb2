/* SPDX-License-Identifier: MIT
 *
 * diag_loop.c - the thread of diagnostics.
 */
#include "core/app/diag_loop.h"

#include <signal.h>

#include "core/base/thread.h"

/* change_signals blocks or unblocks the signals that the server has handlers for, on the calling
 * thread. */
static void change_signals(int how)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(how, &set, NULL);
}

int diag_loop_create(struct diag_loop *diag, struct loop *work, bool is_own)
{
    *diag = (struct diag_loop){.loop = work, .is_own = is_own};
    return is_own ? loop_create(&diag->loop) : 0;
}

static void *run(void *arg)
{
    struct loop *loop = arg;
    (void)pthread_setname_np(pthread_self(), "toq-diag");
    change_signals(SIG_UNBLOCK);
    loop_run(loop);
    return NULL;
}

int diag_loop_start(struct diag_loop *diag)
{
    if (!diag->is_own) {
        return 0;
    }
    loop_ref(diag->loop); /* it runs with or without listeners */
    const int rc = thread_start(run, diag->loop, &diag->thread);
    if (rc < 0) {
        loop_unref(diag->loop);
        return rc;
    }
    diag->is_running = true;
    change_signals(SIG_BLOCK);
    return 0;
}

void diag_loop_join(struct diag_loop *diag)
{
    if (diag->is_running) {
        (void)pthread_join(diag->thread, NULL);
        change_signals(SIG_UNBLOCK);
        loop_unref(diag->loop);
        diag->is_running = false;
    }
}

void diag_loop_destroy(struct diag_loop *diag)
{
    if (diag->is_own) {
        loop_destroy(diag->loop);
    }
}
