/* SPDX-License-Identifier: MIT
 *
 * pprof.c - the CPU profile and the small routes beside it.
 */
#include "handlers/pprof.h"

#include "handlers/pprof_respond.h"
#include "profiling/cpu.h"
#include "profiling/profiler.h"

#define DEFAULT_SECONDS 30  /* Go's */
#define SAMPLES_HZ      100 /* Go's */

/* --- the CPU profile -----------------------------------------------------------------------------
 */

/* read_seconds reads ?seconds= as Go does: a decimal integer above 0, anything else is 30. */
static uint64_t read_seconds(const struct pprof *pprof, struct http_request *req)
{
    struct str text;
    uint64_t seconds = DEFAULT_SECONDS;
    if (http_query_get(req, STR("seconds"), &text)) {
        if (text.len > 1 && text.ptr[0] == '+') {
            text = (struct str){text.ptr + 1, text.len - 1};
        }
        if (!str_parse_u64(text, INT64_MAX, &seconds) || seconds == 0) {
            seconds = DEFAULT_SECONDS;
        }
    }
    return seconds < pprof->max_seconds ? seconds : pprof->max_seconds;
}

static void on_profile(void *arg, int status, const char *data, size_t len)
{
    struct http_request *req = arg;
    http_on_cancel(req, NULL);
    if (status < 0) {
        pprof_respond_error(req, 500, "Could not enable CPU profiling: out of memory");
    } else {
        pprof_respond_file(req, "profile", (struct str){data, len});
    }
}

/* on_cancel: the client left, or the server stops: nobody wants the rest of the window. */
static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    cpu_cancel(req->user);
    pprof_respond_error(req, 503, "cancelled");
}

void pprof_handle_profile(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (!pprof_is_allowed(pprof, req)) {
        return;
    }
    struct cpu_capture *capture;
    const int rc = cpu_start(read_seconds(pprof, req), SAMPLES_HZ, on_profile, req, &capture);
    if (rc == UV_EBUSY) {
        pprof_respond_error(req, 500,
                            "Could not enable CPU profiling: cpu profiling already in use");
    } else if (rc < 0) {
        pprof_respond_error(req, 500, "Could not enable CPU profiling: out of memory");
    } else {
        req->user = capture;
        http_on_cancel(req, on_cancel);
        task_park(&req->task, "cpu profile");
    }
}

/* --- the small ones ------------------------------------------------------------------------------
 */

void pprof_handle_cmdline(struct http_request *req, void *arg)
{
    const struct pprof *pprof = arg;
    if (pprof_is_allowed(pprof, req)) {
        pprof_respond_text(req, pprof->cmdline);
    }
}

void pprof_handle_unknown(struct http_request *req, void *arg)
{
    if (pprof_is_allowed(arg, req)) {
        pprof_respond_error(req, 404, "Unknown profile");
    }
}

/* --- start and stop ------------------------------------------------------------------------------
 */

struct account {
    const char *name;
    const char *help;
    size_t offset;    /* in struct cpu_stats */
    uint64_t divisor; /* of the printed value; 0: none */
};

static const struct account accounts[] = {
    {"toq_profiler_samples_total", "CPU samples taken.", offsetof(struct cpu_stats, samples), 0},
    {"toq_profiler_lost_samples_total", "CPU samples for which there was no room.",
     offsetof(struct cpu_stats, lost), 0},
    {"toq_profiler_truncated_stacks_total", "Stacks that could not be walked to their end.",
     offsetof(struct cpu_stats, truncated), 0},
    {"toq_profiler_untimed_threads_total", "Threads that no timer could be made for.",
     offsetof(struct cpu_stats, threads_untimed), 0},
    {"toq_profiler_captures_total", "CPU profiles handed out.",
     offsetof(struct cpu_stats, captures), 0},
    {"toq_profiler_handler_seconds_total", "Time spent in the sampling signal's handler.",
     offsetof(struct cpu_stats, handler_ns), NS_PER_S},
};

static uint64_t *cells[ARRAY_COUNT(accounts)];

static void collect(void *arg)
{
    (void)arg;
    const struct cpu_stats stats = cpu_get_stats();
    for (size_t i = 0; i < ARRAY_COUNT(accounts); i++) {
        *cells[i] = *(const uint64_t *)(const void *)((const char *)&stats + accounts[i].offset);
    }
}

static int register_accounts(struct metrics *metrics)
{
    for (size_t i = 0; i < ARRAY_COUNT(accounts); i++) {
        const struct metric_family_options options = {
            .type = METRIC_COUNTER,
            .name = accounts[i].name,
            .help = accounts[i].help,
            .divisor = accounts[i].divisor,
        };
        struct metric_family *family = metrics_family(metrics, &options);
        if (family == NULL) {
            return UV_ENOMEM;
        }
        cells[i] = metric_counter(family, NULL);
    }
    return metrics_add_collector(metrics, collect, NULL);
}

int pprof_start(struct pprof *pprof, struct metrics *metrics)
{
    const int rc = register_accounts(metrics);
    return rc < 0 ? rc : profiler_start(&(struct profiler_options){.loop = pprof->loop});
}

void pprof_stop(struct pprof *pprof)
{
    (void)pprof;
    profiler_stop();
}
