/* SPDX-License-Identifier: MIT
 *
 * pprof_accounts.h - metrics of the profiler itself.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_ACCOUNTS_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_ACCOUNTS_H

#include "core/base/base.h"
#include "core/telemetry/metrics.h"

/* Profiles that were asked for, by their names. */
struct pprof_accounts {
    struct metric_family *served;
    struct metric_family *failed;
};

/* pprof_accounts_register adds the families. Returns: 0; UV_ENOMEM. */
MUST_USE int pprof_accounts_register(struct pprof_accounts *accounts, struct metrics *metrics);

/* pprof_accounts_count counts a request for a profile: one that got it, or one that did not.
 *
 * profile: its name, a literal.
 */
void pprof_accounts_count(const struct pprof_accounts *accounts, const char *profile,
                          bool is_served);

#endif
