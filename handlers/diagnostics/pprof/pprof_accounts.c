/* SPDX-License-Identifier: MIT
 *
 * pprof_accounts.c - the profiler's statistics as families with the profile as their label.
 */
#include "handlers/diagnostics/pprof/pprof_accounts.h"

#include "core/http/http.h"
#include "core/telemetry/metrics_export.h"
#include "profiling/profiler.h"

#define FIELD(field) METRIC_FIELD(struct profiler_stats, field)

/* Rows of one family have the same help. */
#define SAMPLES  "toq_profiler_samples_total", "Samples taken."
#define LOST     "toq_profiler_lost_samples_total", "Samples for which there was no room."
#define FAILURES "toq_profiler_stackless_samples_total", "Samples whose stack could not be walked."
#define TRUNCATED                                                                                  \
    "toq_profiler_truncated_stacks_total", "Stacks that could not be walked to their end."
#define DUMP "toq_profiler_dump_seconds_total", "Time that worker threads collected samples."
#define HOOK "toq_profiler_hook_seconds_total", "Time spent in signal handlers and hooks."

#define MEMORY                                                                                     \
    "toq_profiler_memory_bytes",                                                                   \
        "Memory of the profiler: tables for unwinding, symbols, debug information that is read "   \
        "and profiles that are made; rings of samples; the CPU history."

static const char *const profile_label[] = {"profile", NULL};
static const char *const part_label[] = {"part", NULL};

static const struct metric_row rows[] = {
    {SAMPLES, METRIC_COUNTER, FIELD(block.waits), METRIC_LABEL(profile_label, "block")},
    {SAMPLES, METRIC_COUNTER, FIELD(cpu.samples), METRIC_LABEL(profile_label, "cpu")},
    {SAMPLES, METRIC_COUNTER, FIELD(heap.samples), METRIC_LABEL(profile_label, "heap")},
    {SAMPLES, METRIC_COUNTER, FIELD(history.samples), METRIC_LABEL(profile_label, "history")},
    {SAMPLES, METRIC_COUNTER, FIELD(mutex.events), METRIC_LABEL(profile_label, "mutex")},
    {LOST, METRIC_COUNTER, FIELD(block.dropped), METRIC_LABEL(profile_label, "block")},
    {LOST, METRIC_COUNTER, FIELD(cpu.lost), METRIC_LABEL(profile_label, "cpu")},
    {LOST, METRIC_COUNTER, FIELD(history.lost), METRIC_LABEL(profile_label, "history")},
    {LOST, METRIC_COUNTER, FIELD(mutex.lost), METRIC_LABEL(profile_label, "mutex")},
    {FAILURES, METRIC_COUNTER, FIELD(block.watchdog.unsampled),
     METRIC_LABEL(profile_label, "block")},
    {FAILURES, METRIC_COUNTER, FIELD(heap.failures), METRIC_LABEL(profile_label, "heap")},
    {FAILURES, METRIC_COUNTER, FIELD(mutex.failures), METRIC_LABEL(profile_label, "mutex")},
    {TRUNCATED, METRIC_COUNTER, FIELD(cpu.truncated), METRIC_LABEL(profile_label, "cpu")},
    {TRUNCATED, METRIC_COUNTER, FIELD(heap.truncated), METRIC_LABEL(profile_label, "heap")},
    {TRUNCATED, METRIC_COUNTER, FIELD(mutex.truncated), METRIC_LABEL(profile_label, "mutex")},
    {HOOK, METRIC_COUNTER, FIELD(block.watchdog.signal_ns), METRIC_LABEL(profile_label, "block"),
     .divisor = NS_PER_S},
    {HOOK, METRIC_COUNTER, FIELD(cpu.handler_ns), METRIC_LABEL(profile_label, "cpu"),
     .divisor = NS_PER_S},
    {HOOK, METRIC_COUNTER, FIELD(heap.hook_ns), METRIC_LABEL(profile_label, "heap"),
     .divisor = NS_PER_S},
    {HOOK, METRIC_COUNTER, FIELD(mutex.hook_ns), METRIC_LABEL(profile_label, "mutex"),
     .divisor = NS_PER_S},
    {DUMP, METRIC_COUNTER, FIELD(heap.dump_ns), METRIC_LABEL(profile_label, "heap"),
     .divisor = NS_PER_S},
    {"toq_profiler_untimed_threads_total", "Threads that no timer could be made for.",
     METRIC_COUNTER, FIELD(cpu.threads_untimed), METRIC_LABEL(profile_label, "cpu")},
    {"toq_profiler_loop_stalls_total", "Callbacks that held the loop for PPROF_BLOCK_MS or longer.",
     METRIC_COUNTER, FIELD(block.watchdog.stalls)},
    {"toq_profiler_label_overflow_total", "Label sets that became other: there were too many.",
     METRIC_COUNTER, FIELD(label_overflow)},
    {"toq_profiler_history_windows", "Full windows of the CPU history.", METRIC_GAUGE,
     FIELD(history.windows)},
    {"toq_profiler_history_bytes", "Memory of the CPU history.", METRIC_GAUGE,
     FIELD(history.bytes)},
    {MEMORY, METRIC_GAUGE, FIELD(table_bytes), METRIC_LABEL(part_label, "tables")},
    {MEMORY, METRIC_GAUGE, FIELD(ring_bytes), METRIC_LABEL(part_label, "rings")},
    {MEMORY, METRIC_GAUGE, FIELD(history.bytes), METRIC_LABEL(part_label, "history")},
};

static void fill(void *arg, void *values)
{
    (void)arg;
    *(struct profiler_stats *)values = profiler_get_stats();
}

static struct metric_family *add_family(struct metrics *metrics, const char *name, const char *help)
{
    return metrics_family(metrics, &(struct metric_family_options){
                                       .type = METRIC_COUNTER,
                                       .name = name,
                                       .help = help,
                                       .labels = profile_label,
                                   });
}

int pprof_accounts_register(struct pprof_accounts *accounts, struct metrics *metrics)
{
    accounts->served = add_family(metrics, "toq_profiler_profiles_total", "Profiles handed out.");
    accounts->failed =
        add_family(metrics, "toq_profiler_errors_total", "Profiles that could not be handed out.");
    if (accounts->served == NULL || accounts->failed == NULL) {
        return UV_ENOMEM;
    }
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = rows,
                                       .row_count = ARRAY_COUNT(rows),
                                       .fill = fill,
                                       .values_bytes = sizeof(struct profiler_stats),
                                   });
}

void pprof_accounts_count(const struct pprof_accounts *accounts, const char *profile,
                          bool is_served)
{
    const struct str value = str_from(profile);
    *metric_counter(is_served ? accounts->served : accounts->failed, &value) += 1;
}
