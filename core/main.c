/* SPDX-License-Identifier: MIT
 *
 * main.c - the composition root: configuration -> log -> loop -> listeners with their routes -> run
 * -> drain.
 *
 * Failure: before the loop runs, one line on stderr and an exit code of sysexits.h: 64 usage, 69 a
 * port is taken, 71 the system refuses, 78 configuration. Nothing has been served then. Shutdown:
 * readiness turns 503 -> listeners close -> idle connections close -> answers end, with Connection:
 * close -> the last connection closes -> 0. After SHUTDOWN_TIMEOUT_MS the rest is cut.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "config/config.h"
#include "core/base/clock.h"
#include "core/http/server.h"
#include "core/loop/listener_metrics.h"
#include "core/loop/signals.h"
#include "core/telemetry/log.h"
#include "core/telemetry/metrics_process.h"
#include "handlers/routes.h"

#define LOG_FLUSH_MS 1000

enum { SERVER_HTTP, SERVER_METRICS, SERVER_PPROF, SERVER_COUNT };

struct app {
    struct config config;
    struct loop *loop;
    struct metrics *metrics;
    struct http_metrics http_metrics;
    struct listener_metrics listener_metrics;
    struct conn_set conns;
    struct http_server servers[SERVER_COUNT];
    bool is_serving[SERVER_COUNT];
    size_t open_listeners;
    struct health health;
    struct pprof pprof;
    struct buf cmdline;
    struct signals signals;
    struct wheel_timer shutdown_timer;
    struct loop_job reload;
    bool is_reloading;
    bool is_level_read;
    int level;
    char level_error[CONFIG_ERROR_BYTES];
};

/* --- shutdown ------------------------------------------------------------------------------------
 */

static void stop_when_drained(void *arg)
{
    struct app *app = arg;
    if (app->open_listeners == 0 && app->conns.count == 0) {
        loop_stop(app->loop);
    }
}

static void on_listener_closed(void *arg)
{
    struct app *app = arg;
    app->open_listeners--;
    stop_when_drained(app);
}

static void on_shutdown_timeout(struct wheel_timer *timer)
{
    struct app *app = CONTAINER_OF(timer, struct app, shutdown_timer);
    const size_t requests = task_cancel_all(UV_ECANCELED);
    const size_t connections = conn_set_close_all(&app->conns);
    LOG(LOG_WARN, "main", "shutdown timed out", log_u64("cancelled_requests", requests),
        log_u64("closed_connections", connections));
}

static void on_stop(void *arg, int signo)
{
    struct app *app = arg;
    LOG(LOG_INFO, "main", "shutting down", log_cstr("signal", strsignal(signo)),
        log_u64("requests", task_count()), log_u64("connections", app->conns.count));
    app->health.is_draining = true;
    app->conns.on_empty = stop_when_drained;
    app->conns.on_empty_arg = app;
    loop_set_timer(app->loop, &app->shutdown_timer, app->config.shutdown_timeout_ms);
    for (int i = 0; i < SERVER_COUNT; i++) {
        if (app->is_serving[i]) {
            http_server_drain(&app->servers[i], on_listener_closed, app);
        }
    }
}

/* --- reload --------------------------------------------------------------------------------------
 */

static void read_level(struct loop_job *job)
{
    struct app *app = CONTAINER_OF(job, struct app, reload);
    app->is_level_read = config_read_log_level(&app->config, &app->level, app->level_error);
}

static void use_level(struct loop_job *job, int status)
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
    log_set_level((enum log_level)app->level);
    LOG(LOG_INFO, "main", "log level reloaded", log_i64("level", app->level));
}

static void on_reload(void *arg)
{
    struct app *app = arg;
    if (app->is_reloading) {
        return; /* the file is being read: a change made since then wants another signal */
    }
    app->reload.work = read_level;
    app->reload.done = use_level;
    app->is_reloading = loop_submit(app->loop, &app->reload) == 0;
}

/* --- start ---------------------------------------------------------------------------------------
 */

_Noreturn static void fail(int code, const char *what, int error)
{
    (void)fprintf(stderr, "toq: %s: %s\n", what, uv_strerror(error));
    exit(code);
}

/* raise_fd_limit takes as many descriptors as the system lets us have: each connection is one. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* refused: the soft limit stays */
    }
}

