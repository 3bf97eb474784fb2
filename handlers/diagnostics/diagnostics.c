/* SPDX-License-Identifier: MIT
 *
 * diagnostics.c - the module's table: its routes, its start and its stop.
 */
#include "handlers/diagnostics/diagnostics.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/telemetry/log.h"
#include "handlers/diagnostics/alloc_trace.h"
#include "handlers/diagnostics/held.h"
#include "handlers/diagnostics/metrics.h"
#include "handlers/diagnostics/pprof/loglevel.h"
#include "handlers/diagnostics/pprof/pprof.h"
#include "handlers/diagnostics/pprof/requests.h"
#include "handlers/diagnostics/quit.h"
#include "handlers/diagnostics/recording.h"

#define CMDLINE_MAX_BYTES (1u << 20)
#define HELD_MAX_MS       3600000 /* an hour: longer is a unit mistaken for another */

/* The values of its options. */
struct diagnostics_settings {
    uint64_t pprof_max_seconds;
    uint64_t pprof_mutex_fraction; /* contentions per sample; 0: no samples */
    uint64_t pprof_history_windows;
    uint64_t pprof_block_ms;
    uint64_t held_loop_warn_ms; /* 0: never */
    uint64_t held_loop_fail_ms; /* 0: never */
    uint64_t alloc_trace_ms;    /* 0: never */
    uint64_t recorder_events;   /* of the work loop that are kept; 0: none */
    char recorder_dir[CONFIG_TEXT_BYTES];
    uint64_t recorder_slow_ms; /* 0: never */
    uint64_t recorder_errors;  /* 0: never */
    char jaeger_ui[CONFIG_TEXT_BYTES];
};

struct diagnostics {
    struct diagnostics_settings settings;
    const struct app_context *context;
    struct health health;
    struct metrics_scrape scrape;
    struct pprof pprof;
    struct held held;
    struct alloc_trace alloc_trace;
    struct quit quit;
    struct recording recording;
    struct requests requests;
    struct buf cmdline;
    struct wheel_timer publish; /* what other loops are to know of the work loop */
};

#define SETTING(name) offsetof(struct diagnostics, settings.name)

/* clang-format off */
static const struct config_option options[] = {
    {.name = "PPROF_MAX_SECONDS", .kind = CONFIG_NUMBER, .offset = SETTING(pprof_max_seconds),
     .value = "300", .min = 1, .max = 3600, .unit = "seconds",
     .help = "longest capture"},
    {.name = "PPROF_MUTEX_FRACTION", .kind = CONFIG_NUMBER, .offset = SETTING(pprof_mutex_fraction),
     .value = "1", .value_prod = "0", .max = 1000000, .unit = "contentions per sample",
     .zero = "samples none",
     .help = "the mutex profile samples one contention in this many"},
    {.name = "PPROF_HISTORY_WINDOWS", .kind = CONFIG_NUMBER,
     .offset = SETTING(pprof_history_windows),
     .value = "60", .max = 360, .unit = "windows", .zero = "keeps none",
     .help = "how many windows of 10 s the CPU history keeps, for /debug/pprof/profile?ago="},
    {.name = "PPROF_BLOCK_MS", .kind = CONFIG_NUMBER, .offset = SETTING(pprof_block_ms),
     .value = "20", .max = 60000, .unit = "milliseconds", .zero = "looks for none",
     .help = "a callback that holds the loop for this long is in the block profile"},
    {.name = "HELD_LOOP_WARN_MS", .kind = CONFIG_NUMBER, .offset = SETTING(held_loop_warn_ms),
     .value = "1000", .max = HELD_MAX_MS, .unit = "milliseconds", .zero = "never warns",
     .help = "how long a handler may hold the loop before the log says so"},
    {.name = "HELD_LOOP_FAIL_MS", .kind = CONFIG_NUMBER, .offset = SETTING(held_loop_fail_ms),
     .value = "60000", .max = HELD_MAX_MS, .unit = "milliseconds", .zero = "never does",
     .help = "how long it may before /health/live on the diagnostic ports turns 503"},
    {.name = "ALLOC_TRACE_MS", .kind = CONFIG_NUMBER, .offset = SETTING(alloc_trace_ms),
     .value = "0", .max = 3600000, .unit = "milliseconds", .zero = "logs none",
     .help = "how often the allocator's statistics are logged, to the next 100 ms"},
    {.name = "RECORDER_EVENTS", .kind = CONFIG_NUMBER, .offset = SETTING(recorder_events),
     .value = "262144", .value_prod = "0", .max = 16777216, .unit = "events of 16 bytes",
     .zero = "records none",
     .help = "how much of the work loop's last moments is kept, for /debug/flight"},
    {.name = "RECORDER_DIR", .kind = CONFIG_TEXT, .offset = SETTING(recorder_dir),
     .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "folder for recordings that are kept when something goes wrong, 8 at most"},
    {.name = "RECORDER_SLOW_MS", .kind = CONFIG_NUMBER, .offset = SETTING(recorder_slow_ms),
     .value = "5000", .max = HELD_MAX_MS, .unit = "milliseconds", .zero = "never does",
     .help = "how long a request may take before a recording is kept, where its route has no "
             "limit of its own"},
    {.name = "RECORDER_ERRORS", .kind = CONFIG_NUMBER, .offset = SETTING(recorder_errors),
     .value = "20", .max = 1000000, .unit = "answers of 5xx in a second", .zero = "never does",
     .help = "how many make the server keep a recording"},
    {.name = "JAEGER_UI", .kind = CONFIG_TEXT, .offset = SETTING(jaeger_ui),
     .value = "http://localhost:16686", .min = 1, .max = CONFIG_TEXT_BYTES - 1,
     .help = "where /debug/requests links to traces"},
};
/* clang-format on */

