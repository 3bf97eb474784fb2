/* SPDX-License-Identifier: MIT
 *
 * pprof_accounts.c - each module's statistics as rows of families with the profile as their label.
 */
#include "handlers/diagnostics/pprof_accounts.h"

#include "core/http/http.h"
#include "profiling/profiler.h"

struct account {
    const char *name;
    const char *help;
    const char *profile; /* value of the label; NULL: the family has none */
    size_t offset;       /* in struct profiler_stats */
    uint64_t divisor;    /* of the printed value; 0: none */
};

#define FIELD(field) offsetof(struct profiler_stats, field)

/* A family's rows have the same help and divisor. */
#define SAMPLES  "toq_profiler_samples_total", "Samples taken."
#define LOST     "toq_profiler_lost_samples_total", "Samples for which there was no room."
#define FAILURES "toq_profiler_stackless_samples_total", "Samples whose stack could not be walked."
#define TRUNCATED                                                                                  \
    "toq_profiler_truncated_stacks_total", "Stacks that could not be walked to their end."
#define DUMP "toq_profiler_dump_seconds_total", "Time that worker threads collected samples."
#define HOOK "toq_profiler_hook_seconds_total", "Time spent in signal handlers and hooks."

static const struct account accounts[] = {
    {SAMPLES, "block", FIELD(block.waits), 0},
    {SAMPLES, "cpu", FIELD(cpu.samples), 0},
    {SAMPLES, "heap", FIELD(heap.samples), 0},
    {SAMPLES, "history", FIELD(history.samples), 0},
    {SAMPLES, "mutex", FIELD(mutex.events), 0},
    {LOST, "block", FIELD(block.dropped), 0},
    {LOST, "cpu", FIELD(cpu.lost), 0},
    {LOST, "history", FIELD(history.lost), 0},
    {LOST, "mutex", FIELD(mutex.lost), 0},
    {FAILURES, "block", FIELD(block.watchdog.unsampled), 0},
    {FAILURES, "heap", FIELD(heap.failures), 0},
    {FAILURES, "mutex", FIELD(mutex.failures), 0},
    {TRUNCATED, "cpu", FIELD(cpu.truncated), 0},
    {TRUNCATED, "heap", FIELD(heap.truncated), 0},
    {TRUNCATED, "mutex", FIELD(mutex.truncated), 0},
    {HOOK, "block", FIELD(block.watchdog.signal_ns), NS_PER_S},
    {HOOK, "cpu", FIELD(cpu.handler_ns), NS_PER_S},
    {HOOK, "heap", FIELD(heap.hook_ns), NS_PER_S},
    {HOOK, "mutex", FIELD(mutex.hook_ns), NS_PER_S},
    {DUMP, "heap", FIELD(heap.dump_ns), NS_PER_S},
    {"toq_profiler_untimed_threads_total", "Threads that no timer could be made for.", "cpu",
     FIELD(cpu.threads_untimed), 0},
    {"toq_profiler_loop_stalls_total", "Callbacks that held the loop for PPROF_BLOCK_MS or longer.",
     NULL, FIELD(block.watchdog.stalls), 0},
    {"toq_profiler_label_overflow_total", "Label sets that became other: there were too many.",
     NULL, FIELD(label_overflow), 0},
};

static const char *const profile_label[] = {"profile", NULL};

static uint64_t *cells[ARRAY_COUNT(accounts)];
static double *history_windows;
static double *history_bytes;
static struct {
    double *tables;
    double *rings;
    double *history;
} memory; /* by part */
static struct metric_family *served;
static struct metric_family *failed;

static void collect(void *arg)
{
    (void)arg;
    const struct profiler_stats now = profiler_get_stats();
    *history_windows = (double)now.history.windows;
    *history_bytes = (double)now.history.bytes;
    *memory.tables = (double)now.table_bytes;
    *memory.rings = (double)now.ring_bytes;
    *memory.history = (double)now.history.bytes;
    for (size_t i = 0; i < ARRAY_COUNT(accounts); i++) {
        *cells[i] = *(const uint64_t *)(const void *)((const char *)&now + accounts[i].offset);
    }
}

static struct metric_family *add_family(struct metrics *metrics, const struct account *account)
{
    return metrics_family(metrics, &(struct metric_family_options){
                                       .type = METRIC_COUNTER,
                                       .name = account->name,
                                       .help = account->help,
                                       .labels = account->profile == NULL ? NULL : profile_label,
                                       .divisor = account->divisor,
                                   });
}

static int add_gauge(struct metrics *metrics, const char *name, const char *help, double **ret_cell)
{
    const struct metric_family_options options = {.type = METRIC_GAUGE, .name = name, .help = help};
    struct metric_family *family = metrics_family(metrics, &options);
    if (family == NULL) {
        return UV_ENOMEM;
    }
    *ret_cell = metric_gauge(family, NULL);
    return 0;
}

static int add_memory(struct metrics *metrics)
{
    static const char *const labels[] = {"part", NULL};
    const struct metric_family_options options = {
        .type = METRIC_GAUGE,
        .name = "toq_profiler_memory_bytes",
        .help = "Memory of the profiler: tables for unwinding, symbols, debug information that is "
                "read and profiles that are made; rings of samples; the CPU history.",
        .labels = labels,
    };
    struct metric_family *family = metrics_family(metrics, &options);
    if (family == NULL) {
        return UV_ENOMEM;
    }
    memory.tables = metric_gauge(family, &STR("tables"));
    memory.rings = metric_gauge(family, &STR("rings"));
    memory.history = metric_gauge(family, &STR("history"));
    return 0;
}

static int add_gauges(struct metrics *metrics)
{
    const int rc = add_gauge(metrics, "toq_profiler_history_windows",
                             "Full windows of the CPU history.", &history_windows);
    return rc < 0 ? rc
                  : add_gauge(metrics, "toq_profiler_history_bytes", "Memory of the CPU history.",
                              &history_bytes);
}

int pprof_accounts_register(struct metrics *metrics)
{
    static const struct account by_name[] = {
        {"toq_profiler_profiles_total", "Profiles handed out.", "", 0, 0},
        {"toq_profiler_errors_total", "Profiles that could not be handed out.", "", 0, 0},
    };
    served = add_family(metrics, &by_name[0]);
    failed = add_family(metrics, &by_name[1]);
    if (served == NULL || failed == NULL) {
        return UV_ENOMEM;
    }
    for (size_t i = 0; i < ARRAY_COUNT(accounts); i++) {
        struct metric_family *family = add_family(metrics, &accounts[i]);
        if (family == NULL) {
            return UV_ENOMEM;
        }
        const struct str profile = str_from(accounts[i].profile);
        cells[i] = metric_counter(family, accounts[i].profile == NULL ? NULL : &profile);
    }
    int rc = add_gauges(metrics);
    rc = rc < 0 ? rc : add_memory(metrics);
    return rc < 0 ? rc : metrics_add_collector(metrics, collect, NULL);
}

void pprof_accounts_count(const char *profile, bool is_served)
{
    const struct str value = str_from(profile);
    *metric_counter(is_served ? served : failed, &value) += 1;
}
