/* SPDX-License-Identifier: MIT
 *
 * app.c - the parts in order: loop -> data clients -> listeners with their routes -> log -> run -> drain.
 *
 * How it ends is app_drain.c's.
 */
#include "core/app/app.h"

#include <sysexits.h>

#include "core/app/app_data.h"
#include "core/app/app_drain.h"
#include "core/app/app_pools.h"
#include "core/app/app_servers.h"
#include "core/app/inherit.h"
#include "core/base/clock.h"
#include "core/http/forgotten.h"
#include "core/http/misuse.h"
#include "core/loop/budget.h"
#include "core/loop/signals.h"
#include "core/telemetry/log.h"
#include "core/telemetry/metrics_process.h"

#define LOG_FLUSH_MS 1000
#define JOBS_MS      5000 /* a profile that is being encoded takes a second or two */

struct app {
    const struct config *config;
    const char *version;
    struct loop *loop;
    struct metrics *metrics;
    struct app_pools pools;
    struct budget budget;
    struct conn_set conns;      /* HTTP's and gRPC's */
    struct conn_set diag_conns; /* metrics' and pprof's */
    struct app_data data;
    struct app_servers servers;
    struct health health;
    struct pprof pprof;
    struct buf cmdline;
    struct signals signals;
    struct forgotten forgotten;
    struct app_drain drain;
    struct pool_job reload;
    bool is_reloading;
    bool is_level_read;
    int level;
    char level_error[CONFIG_ERROR_BYTES];
};

static void on_stop(void *arg, int signo)
{
    struct app *app = arg;
    app_drain_begin(&app->drain, signo);
}

/* --- reload -------------------------------------------------------------------------------------- */

static void read_level(struct pool_job *job)
{
    struct app *app = CONTAINER_OF(job, struct app, reload);
    app->is_level_read = config_read_log_level(app->config, &app->level, app->level_error);
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

static void on_reload(void *arg)
{
    struct app *app = arg;
    if (app->is_reloading) {
        return; /* the file is being read: a change made since then wants another signal */
    }
    app->reload.work = read_level;
    app->reload.done = use_level;
    app->is_reloading = pool_submit(app->pools.offload, app->loop, &app->reload) == 0;
}

/* --- start --------------------------------------------------------------------------------------- */

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
    app->conns.quota = &app->budget.traffic;
    app->conns.pool.quota = &app->budget.traffic;
    app->conns.output_max_bytes = app->config->conn_output_max_bytes;
    app->diag_conns.quota = &app->budget.diagnostics;
    app->diag_conns.pool.quota = &app->budget.diagnostics;
    app->diag_conns.output_max_bytes = app->config->conn_output_max_bytes;
    budget_start(&app->budget, app->loop, &app->conns);
    return budget_register_metrics(&app->budget, app->metrics);
}

static int start_base(struct app *app)
{
    const struct config *c = app->config;
    int rc = loop_create(&app->loop);
    if (rc < 0) {
        return complain("cannot create the loop", rc);
    }
    app->metrics = metrics_create();
    rc = app->metrics == NULL ? UV_ENOMEM : metrics_process_register(app->metrics, app->version);
    rc = rc < 0 ? rc : loop_register_metrics(app->loop, app->metrics);
    rc = rc < 0 ? rc : app_pools_create(&app->pools, app->metrics);
    rc = rc < 0 ? rc : conn_set_init(&app->conns, app->loop, c->write_timeout_ms);
    rc = rc < 0 ? rc : conn_set_init(&app->diag_conns, app->loop, c->write_timeout_ms);
    rc = rc < 0 ? rc : start_budget(app);
    rc = rc < 0 ? rc : signals_start(&app->signals, app->loop, on_stop, on_reload, app);
    rc = rc < 0 ? rc : app_data_open(&app->data, app->loop, app->pools.lookups, app->metrics, c);
    misuse_set_fatal(c->misuse == 0);
    forgotten_start(&app->forgotten, app->loop);
    app_drain_init(&app->drain, &(struct app_draining){
                                    .config = c,
                                    .loop = app->loop,
                                    .conns = &app->conns,
                                    .diag_conns = &app->diag_conns,
                                    .servers = &app->servers,
                                    .data = &app->data,
                                    .health = &app->health,
                                });
    return rc < 0 ? complain("cannot start", rc) : 0;
}

