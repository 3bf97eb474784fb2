/* SPDX-License-Identifier: MIT
 *
 * signals.h - SIGINT and SIGTERM stop the server gracefully, a second one at once; SIGHUP reloads;
 * SIGQUIT dumps what the server does.
 *
 * The handlers are our own, not libuv's: a signal must end the process even when a callback holds
 * the loop, and libuv would deliver it to the loop.
 *
 * Thread: main.
 */
#ifndef TOQ_CORE_LOOP_SIGNALS_H
#define TOQ_CORE_LOOP_SIGNALS_H

#include "core/loop/loop.h"

/* The callbacks, and the loop that they run on. */
struct signals_options {
    struct loop *loop;
    void (*on_stop)(void *arg, int signo); /* once */
    /* Ends the process; if the loop is held, a third signal does. NULL: the second signal ends it
     * at once, from its handler. */
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

/* signals_start installs the handlers. SIGHUP, SIGINT and SIGQUIT stay ignored if they are: nohup
 * and shells that start background jobs rely on that. One struct per process.
 *
 * Returns: 0; an error of libuv.
 */
MUST_USE int signals_start(struct signals *signals, const struct signals_options *options);

/* signals_stop closes the loop's side; from now on SIGINT and SIGTERM end the process at once. */
void signals_stop(struct signals *signals);

#endif
