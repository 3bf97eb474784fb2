/* SPDX-License-Identifier: MIT
 *
 * signals.c - signal handlers that set a flag and wake the loop.
 */
#include "core/loop/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static uv_async_t *_Atomic wakeup;
static atomic_int stop_signo;   /* the first SIGINT or SIGTERM; 0 before it */
static atomic_int second_signo; /* the second; 0 before it */
static atomic_bool is_second_told;
static atomic_bool is_reload_due;
static atomic_bool is_dump_due;

static void on_signal(int signo)
{
    uv_async_t *async = atomic_load(&wakeup);
    if (signo == SIGHUP) {
        atomic_store(&is_reload_due, true);
    } else if (signo == SIGQUIT) {
        atomic_store(&is_dump_due, true);
    } else {
        int none = 0;
        int no_second = 0;
        if (async == NULL ||
            (!atomic_compare_exchange_strong(&stop_signo, &none, signo) &&
             (!atomic_load(&is_second_told) ||
              !atomic_compare_exchange_strong(&second_signo, &no_second, signo)))) {
            _exit(128 + signo); /* as a shell reports it: 130, 143 */
        }
    }
    if (async != NULL) {
        (void)uv_async_send(async); /* the one libuv call that is async-signal-safe */
    }
}

static void on_wakeup(uv_async_t *handle)
{
    struct signals *signals = CONTAINER_OF(handle, struct signals, wakeup);
    const struct signals_options *options = &signals->options;
    const int signo = atomic_load(&stop_signo);
    const int second = atomic_load(&second_signo);
    if (signo != 0 && signals->stop_signo == 0) {
        signals->stop_signo = signo;
        options->on_stop(options->arg, signo);
    }
    if (second != 0) {
        options->on_second_stop(options->arg, second);
    }
    if (atomic_exchange(&is_reload_due, false)) {
        options->on_reload(options->arg);
    }
    if (atomic_exchange(&is_dump_due, false)) {
        options->on_dump(options->arg);
    }
}

/* sigaction fails only for a signal that does not exist. */
static void handle_unless_ignored(int signo, const struct sigaction *action)
{
    struct sigaction before;
    if (sigaction(signo, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
        (void)sigaction(signo, action, NULL);
    }
}

int signals_start(struct signals *signals, const struct signals_options *options)
{
    *signals = (struct signals){.options = *options};
    const int rc = uv_async_init(loop_uv(options->loop), &signals->wakeup, on_wakeup);
    if (rc < 0) {
        return rc;
    }
    atomic_store(&stop_signo, 0);
    atomic_store(&second_signo, 0);
    atomic_store(&is_second_told, options->on_second_stop != NULL);
    atomic_store(&wakeup, &signals->wakeup);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask);
    handle_unless_ignored(SIGINT, &action);
    handle_unless_ignored(SIGHUP, &action);
    handle_unless_ignored(SIGQUIT, &action);
    (void)sigaction(SIGTERM, &action, NULL);
    return 0;
}

void signals_stop(struct signals *signals)
{
    atomic_store(&wakeup, NULL);
    uv_close((uv_handle_t *)&signals->wakeup, NULL);
}
