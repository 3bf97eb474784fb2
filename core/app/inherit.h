/* SPDX-License-Identifier: MIT
 *
 * inherit.h - what the process inherits from its parent: descriptors, signals, limits.
 *
 * Flow:   inherit_settle, first in main -> ... the log starts -> inherit_log
 * Thread: main.
 */
#ifndef TOQ_CORE_APP_INHERIT_H
#define TOQ_CORE_APP_INHERIT_H

#include <signal.h>

#include "core/base/base.h"

/* What the parent left, as far as inherit_settle changed it or left it so. */
struct inherited {
    unsigned closed_fds; /* of descriptors 0 to 2 */
    sigset_t blocked;
    bool is_hangup_ignored;
    bool is_interrupt_ignored;
};

/* inherit_settle sets what the server relies on, whatever the parent left:
 *
 * - descriptors 0 to 2 are open, on /dev/null when they were closed;
 * - no signal is blocked;
 * - SIGPIPE and SIGXFSZ are ignored: what writes gets EPIPE or EFBIG and says so. An ignored SIGHUP
 *   or SIGINT stays ignored, as nohup wants: see signals_start;
 * - as many descriptors as the hard limit allows.
 *
 * The umask does not matter: the files that the server creates are its user's alone (0600).
 */
void inherit_settle(struct inherited *ret_inherited);

/* inherit_log says what inherit_settle changed, and what limits the server it cannot change. */
void inherit_log(const struct inherited *inherited);

#endif