struct health *diagnostics_health(const struct app_context *context)
{
    struct diagnostics *d = app_module_state(context, &diagnostics_module);
    return d == NULL ? NULL : &d->health;
}

static void on_publish(struct wheel_timer *timer)
{
    struct diagnostics *d = CONTAINER_OF(timer, struct diagnostics, publish);
    health_publish(&d->health);
    if (d->scrape.registries[1] != NULL) {
        metrics_collect(d->scrape.registries[1]);
    }
    loop_set_timer(d->context->loops[APP_TRAFFIC_SIDE], timer, WHEEL_TICK_MS);
}

static int open_module(void *state, const struct app_context *context)
{
    struct diagnostics *d = state;
    const struct diagnostics_settings *settings = &d->settings;
    struct metrics *const *metrics = context->metrics;
    d->context = context;
    buf_init(&d->cmdline, CMDLINE_MAX_BYTES);
    buf_append_cstr(&d->cmdline, context->program); /* alone: any argument would be an option */
    d->health = (struct health){
        .version = context->version,
        .start_ns = clock_now_ns(),
        .sql = context->sql,
        .redis = context->redis,
        .work = context->loops[APP_TRAFFIC_SIDE],
        .held_warn_ms = settings->held_loop_warn_ms,
        .held_fail_ms = settings->held_loop_fail_ms,
        .is_draining = &context->is_draining,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    d->scrape.registries[0] = metrics[APP_DIAGNOSTICS_SIDE];
    d->scrape.registries[1] = metrics[APP_TRAFFIC_SIDE] == metrics[APP_DIAGNOSTICS_SIDE]
                                  ? NULL
                                  : metrics[APP_TRAFFIC_SIDE];
    d->pprof = (struct pprof){
        .loop = context->loops[APP_DIAGNOSTICS_SIDE],
        .pool = context->diagnostics,
        .work = context->loops[APP_TRAFFIC_SIDE],
        .token = str_from(context->config->pprof_token),
        .cmdline = buf_str(&d->cmdline),
        .max_seconds = settings->pprof_max_seconds,
        .mutex_fraction = settings->pprof_mutex_fraction,
        .history_windows = settings->pprof_history_windows,
        .block_ms = settings->pprof_block_ms,
    };
    d->quit = (struct quit){
        .loop = context->loops[APP_DIAGNOSTICS_SIDE],
        .pool = context->diagnostics,
        .pprof = &d->pprof,
    };
    wheel_timer_init(&d->publish, on_publish);
    on_publish(&d->publish);
    return d->cmdline.is_failed ? UV_ENOMEM : 0;
}

/* --- routes --- */

static int add_health(struct diagnostics *d, struct router *router)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/health", health_handle, ROUTE_VITAL},
        {METHOD_GET, "/health/live", health_handle_live, ROUTE_VITAL},
        {METHOD_GET, "/health/ready", health_handle_ready, ROUTE_VITAL},
    };
    return router_add_rows(router, rows, ARRAY_COUNT(rows), &d->health);
}

