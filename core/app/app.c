/* SPDX-License-Identifier: MIT
 *
 * app.c - the parts in order: loop -> data clients -> listeners with their routes -> log -> run ->
 * drain.
 *
 * app_drain.c ends the server.
 */
#include "core/app/app.h"

#include <sysexits.h>
#include <unistd.h>

#include "core/app/app_data.h"
#include "core/app/app_drain.h"
#include "core/app/app_export.h"
#include "core/app/app_greeting.h"
#include "core/app/app_pools.h"
#include "core/app/app_servers.h"
#include "core/app/diag_loop.h"
#include "core/app/inherit.h"
#include "core/base/clock.h"
#include "core/crash/crash.h"
#include "core/http/forgotten.h"
#include "core/loop/budget.h"
#include "core/loop/newest.h"
#include "core/loop/signals.h"
#include "core/loop/task_metrics.h"
#include "core/observe/records.h"
#include "core/task/usage_totals.h"
#include "core/telemetry/log.h"
#include "core/telemetry/metrics_process.h"

#define LOG_FLUSH_MS 1000
#define JOBS_MS      5000 /* a profile that is being encoded takes a second or two */
#define HELD_MS      100  /* a turn that has taken so long is not just about to end */
#define OVERDUE_MS                                                                                 \
    1000 /* behind SHUTDOWN_TIMEOUT_MS, a work loop that is held for so long is not waited for */

struct app {
    const struct app_options *options;
    const struct config *config;
    struct loop *loop;     /* the work loop */
    struct diag_loop diag; /* that of diagnostics */
    struct app_context context;
    struct app_modules *modules;
    struct app_pools pools;
    struct usage_metrics *usage_metrics;
    struct task_metrics task_metrics;
    struct budget budget;
    struct conn_set conns[APP_SIDE_COUNT];
    struct app_data data;
    const char *probes[APP_MODULES_MAX + 1];
    struct app_export export;
    struct app_servers servers;
    struct trouble trouble; /* of traffic */
    struct signals signals;
    struct forgotten forgotten;
    struct app_drain drain;
    int stop_signo;             /* the first signal that wants the end, and ... */
    struct loop_post stop;      /* ... its way to the work loop */
    struct wheel_timer overdue; /* on the loop of diagnostics */
    struct pool_job reload;
    bool is_reloading;
    bool is_level_read;
    int level;
    char level_error[CONFIG_ERROR_BYTES];
};

/* --- the end, wanted by signals --- */

static void begin_drain(struct loop_post *post)
{
    struct app *app = CONTAINER_OF(post, struct app, stop);
    app_drain_begin(&app->drain, app->stop_signo);
}

static uint64_t held_ms(const struct app *app)
{
    return loop_held_ns(app->loop, NULL) / NS_PER_MS;
}

/* tell_held says what holds the work loop. */
static void tell_held(const struct app *app, const char *message)
{
    LOG(LOG_WARN, "main", message, log_u64("requests_left", task_slots_living()),
        log_u64("work_loop_held_ms", held_ms(app)),
        log_cstr("route", loop_running_route(app->loop)));
}

/* end_now ends the process without waiting for anything but the log. */
static _Noreturn void end_now(const struct app *app, const char *message, int code)
{
    tell_held(app, message);
    log_stop(LOG_FLUSH_MS);
    _exit(code);
}

static void on_overdue(struct wheel_timer *timer)
{
    struct app *app = CONTAINER_OF(timer, struct app, overdue);
    if (held_ms(app) < OVERDUE_MS) {
        loop_set_timer(app->diag.loop, timer, WHEEL_TICK_MS); /* it turns, and so will end */
        return;
    }
    end_now(app, "shutdown is overdue: ended without the work loop", EX_SOFTWARE);
}

/* on_stop: on the loop of diagnostics, for the work loop may be held. */
static void on_stop(void *arg, int signo)
{
    struct app *app = arg;
    app->stop_signo = signo;
    app->stop.run = begin_drain;
    loop_post(app->loop, &app->stop);
    if (held_ms(app) >= HELD_MS) {
        tell_held(app, "a handler holds the work loop: it shuts down when that returns; a second "
                       "signal ends it at once");
    }
    if (app->diag.is_own) {
        loop_set_timer(app->diag.loop, &app->overdue,
                       app->config->shutdown_timeout_ms + OVERDUE_MS);
    }
}

