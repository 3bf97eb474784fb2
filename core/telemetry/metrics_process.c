/* SPDX-License-Identifier: MIT
 *
 * metrics_process.c - the process as the kernel accounts for it, read at each scrape.
 *
 * Cost: one read of /proc/self/stat and a few system calls, 18 us in a small virtual machine.
 */
#include "core/telemetry/metrics_process.h"

#include <errno.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/telemetry/fd_count.h"
#include "core/telemetry/log.h"
#include "core/telemetry/metrics_export.h"
#include "core/telemetry/proc_file.h"

/* /proc/self/stat is some 300 bytes: 52 numbers and a name of at most 16 bytes. */
#define STAT_BYTES 1024

/* Fields of /proc/self/stat, numbered from 1 as in proc(5); those after the name start with 3. */
#define STAT_FIRST      3
#define STAT_THREADS    20
#define STAT_START_TIME 22
#define STAT_VSIZE      23
#define STAT_RSS        24
#define STAT_COUNT      25

/* What a scrape reads. NAN stands for what the kernel does not tell or does not limit. */
struct process_values {
    uint64_t cpu_ns;
    uint64_t log_written;
    uint64_t log_dropped;
    double open_fds;
    double max_fds;
    double virtual_bytes;
    double virtual_max_bytes;
    double resident_bytes;
    double start_time_s; /* 0 until it was read: a stepped clock must not move it */
    double threads;
};

/* read_stat fills values[STAT_FIRST...] and leaves 0 where a field is no plain number. */
static bool read_stat(uint64_t values[STAT_COUNT])
{
    char data[STAT_BYTES];
    struct str text;
    if (!proc_file_read("/proc/self/stat", data, sizeof(data), &text)) {
        return false;
    }
    const char *name_end = memrchr(text.ptr, ')', text.len); /* the name may hold ") " itself */
    if (name_end == NULL || text.ptr + text.len - name_end < 2) {
        return false;
    }
    struct str rest = {name_end + 2, (size_t)(text.ptr + text.len - name_end) - 2};
    for (size_t i = STAT_FIRST; i < STAT_COUNT; i++) {
        struct str field;
        if (!str_next_field(&rest, ' ', &field)) {
            return false;
        }
        if (!str_parse_u64(field, UINT64_MAX, &values[i])) {
            values[i] = 0; /* the state, and the few numbers that may be negative */
        }
    }
    return true;
}

/* start_time_s turns ticks since boot into seconds since 1970. */
static double start_time_s(uint64_t start_ticks)
{
    struct timespec boot;
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    const double uptime_s = (double)boot.tv_sec + (double)boot.tv_nsec / (double)NS_PER_S;
    const double age_s = uptime_s - (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    return (double)clock_wall_ns() / (double)NS_PER_S - age_s;
}

static double read_limit(int resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return NAN;
    }
    return (double)limit.rlim_cur;
}

static void fill(void *arg, void *values)
{
    struct process_values *v = values;
    (void)arg;
    uint64_t stat[STAT_COUNT];
    const bool has_stat = read_stat(stat);
    v->threads = has_stat ? (double)stat[STAT_THREADS] : NAN;
    v->virtual_bytes = has_stat ? (double)stat[STAT_VSIZE] : NAN;
    v->resident_bytes = has_stat ? (double)stat[STAT_RSS] * (double)sysconf(_SC_PAGESIZE) : NAN;
    if (v->start_time_s == 0 || isnan(v->start_time_s)) {
        v->start_time_s = has_stat ? start_time_s(stat[STAT_START_TIME]) : NAN;
    }
    uint64_t open_fds;
    v->open_fds = fd_count_open(&open_fds) ? (double)open_fds : NAN;
    v->max_fds = read_limit(RLIMIT_NOFILE);
    v->virtual_max_bytes = read_limit(RLIMIT_AS);
    v->cpu_ns = clock_cpu_ns();
    const struct log_stats log = log_get_stats();
    v->log_written = log.written_lines;
    v->log_dropped = log.dropped_lines;
}

#define VALUE(field) METRIC_FIELD(struct process_values, field)

static const struct metric_row rows[] = {
    {"process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
     METRIC_COUNTER, VALUE(cpu_ns), .divisor = NS_PER_S},
    {"toq_log_lines_total", "Log lines written.", METRIC_COUNTER, VALUE(log_written)},
    {"toq_log_lines_dropped_total", "Log lines lost to a full queue or a failed write.",
     METRIC_COUNTER, VALUE(log_dropped)},
    {"process_open_fds", "Number of open file descriptors.", METRIC_GAUGE, VALUE(open_fds)},
    {"process_max_fds", "Maximum number of open file descriptors.", METRIC_GAUGE, VALUE(max_fds)},
    {"process_virtual_memory_bytes", "Virtual memory size in bytes.", METRIC_GAUGE,
     VALUE(virtual_bytes)},
    {"process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.",
     METRIC_GAUGE, VALUE(virtual_max_bytes)},
    {"process_resident_memory_bytes", "Resident memory size in bytes.", METRIC_GAUGE,
     VALUE(resident_bytes)},
    {"process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
     METRIC_GAUGE, VALUE(start_time_s)},
    {"process_threads", "Number of OS threads in the process.", METRIC_GAUGE, VALUE(threads)},
};

static int add_build_info(struct metrics *m, const char *version)
{
    static const char *const labels[] = {"version", NULL};
    static const struct metric_family_options options = {
        .type = METRIC_GAUGE,
        .name = "toq_build_info",
        .help = "The version of the server that runs; the value is always 1.",
        .labels = labels,
    };
    struct metric_family *family = metrics_family(m, &options);
    if (family == NULL) {
        return -ENOMEM;
    }
    const struct str value = str_from(version);
    *metric_gauge(family, &value) = 1;
    return 0;
}

int metrics_process_register(struct metrics *m, const char *version)
{
    const int rc = add_build_info(m, version);
    return rc != 0 ? rc
                   : metrics_export(m, &(struct metrics_export){
                                           .rows = rows,
                                           .row_count = ARRAY_COUNT(rows),
                                           .fill = fill,
                                           .values_bytes = sizeof(struct process_values),
                                       });
}