static int add_pprof(struct diagnostics *d, struct router *router)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/debug/", pprof_handle_debug, 0},
        {METHOD_GET, "/debug/loglevel", loglevel_handle_get, 0},
        {METHOD_PUT, "/debug/loglevel", loglevel_handle_put, ROUTE_BODY},
        {METHOD_GET, "/debug/pprof", pprof_handle_redirect, 0},
        {METHOD_GET, "/debug/pprof/", pprof_handle_index, 0},
        {METHOD_GET, "/debug/pprof/cmdline", pprof_handle_cmdline, 0},
        {METHOD_GET, "/debug/pprof/profile", pprof_handle_profile, ROUTE_NO_DEADLINE | ROUTE_LONG},
        {METHOD_GET, "/debug/pprof/symbol", pprof_handle_symbol, 0},
        {METHOD_POST, "/debug/pprof/symbol", pprof_handle_symbol, ROUTE_BODY},
        {METHOD_GET, "/debug/pprof/ui", pprof_handle_ui_redirect, 0},
        {METHOD_GET, "/debug/pprof/ui/", pprof_handle_ui_page, 0},
        {METHOD_GET, "/debug/pprof/ui/history", pprof_handle_ui_history, 0},
        {METHOD_GET, "/debug/pprof/ui/profiles", pprof_handle_ui_profiles, 0},
        {METHOD_GET, "/debug/pprof/ui/source", pprof_handle_ui_source, 0},
        {METHOD_GET, "/debug/pprof/ui/:name", pprof_handle_ui_asset, 0},
        {METHOD_GET, "/debug/pprof/trace", pprof_handle_trace, 0},
        {METHOD_GET, "/debug/pprof/:name", pprof_handle_named, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/debug/pprof/*", pprof_handle_unknown, 0},
        {METHOD_GET, "/debug/flight", pprof_handle_flight, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/debug/flight/", pprof_handle_flight_page, 0},
        {METHOD_GET, "/debug/flight/open.js", pprof_handle_flight_script, 0},
        {METHOD_GET, "/debug/fgprof", pprof_handle_wall, ROUTE_NO_DEADLINE | ROUTE_LONG},
    };
    return router_add_rows(router, rows, ARRAY_COUNT(rows), &d->pprof);
}

static int add_requests(struct diagnostics *d, struct router *router)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/debug/requests", requests_handle, 0},
        {METHOD_GET, "/debug/requests.css", requests_handle_css, 0},
    };
    return router_add_rows(router, rows, ARRAY_COUNT(rows), &d->requests);
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    struct diagnostics *d = state;
    int rc = server == APP_SERVER_GRPC ? 0 : add_health(d, router);
    if (server == APP_SERVER_METRICS) {
        rc =
            rc < 0 ? rc : router_add(router, METHOD_GET, "/metrics", metrics_handle, &d->scrape, 0);
    } else if (server == APP_SERVER_PPROF) {
        rc = rc < 0 ? rc : add_pprof(d, router);
        rc = rc < 0 ? rc : add_requests(d, router);
    }
    return rc;
}

/* --- start and stop --- */

static int start_pprof(struct diagnostics *d)
{
    const int rc = pprof_start(&d->pprof, d->context->metrics[APP_DIAGNOSTICS_SIDE]);
    if (rc < 0) {
        (void)fprintf(stderr, "toq: cannot start the profiler: %s\n", uv_strerror(rc));
        return EX_OSERR;
    }
    return 0;
}

static int start(void *state)
{
    struct diagnostics *d = state;
    const int code = d->context->config->enable_pprof ? start_pprof(d) : 0;
    if (code == 0 && d->context->records != NULL) {
        d->requests.pprof = &d->pprof;
        d->requests.jaeger_ui = d->settings.jaeger_ui;
        d->requests.work_tid = gettid();
        requests_start(&d->requests, d->context->records);
    }
    if (code == 0) {
        held_start(&d->held, &(struct held_options){
                                 .loop = d->context->loops[APP_DIAGNOSTICS_SIDE],
                                 .work = d->context->loops[APP_TRAFFIC_SIDE],
                                 .work_tid = gettid(),
                                 .pprof = &d->pprof,
                                 .warn_ms = d->settings.held_loop_warn_ms,
                             });
        alloc_trace_start(&d->alloc_trace, d->context->loops[APP_DIAGNOSTICS_SIDE],
                          d->settings.alloc_trace_ms);
    }
    if (code == 0) {
        recording_start(&d->recording, &(struct recording_options){
                                           .pprof = &d->pprof,
                                           .events = d->settings.recorder_events,
                                           .dir = d->settings.recorder_dir,
                                           .trouble = d->context->trouble,
                                           .slow_ms = d->settings.recorder_slow_ms,
                                           .errors = d->settings.recorder_errors,
                                       });
    }
    if (!d->context->config->enable_pprof) {
        log_event(LOG_INFO, "pprof",
                  pprof_is_built() ? "off: ENABLE_PPROF=true and a restart switch it on"
                                   : "off: this build has no profiler (PROFILING=no)",
                  NULL, 0);
    }
    return code;
}

static void on_dump(void *state)
{
    struct diagnostics *d = state;
    quit_dump(&d->quit);
}

static void on_data_close(void *state)
{
    struct diagnostics *d = state;
    d->health.sql = NULL;
    d->health.redis = NULL;
    health_publish(&d->health);
}

static void stop(void *state)
{
    struct diagnostics *d = state;
    wheel_unset(&d->publish);
    held_stop(&d->held);
    alloc_trace_stop(&d->alloc_trace);
    quit_stop(&d->quit);
    recording_stop();
    requests_stop(&d->requests);
    if (d->pprof.is_started) {
        pprof_stop(&d->pprof);
    }
}

static void close_module(void *state)
{
    struct diagnostics *d = state;
    buf_deinit(&d->cmdline);
}

static const struct app_example examples[] = {
    {APP_SERVER_HTTP, false, "curl localhost:", "/health"},
    {APP_SERVER_PPROF, false,
     "go tool pprof -top 'http://localhost:", "/debug/pprof/profile?seconds=5'"},
    {APP_SERVER_PPROF, true, "http://localhost:", "/debug/"},
    {.before = NULL},
};

const struct app_module diagnostics_module = {
    .name = "diagnostics",
    .state_bytes = sizeof(struct diagnostics),
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .examples = examples,
    .open = open_module,
    .add_routes = add_routes,
    .start = start,
    .on_dump = on_dump,
    .on_data_close = on_data_close,
    .stop = stop,
    .close = close_module,
};