static void on_second_stop(void *arg, int signo)
{
    end_now(arg, "ended by a second signal", 128 + signo); /* as a shell reports it */
}

/* --- reload --- */

static void read_level(struct pool_job *job)
{
    struct app *app = CONTAINER_OF(job, struct app, reload);
    app->is_level_read = config_read_log_level(app->options->set, &app->level, app->level_error);
}

static void tell_level(enum log_level level)
{
    LOG(LOG_INFO, "main", "log level reloaded", log_cstr("level", log_level_name(level)));
}

static void use_level(struct pool_job *job, int status)
{
    struct app *app = CONTAINER_OF(job, struct app, reload);
    app->is_reloading = false;
    if (status < 0) {
        return;
    }
    if (!app->is_level_read) {
        LOG(LOG_ERROR, "main", "log level not reloaded", log_cstr("error", app->level_error));
        return;
    }
    const enum log_level level = (enum log_level)app->level;
    const bool was_on = log_is_on(LOG_INFO);
    if (was_on) {
        tell_level(level); /* it may be the last one at this level */
    }
    log_set_level(level);
    if (!was_on) {
        tell_level(level);
    }
}

/* on_reload: on the loop of diagnostics, as signals are. */
static void on_reload(void *arg)
{
    struct app *app = arg;
    if (app->is_reloading) {
        return; /* the file is being read: a change made since then wants another signal */
    }
    app->reload.work = read_level;
    app->reload.done = use_level;
    app->is_reloading = pool_submit(app->pools.offload, app->diag.loop, &app->reload) == 0;
}

/* on_dump: on the loop of diagnostics, as signals are. */
static void on_dump(void *arg)
{
    const struct app *app = arg;
    app_modules_dump(app->modules);
}

/* --- start --- */

/* complain says why the server does not start.
 *
 * Returns: the exit code. */
static int complain(const char *what, int error)
{
    (void)fprintf(stderr, "toq: %s: %s\n", what, uv_strerror(error));
    return EX_OSERR;
}

static int start_budget(struct app *app)
{
    budget_init(&app->budget, app->config->memory_max_bytes);
    for (int i = 0; i < APP_SIDE_COUNT; i++) {
        struct quota *quota =
            i == APP_TRAFFIC_SIDE ? &app->budget.traffic : &app->budget.diagnostics;
        app->conns[i].quota = quota;
        app->conns[i].pool.quota = quota;
        app->conns[i].output_max_bytes = app->config->conn_output_max_bytes;
    }
    budget_start(&app->budget, app->loop, &app->conns[APP_TRAFFIC_SIDE]);
    budget_start_diagnostics(&app->budget, app->diag.loop);
    return budget_register_metrics(&app->budget, app->context.metrics[APP_TRAFFIC_SIDE]);
}

/* start_metrics makes a registry for each loop. */
static int start_metrics(struct app *app)
{
    struct metrics *work = metrics_create();
    struct metrics *diag = app->diag.is_own ? metrics_create() : work;
    app->context.metrics[APP_TRAFFIC_SIDE] = work;
    app->context.metrics[APP_DIAGNOSTICS_SIDE] = diag;
    if (work == NULL || diag == NULL) {
        return UV_ENOMEM;
    }
    app->usage_metrics = usage_metrics_create(diag);
    if (app->usage_metrics == NULL) {
        return UV_ENOMEM;
    }
    int rc = metrics_process_register(diag, app->options->version);
    rc = rc < 0 ? rc : task_metrics_register(&app->task_metrics, app->loop, diag);
    rc = rc < 0 ? rc : budget_register_allocator(diag);
    return rc < 0 ? rc : loop_register_metrics(app->loop, work);
}

