/* SPDX-License-Identifier: MIT
 *
 * app_migrate.c - runs the steps on one connection, on a loop that ends with them.
 */
#include "core/app/app_migrate.h"

#include <sysexits.h>

#include "core/app/app_data.h"
#include "core/app/app_modules.h"
#include "core/sql/sql_migrate.h"
#include "core/telemetry/log.h"

struct migration {
    struct loop *loop;
    uv_async_t keep; /* a loop in which nothing but timers of the pool's wait would not turn */
    struct sql *sql;
    struct sql_migrate migrate;
    struct sql_migrate_part parts[APP_MODULES_MAX];
    int status;
    char error[SQL_MIGRATE_ERROR_BYTES]; /* why, when status is not 0; "" */
};

static void on_closed(void *arg)
{
    struct migration *migration = arg;
    uv_close((uv_handle_t *)&migration->keep, NULL);
    loop_stop(migration->loop);
}

static void on_done(struct sql_migrate *migrate)
{
    struct migration *migration = CONTAINER_OF(migrate, struct migration, migrate);
    /* what keeps the pool from connecting says more than what a query heard of it */
    const struct sql_health health = sql_get_health(migration->sql);
    const char *error = health.state == SQL_DOWN ? health.error : migrate->error;
    migration->status = migrate->status;
    (void)snprintf(migration->error, sizeof(migration->error), "%s", error);
    sql_close(migration->sql, on_closed, migration);
}

static int run(struct migration *migration, const struct config *config,
               const struct app_module *const *modules)
{
    struct sql_options options = app_data_sql_options(config);
    options.max_connections = 1;
    int rc = loop_create(&migration->loop);
    rc = rc < 0 ? rc : uv_async_init(loop_uv(migration->loop), &migration->keep, NULL);
    rc = rc < 0 ? rc : sql_open(migration->loop, &options, &migration->sql);
    if (rc < 0) {
        return rc;
    }
    migration->migrate = (struct sql_migrate){
        .parts = migration->parts,
        .part_count = app_modules_schemas(modules, migration->parts),
        .on_done = on_done,
    };
    migration->status = sql_migrate_start(migration->sql, &migration->migrate);
    if (migration->status < 0) {
        sql_close(migration->sql, on_closed, migration);
    }
    loop_run(migration->loop);
    loop_destroy(migration->loop);
    return migration->status;
}

static int code_of(int status)
{
    switch (status) {
    case UV_ENOTCONN:
    case UV_ECONNRESET:
    case UV_ETIMEDOUT:
    case UV_EBUSY:
        return EX_UNAVAILABLE;
    case UV_ENOMEM:
        return EX_OSERR;
    default:
        return EX_SOFTWARE;
    }
}

int app_migrate(const struct config *config, const struct app_module *const *modules)
{
    struct migration migration = {0};
    log_set_level(LOG_ERROR); /* one line says it all */
    const int status = run(&migration, config, modules);
    const struct sql_migrate *migrate = &migration.migrate;
    if (status < 0) {
        (void)fprintf(stderr, "toq: cannot migrate %s at %s port %u: %s%s%s\n",
                      config->mysql_database, config->mysql_host, (unsigned)config->mysql_port,
                      uv_strerror(status), migration.error[0] == '\0' ? "" : ": ", migration.error);
        return code_of(status);
    }
    (void)printf("toq: the schema is up to date, steps applied: %zu", migrate->applied_count);
    for (size_t i = 0; i < migrate->part_count; i++) {
        (void)printf("%s %s has %zu", i == 0 ? ";" : ",", migrate->parts[i].module,
                     migrate->parts[i].version);
    }
    (void)putchar('\n');
    return ferror(stdout) == 0 && fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