static void start_base(struct app *app)
{
    const struct config *c = &app->config;
    int rc = loop_create(&app->loop);
    if (rc < 0) {
        fail(EX_OSERR, "cannot create the loop", rc);
    }
    app->metrics = metrics_create();
    rc = app->metrics == NULL ? UV_ENOMEM : metrics_process_register(app->metrics, TOQ_VERSION);
    rc = rc < 0 ? rc : loop_register_metrics(app->loop, app->metrics);
    rc = rc < 0 ? rc : http_metrics_init(&app->http_metrics, app->metrics);
    rc = rc < 0 ? rc
                : conn_set_init(&app->conns, app->loop, c->max_connections, c->write_timeout_ms);
    rc = rc < 0 ? rc : signals_start(&app->signals, app->loop, on_stop, on_reload, app);
    if (rc < 0) {
        fail(EX_OSERR, "cannot start", rc);
    }
    wheel_timer_init(&app->shutdown_timer, on_shutdown_timeout);
    app->health = (struct health){.version = TOQ_VERSION, .start_ns = clock_now_ns()};
}

static struct router *make_router(struct app *app, int which)
{
    struct router *router = router_create();
    int rc = router == NULL ? UV_ENOMEM : 0;
    if (rc == 0 && which == SERVER_HTTP) {
        rc = routes_public(router, &app->health);
    } else if (rc == 0 && which == SERVER_METRICS) {
        rc = routes_metrics(router, app->metrics);
    } else if (rc == 0) {
        rc = routes_pprof(router, &app->pprof);
    }
    if (rc < 0) {
        fail(EX_OSERR, "cannot build the routes", rc);
    }
    return router;
}

static struct http_limits limits_of(const struct config *c)
{
    return (struct http_limits){
        .header_bytes = c->max_header_bytes,
        .header_count = c->max_header_count,
        .target_bytes = c->max_target_bytes,
        .body_bytes = c->max_body_bytes,
        .header_timeout_ms = c->header_timeout_ms,
        .idle_timeout_ms = c->idle_timeout_ms,
        .body_timeout_ms = c->body_timeout_ms,
        .request_timeout_ms = c->request_timeout_ms,
    };
}

/* open_server binds one listener, or ends the process with a line that names its variable. */
static void open_server(struct app *app, int which, const char *name, const char *host,
                        uint64_t port, const char *variable)
{
    const struct config *c = &app->config;
    const struct http_server_options options = {
        .name = name,
        .host = host,
        .port = (uint16_t)port,
        .backlog = (int)c->listen_backlog,
        .limits = limits_of(c),
        .access_every = c->log_access_every,
        .access_level = c->env == CONFIG_DEVELOPMENT ? LOG_DEBUG : LOG_INFO,
    };
    const int rc = http_server_open(&app->servers[which], &app->conns, make_router(app, which),
                                    &app->http_metrics, &options);
    if (rc < 0) {
        const bool is_taken = rc == UV_EADDRINUSE;
        (void)fprintf(stderr, "toq: %s: cannot listen on %s port %u: %s%s\n", variable, host,
                      options.port, uv_strerror(rc),
                      is_taken ? "; stop the other process, or choose a free port, or 0" : "");
        exit(is_taken ? EX_UNAVAILABLE : EX_OSERR);
    }
    app->is_serving[which] = true;
    app->open_listeners++;
}

static void open_servers(struct app *app)
{
    const struct config *c = &app->config;
    open_server(app, SERVER_HTTP, "http", c->http_host, c->http_port, "HTTP_PORT");
    if (c->enable_metrics) {
        open_server(app, SERVER_METRICS, "metrics", c->metrics_host, c->metrics_port,
                    "METRICS_PORT");
    }
    if (c->enable_pprof) {
        open_server(app, SERVER_PPROF, "pprof", c->pprof_host, c->pprof_port, "PPROF_PORT");
    }
    struct listener *listeners[SERVER_COUNT];
    size_t count = 0;
    for (int i = 0; i < SERVER_COUNT; i++) {
        if (app->is_serving[i]) {
            listeners[count++] = &app->servers[i].listener;
        }
    }
    const int rc =
        listener_metrics_register(&app->listener_metrics, app->metrics, listeners, count);
    if (rc < 0) {
        fail(EX_OSERR, "cannot start", rc);
    }
}

static void start_pprof(struct app *app)
{
    app->pprof = (struct pprof){
        .loop = app->loop,
        .token = str_from(app->config.pprof_token),
        .cmdline = buf_str(&app->cmdline),
        .max_seconds = app->config.pprof_max_seconds,
    };
    const int rc = pprof_start(&app->pprof, app->metrics);
    if (rc == UV_ENOSYS) {
        (void)fputs("toq: ENABLE_PPROF: \"true\" is not allowed: this build has no profiler\n",
                    stderr);
        exit(EX_CONFIG);
    }
    if (rc < 0) {
        fail(EX_OSERR, "cannot start the profiler", rc);
    }
}