static int start_base(struct app *app)
{
    const struct config *c = app->config;
    app_modules_probes(app->modules, app->probes);
    int rc = loop_create(&app->loop);
    if (rc < 0) {
        return complain("cannot create the loop", rc);
    }
    rc = diag_loop_create(&app->diag, app->loop, c->diagnostics_loop == 0);
    rc = rc < 0 ? rc : start_metrics(app);
    rc = rc < 0 ? rc : app_pools_create(&app->pools, app->context.metrics[APP_DIAGNOSTICS_SIDE]);
    rc = rc < 0 ? rc : conn_set_init(&app->conns[APP_TRAFFIC_SIDE], app->loop, c->write_timeout_ms);
    rc = rc < 0 ? rc
                : conn_set_init(&app->conns[APP_DIAGNOSTICS_SIDE], app->diag.loop,
                                c->write_timeout_ms);
    rc = rc < 0 ? rc : start_budget(app);
    rc = rc < 0 ? rc
                : signals_start(&app->signals,
                                &(struct signals_options){
                                    .loop = app->diag.loop,
                                    .on_stop = on_stop,
                                    .on_second_stop = app->diag.is_own ? on_second_stop : NULL,
                                    .on_reload = on_reload,
                                    .on_dump = on_dump,
                                    .arg = app,
                                });
    rc = rc < 0 ? rc
                : app_export_open(&app->export,
                                  &(struct app_exporting){
                                      .config = c,
                                      .version = app->options->version,
                                      .loop = app->diag.loop,
                                      .pools = &app->pools,
                                      .metrics = app->context.metrics[APP_DIAGNOSTICS_SIDE],
                                  });
    rc = rc < 0 ? rc
                : app_data_open(&app->data, &(struct app_data_options){
                                                .config = c,
                                                .loop = app->loop,
                                                .pools = &app->pools,
                                                .metrics = app->context.metrics[APP_TRAFFIC_SIDE],
                                                .probes = app->probes,
                                                .statements = app->export.statements,
                                            });
    forgotten_start(&app->forgotten, app->loop);
    app_drain_init(&app->drain, &(struct app_draining){
                                    .config = c,
                                    .loop = app->loop,
                                    .conns = &app->conns[APP_TRAFFIC_SIDE],
                                    .diag_conns = &app->conns[APP_DIAGNOSTICS_SIDE],
                                    .servers = &app->servers,
                                    .data = &app->data,
                                    .modules = app->modules,
                                    .exporter = app->export.exporter,
                                    .is_draining = &app->context.is_draining,
                                });
    return rc < 0 ? complain("cannot start", rc) : 0;
}

/* open_modules tells the modules what they work with. */
static int open_modules(struct app *app)
{
    struct app_context *context = &app->context;
    context->config = app->config;
    context->program = app->options->program;
    context->version = app->options->version;
    context->loops[APP_TRAFFIC_SIDE] = app->loop;
    context->loops[APP_DIAGNOSTICS_SIDE] = app->diag.loop;
    context->diagnostics = app->pools.diag;
    context->offload = app->pools.offload;
    context->sql = app->data.sql;
    context->redis = app->data.redis;
    context->pubsub = app->data.pubsub;
    context->client = app->data.client;
    context->modules = app->modules;
    context->trouble = &app->trouble;
    trouble_set_limits(&app->trouble, 0, 0); /* a module may set others */
    context->records = app->config->enable_pprof ? http_records_create() : NULL;
    const int rc = app_modules_open(app->modules, context);
    return rc < 0 ? complain("cannot open the modules", rc) : 0;
}

static int open_servers(struct app *app)
{
    const struct app_served served = {
        .config = app->config,
        .conns = app->conns,
        .metrics = app->context.metrics,
        .budget = &app->budget,
        .records = app->context.records,
        .trouble = &app->trouble,
        .modules = app->modules,
        .spans = app_export_spans(&app->export),
    };
    return app_servers_open(&app->servers, &served);
}

static int start_log(const struct config *c)
{
    const struct log_options options = {
        .fd = STDOUT_FILENO,
        .level = (enum log_level)c->log_level,
        .format = log_choose_format((enum log_format)c->log_format, STDOUT_FILENO),
    };
    log_set_context(task_current_context);
    const int rc = log_start(&options);
    return rc < 0 ? complain("cannot start the log", rc) : 0;
}

