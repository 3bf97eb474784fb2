/* SPDX-License-Identifier: MIT
 *
 * pprof.c - starts and stops the profiler with the server.
 */
#include "handlers/diagnostics/pprof/pprof.h"

#include <errno.h>
#include <sysexits.h>

#include "core/telemetry/log.h"
#include "profiling/code/symbolize.h"
#include "profiling/profiler.h"
#include "profiling/task/stack_line.h"

static void log_itimer(int status)
{
    LOG(LOG_WARN, "pprof", "threads cannot have CPU timers: the process's paces the samples",
        log_cstr("error", status == -EAGAIN
                              ? "resource temporarily unavailable: RLIMIT_SIGPENDING is used up"
                              : profiler_strerror(status)));
}

bool pprof_is_built(void)
{
    return true;
}

int pprof_start(struct pprof *pprof, struct metrics *metrics)
{
    const struct profiler_options options = {
        .loop = pprof->loop,
        .pool = pprof->pool,
        .work = pprof->work,
        .mutex_fraction = (uint32_t)pprof->mutex_fraction,
        .history_windows = pprof->history_windows,
        .block_ms = pprof->block_ms,
        .on_itimer = log_itimer,
    };
    list_init(&pprof->waiters);
    int rc = pprof_accounts_register(&pprof->accounts, metrics);
    pool_on_thread(pprof->pool, profiler_join_thread);
    rc = rc < 0 ? rc : profiler_start(&options);
    pprof->is_started = rc == 0;
    return rc;
}

void pprof_stop(struct pprof *pprof)
{
    pprof->is_started = false;
    profiler_stop();
}

int pprof_symbolize(char *const *frames)
{
    int code = EX_UNAVAILABLE;
    for (size_t i = 0; frames[i] != NULL; i++) {
        code = symbolize_print(frames[i], stdout) ? EX_OK : code;
    }
    return code;
}

int pprof_ask_stack(const struct pprof *pprof, pid_t tid, void (*done)(void *arg, const char *line),
                    void *arg)
{
    return pprof->is_started ? stack_line_start(pprof->loop, pprof->pool, tid, done, arg)
                             : UV_ENOSYS;
}
