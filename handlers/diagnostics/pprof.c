/* SPDX-License-Identifier: MIT
 *
 * pprof.c - the profiler started and stopped with the server.
 */
#include "handlers/diagnostics/pprof.h"

#include <errno.h>

#include "core/telemetry/log.h"
#include "handlers/diagnostics/pprof_accounts.h"
#include "profiling/profiler.h"

static void log_itimer(int status)
{
    LOG(LOG_WARN, "pprof", "threads cannot have CPU timers: the process's paces the samples",
        log_cstr("error", status == -EAGAIN
                              ? "resource temporarily unavailable: RLIMIT_SIGPENDING is used up"
                              : profiler_strerror(status)));
}

int pprof_start(struct pprof *pprof, struct metrics *metrics)
{
    const struct profiler_options options = {
        .loop = pprof->loop,
        .pool = pprof->pool,
        .mutex_fraction = (uint32_t)pprof->mutex_fraction,
        .history_windows = pprof->history_windows,
        .block_ms = pprof->block_ms,
        .on_itimer = log_itimer,
    };
    const int rc = pprof_accounts_register(metrics);
    return rc < 0 ? rc : profiler_start(&options);
}

void pprof_stop(struct pprof *pprof)
{
    (void)pprof;
    profiler_stop();
}
