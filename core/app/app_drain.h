/* SPDX-License-Identifier: MIT
 *
 * app_drain.h - the drain: ends the server in phases, and logs what each phase waits for.
 *
 * Flow:    readiness 503 and gRPC's health NOT_SERVING -> SHUTDOWN_DELAY_MS, in which all is served
 *          -> traffic: its listeners close, idle connections end, streams are told, requests finish
 *          -> the clients of MySQL and Redis -> captures that were begun before -> diagnostics,
 *          which answer until then -> loop_stop
 * Failure: SHUTDOWN_TIMEOUT_MS after the signal the remaining requests are cancelled; shortly
 *          afterwards their connections are closed.
 * Thread:  the work loop.
 */
#ifndef TOQ_CORE_APP_APP_DRAIN_H
#define TOQ_CORE_APP_APP_DRAIN_H

#include "core/app/app_data.h"
#include "core/app/app_servers.h"
#include "core/app/diag_drain.h"

enum app_phase {
    APP_SERVING,
    APP_ANNOUNCING, /* SHUTDOWN_DELAY_MS: balancers see that the server is not ready */
    APP_TRAFFIC,
    APP_DATA,
    APP_DIAGNOSTICS, /* diag_drain.h */
    APP_ENDED,
};

/* What ends; all of it outlives the drain. */
struct app_draining {
    const struct config *config;
    struct loop *loop;
    struct conn_set *conns;
    struct conn_set *diag_conns;
    struct app_servers *servers;
    struct app_data *data;
    const struct app_modules *modules;
    struct exporter *exporter; /* of spans; NULL: none */
    atomic_bool *is_draining;  /* told to all from the signal on */
};

struct app_drain {
    struct app_draining what;
    struct phases phases; /* enum app_phase */
    struct wheel_timer delay;
    struct wheel_timer timeout;
    struct wheel_timer data_timeout;
    bool is_cancelled; /* the requests that were left when the time was up */
    bool is_cut;       /* ... and then their connections */
    bool is_data_closed;
    bool is_data_left; /* without waiting for it any longer */
    bool is_diagnostics_over;
    struct diag_drain diagnostics;
};

/* app_drain_init prepares a drain that has not begun. */
void app_drain_init(struct app_drain *drain, const struct app_draining *what);

/* app_drain_begin begins it; in the end it stops the loop. signo: the signal that wants it. */
void app_drain_begin(struct app_drain *drain, int signo);

/* app_drain_stop unsets its timers. */
void app_drain_stop(struct app_drain *drain);

#endif