static int install_crash(const struct app *app)
{
    const struct crash_options options = {app->config->crash_dir, app->options->version};
    const int rc = crash_install(&options);
    if (rc < 0) {
        (void)fprintf(stderr, "toq: CRASH_DIR: \"%s\" is not allowed: %s\n", options.dir,
                      uv_strerror(rc));
        return EX_CONFIG;
    }
    if (options.dir[0] != '\0') { /* a crash has no time for that */
        newest_keep(options.dir, "crash-", ".txt", app->config->crash_files - 1);
    }
    return 0;
}

static int start(struct app *app)
{
    int code = install_crash(app);
    code = code != 0 ? code : start_base(app);
    code = code != 0 ? code : open_modules(app);
    code = code != 0 ? code : open_servers(app);
    code = code != 0 ? code : start_log(app->config);
    code = code != 0 ? code : app_modules_start(app->modules);
    if (code != 0) {
        return code;
    }
    const int rc = diag_loop_start(&app->diag);
    return rc < 0 ? complain("cannot start the thread of diagnostics", rc) : 0;
}

static void log_ready(const struct app *app)
{
    inherit_log(app->options->inherited);
    app_greeting_warn(app->config);
    app_servers_log(&app->servers);
    app_modules_ready(app->modules);
    LOG(LOG_INFO, "main", "ready", log_cstr("version", app->options->version),
        log_cstr("env", config_env_name(app->config->env)),
        log_u64("memory_max_bytes", app->budget.pool.max_bytes));
    app_greeting_show(&app->servers, app->options->modules);
}

/* --- run --- */

/* stop takes the parts down.
 *
 * Returns: true; false when a handler still holds a request that it was told to give up, or a
 *          thread is still busy, for example with an attempt to connect: their memory goes with the
 *          process. */
static bool stop(struct app *app)
{
    diag_loop_join(&app->diag);
    const size_t requests_left = task_slots_living();
    const bool is_clean = requests_left == 0 && app->drain.is_data_closed;
    app_drain_stop(&app->drain);
    wheel_unset(&app->overdue);
    budget_stop(&app->budget);
    budget_stop_diagnostics(&app->budget);
    forgotten_stop(&app->forgotten);
    app_modules_stop(app->modules);
    LOG(LOG_INFO, "main", "stopped", log_u64("requests_left", requests_left));
    log_stop(LOG_FLUSH_MS);
    signals_stop(&app->signals);
    if (!is_clean || !app_pools_destroy(&app->pools, JOBS_MS)) {
        return false;
    }
    diag_loop_destroy(&app->diag);
    loop_destroy(app->loop);
    app_servers_deinit(&app->servers);
    app_export_deinit(&app->export);
    app_modules_close(app->modules);
    http_records_destroy(app->context.records);
    conn_set_deinit(&app->conns[APP_TRAFFIC_SIDE]);
    conn_set_deinit(&app->conns[APP_DIAGNOSTICS_SIDE]);
    usage_metrics_destroy(app->usage_metrics);
    metrics_destroy(app->context.metrics[APP_TRAFFIC_SIDE]);
    if (app->diag.is_own) {
        metrics_destroy(app->context.metrics[APP_DIAGNOSTICS_SIDE]);
    }
    return true;
}

int app_serve(const struct app_options *options, bool *ret_is_clean)
{
    static struct app app; /* big, and alive as long as the process */
    *ret_is_clean = false; /* a thread may connect to MySQL already */
    wheel_timer_init(&app.overdue, on_overdue);
    app.options = options;
    app.config = options->config;
    app.modules = options->modules;
    const int code = start(&app);
    if (code != 0) {
        return code;
    }
    log_ready(&app);
    loop_ref(app.loop); /* when its own handles are closed, those of diagnostics may not be */
    loop_run(app.loop);
    loop_unref(app.loop);
    *ret_is_clean = stop(&app);
    return EX_OK;
}
