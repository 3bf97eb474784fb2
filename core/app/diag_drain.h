/* SPDX-License-Identifier: MIT
 *
 * diag_drain.h - ends diagnostics after everything else: captures that have begun may end, then the
 * listeners close. Until then diagnostics answer.
 *
 * Flow:   diag_drain_begin -> captures -> listeners, connections and spans that wait to be exported
 *         -> the loop of diagnostics stops, when it is one of its own -> on_over
 * Thread: the loop of diagnostics, unless a function says otherwise.
 */
#ifndef TOQ_CORE_APP_DIAG_DRAIN_H
#define TOQ_CORE_APP_DIAG_DRAIN_H

#include "core/app/app_servers.h"
#include "core/app/phases.h"
#include "core/export/exporter.h"

enum diag_phase {
    DIAG_SERVING,
    DIAG_CAPTURES, /* begun before this phase: those that are begun in it are cancelled with it */
    DIAG_CLOSING,
    DIAG_ENDED,
};

/* What ends, and who is told; all of it outlives the drain. */
struct diag_draining {
    struct loop *loop;
    struct conn_set *conns;
    struct app_servers *servers;
    struct exporter *exporter; /* of spans; NULL: none */
    struct loop *work; /* on which on_over runs; the same as `loop`, where there is one loop */
    void (*on_over)(void *arg);
    void *arg;
};

struct diag_drain {
    struct diag_draining what;
    struct phases phases; /* enum diag_phase */
    uint64_t captures_ns; /* when DIAG_CAPTURES began */
    struct wheel_timer look;
    bool is_exported; /* spans have been sent, or dropped */
    bool is_cut;      /* nobody is waited for any more */
    struct loop_post begin;
    struct loop_post cancel;
    struct loop_post cut;
    struct loop_post over;
};

/* diag_drain_init prepares a drain that has not begun. */
void diag_drain_init(struct diag_drain *drain, const struct diag_draining *what);

/* diag_drain_begin begins it, soon. Thread: the work loop. */
void diag_drain_begin(struct diag_drain *drain);

/* diag_drain_cancel cancels the requests that are under way, once. Thread: the work loop. */
void diag_drain_cancel(struct diag_drain *drain);

/* diag_drain_cut closes the connections that are left, and waits for nobody from then on; once.
 * Thread: the work loop. */
void diag_drain_cut(struct diag_drain *drain);

#endif