static int open_servers(struct app *app)
{
    const struct app_served served = {
        .config = app->config,
        .conns = &app->conns,
        .diag_conns = &app->diag_conns,
        .budget = &app->budget,
        .metrics = app->metrics,
        .health = &app->health,
        .listings = &app->data.listings,
        .pprof = &app->pprof,
    };
    app->health = (struct health){
        .version = app->version,
        .start_ns = clock_now_ns(),
        .sql = app->data.sql,
        .redis = app->data.redis,
    };
    return app_servers_open(&app->servers, &served);
}

static int start_log(const struct config *c)
{
    const struct log_options options = {
        .fd = 1,
        .level = (enum log_level)c->log_level,
        .format = (enum log_format)c->log_format,
    };
    log_set_trace(task_current_trace);
    const int rc = log_start(&options);
    return rc < 0 ? complain("cannot start the log", rc) : 0;
}

static int start_pprof(struct app *app)
{
    if (!app->config->enable_pprof) {
        return 0;
    }
    app->pprof = (struct pprof){
        .loop = app->loop,
        .pool = app->pools.diag,
        .token = str_from(app->config->pprof_token),
        .cmdline = buf_str(&app->cmdline),
        .max_seconds = app->config->pprof_max_seconds,
        .mutex_fraction = app->config->pprof_mutex_fraction,
        .history_windows = app->config->pprof_history_windows,
        .block_ms = app->config->pprof_block_ms,
    };
    const int rc = pprof_start(&app->pprof, app->metrics);
    if (rc == UV_ENOSYS) {
        (void)fputs("toq: ENABLE_PPROF: \"true\" is not allowed: this build has no profiler\n",
                    stderr);
        return EX_CONFIG;
    }
    return rc < 0 ? complain("cannot start the profiler", rc) : 0;
}

static int start(struct app *app)
{
    int code = start_base(app);
    code = code != 0 ? code : open_servers(app);
    code = code != 0 ? code : start_log(app->config);
    return code != 0 ? code : start_pprof(app);
}

static void log_ready(const struct app *app)
{
    inherit_log();
    app_servers_log(&app->servers);
    listings_log(&app->data.listings);
    LOG(LOG_INFO, "main", "ready", log_cstr("version", app->version),
        log_cstr("env", config_env_name(app->config->env)),
        log_u64("memory_max_bytes", app->budget.pool.max_bytes));
}

/* --- run ----------------------------------------------------------------------------------------- */

/* stop takes the parts down.
 *
 * Returns: true; false when a handler still holds a request that it was told to give up, or a thread is still
 *          busy, for example with an attempt to connect: their memory goes with the process. */
static bool stop(struct app *app)
{
    const bool is_clean = task_count() == 0 && app->drain.is_data_closed;
    app_drain_stop(&app->drain);
    budget_stop(&app->budget);
    forgotten_stop(&app->forgotten);
    if (app->config->enable_pprof) {
        pprof_stop(&app->pprof);
    }
    LOG(LOG_INFO, "main", "stopped", log_u64("requests_left", task_count()));
    log_stop(LOG_FLUSH_MS);
    signals_stop(&app->signals);
    if (!is_clean || !app_pools_destroy(&app->pools, JOBS_MS)) {
        return false;
    }
    loop_destroy(app->loop);
    app_servers_deinit(&app->servers);
    conn_set_deinit(&app->conns);
    conn_set_deinit(&app->diag_conns);
    metrics_destroy(app->metrics);
    buf_deinit(&app->cmdline);
    return true;
}

int app_serve(const struct app_options *options, bool *ret_is_clean)
{
    static struct app app; /* big, and alive as long as the process */
    *ret_is_clean = false; /* a thread may connect to MySQL already */
    app.config = options->config;
    app.version = options->version;
    buf_init(&app.cmdline, 1u << 20);
    buf_append_cstr(&app.cmdline, options->program); /* alone: any argument would be an option */
    const int code = start(&app);
    if (code != 0) {
        return code;
    }
    log_ready(&app);
    loop_run(app.loop);
    *ret_is_clean = stop(&app);
    return EX_OK;
}
