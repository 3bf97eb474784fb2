/* SPDX-License-Identifier: MIT
 *
 * diag_loop.h - the loop of diagnostics: a small one on a thread of its own, toq-diag, which
 * answers while a handler holds the work loop; or the work loop itself.
 *
 * Flow:   diag_loop_create -> handles are opened on it -> diag_loop_start, last -> loop_stop on it
 *         -> diag_loop_join -> diag_loop_destroy
 * Thread: main.
 */
#ifndef TOQ_CORE_APP_DIAG_LOOP_H
#define TOQ_CORE_APP_DIAG_LOOP_H

#include <pthread.h>

#include "core/loop/loop.h"

struct diag_loop {
    struct loop *loop;
    bool is_own; /* false: it is the work loop */
    bool is_running;
    pthread_t thread;
};

/* diag_loop_create makes the loop; with is_own false it takes the work loop.
 *
 * Returns: 0; what loop_create says.
 */
MUST_USE int diag_loop_create(struct diag_loop *diag, struct loop *work, bool is_own);

/* diag_loop_start runs a loop of its own on its thread, which receives the process's signals from
 * now on.
 *
 * Returns: 0; -EAGAIN.
 */
MUST_USE int diag_loop_start(struct diag_loop *diag);

/* diag_loop_join waits for the loop to stop. Harmless when it has, or when it was not started. */
void diag_loop_join(struct diag_loop *diag);

/* diag_loop_destroy frees a loop of its own; as loop_destroy. */
void diag_loop_destroy(struct diag_loop *diag);

#endif
