/* SPDX-License-Identifier: MIT
 *
 * signals.h - SIGINT and SIGTERM stop the server gracefully, a second one at once; SIGHUP reloads;
 * SIGQUIT has the server say what it does.
 *
 * The handlers are our own, not libuv's: a signal must end the process even when a callback holds
 * the loop, and libuv would deliver it to the loop.
 *
 * Thread: main.
 */
#ifndef TOQ_CORE_LOOP_SIGNALS_H
#define TOQ_CORE_LOOP_SIGNALS_H

#include "core/loop/loop.h"

/* Who is told, on which loop. */
struct signals_options {
    struct loop *loop;
    void (*on_stop)(void *arg, int signo); /* once */
    /* Once, and ends the process; another signal does, should the loop be held. NULL: the second
     * signal ends it at once, from its handler. */
    void (*on_second_stop)(void *arg, int signo);
    void (*on_reload)(void *arg);
    void (*on_dump)(void *arg);
    void *arg;
};

struct signals {
    uv_async_t wakeup;
    struct signals_options options;
    int stop_signo; /* handed to on_stop already */
};

/* signals_start installs the handlers. SIGHUP, SIGINT and SIGQUIT stay ignored when they are:
 * nohup, and a shell that starts a background job, want it so. One struct a process.
 *
 * Returns: 0; what libuv says.
 */
MUST_USE int signals_start(struct signals *signals, const struct signals_options *options);

/* signals_stop closes the loop's side; from now on each of the signals ends the process. */
void signals_stop(struct signals *signals);

#endif