static void start_log(const struct config *c)
{
    const struct log_options options = {
        .fd = 1,
        .level = (enum log_level)c->log_level,
        .format = (enum log_format)c->log_format,
    };
    const int rc = log_start(&options);
    if (rc < 0) {
        fail(EX_OSERR, "cannot start the log", rc);
    }
}

static void log_ready(const struct app *app)
{
    for (int i = 0; i < SERVER_COUNT; i++) {
        if (app->is_serving[i]) {
            LOG(LOG_INFO, "main", "listening", log_cstr("server", app->servers[i].listener.name),
                log_cstr("address", app->servers[i].listener.address));
        }
    }
    LOG(LOG_INFO, "main", "ready", log_cstr("version", TOQ_VERSION),
        log_cstr("env", config_env_name(app->config.env)));
}

/* --- run -----------------------------------------------------------------------------------------
 */

static void stop_all(struct app *app)
{
    const bool is_clean = task_count() == 0;
    wheel_unset(&app->shutdown_timer);
    if (app->config.enable_pprof) {
        pprof_stop(&app->pprof);
    }
    LOG(LOG_INFO, "main", "stopped", log_u64("requests_left", task_count()));
    log_stop(LOG_FLUSH_MS);
    signals_stop(&app->signals);
    if (!is_clean) {
        return; /* a handler still holds a request it was told to give up: its memory goes with the
                   process */
    }
    loop_destroy(app->loop);
    for (int i = 0; i < SERVER_COUNT; i++) {
        if (app->is_serving[i]) {
            http_server_deinit(&app->servers[i]);
        }
    }
    conn_set_deinit(&app->conns);
    http_metrics_deinit(&app->http_metrics);
    metrics_destroy(app->metrics);
    buf_deinit(&app->cmdline);
}

static void serve(struct app *app)
{
    raise_fd_limit();
    start_base(app);
    open_servers(app);
    start_log(&app->config);
    if (app->config.enable_pprof) {
        start_pprof(app);
    }
    log_ready(app);
    loop_run(app->loop);
    stop_all(app);
}

static void print_help(void)
{
    (void)puts("usage: toq_server [--check-config | --print-config | --version | --help]\n\n"
               "Serves until SIGINT or SIGTERM; a second one ends it at once. SIGHUP reads the\n"
               "log level again. It is configured by environment variables, over the file\n"
               "CONFIG_DIR/$ENV.env, over these defaults:\n");
    config_print_help(stdout);
}

/* end_output is the exit code of an option whose answer went to stdout. */
static int end_output(void)
{
    return ferror(stdout) == 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* run_option does what a command line option asks for.
 *
 * Returns: the exit code. */
static int run_option(const struct config *config, const char *option)
{
    if (strcmp(option, "--print-config") == 0) {
        config_print(config, stdout);
    } else {
        (void)puts("toq: the configuration is valid");
    }
    return end_output();
}

static bool is_one_of(const char *option, const char *a, const char *b)
{
    return strcmp(option, a) == 0 || strcmp(option, b) == 0;
}

/* open_standard_fds puts /dev/null where stdin, stdout or stderr is closed: the next socket would take
 * its number, and the log would be written into it. */
static void open_standard_fds(void)
{
    int fd = 0;
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR); /* the lowest number that is free */
    }
    if (fd > STDERR_FILENO) {
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    static struct app app; /* big, and alive as long as the process */
    open_standard_fds();
    const char *option = argc > 1 ? argv[1] : "";
    if (argc > 2 || (argc == 2 && !is_one_of(option, "--check-config", "--print-config") &&
                     !is_one_of(option, "--version", "--help"))) {
        (void)fprintf(stderr, "toq: unknown option \"%s\"; --help lists them\n", argv[argc - 1]);
        return EX_USAGE;
    }
    if (strcmp(option, "--version") == 0) {
        (void)puts("toq " TOQ_VERSION);
        return end_output();
    }
    if (strcmp(option, "--help") == 0) {
        print_help();
        return end_output();
    }
    char error[CONFIG_ERROR_BYTES];
    if (!config_load(&app.config, error)) {
        (void)fprintf(stderr, "toq: %s\n", error);
        return EX_CONFIG;
    }
    if (argc > 1) {
        return run_option(&app.config, option);
    }
    buf_init(&app.cmdline, 1u << 20);
    buf_append_cstr(&app.cmdline, argv[0]); /* without arguments: any would have been an option */
    serve(&app);
    return EX_OK;
}
