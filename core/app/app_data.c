/* SPDX-License-Identifier: MIT
 *
 * app_data.c - the clients opened in order, closed together.
 */
#include "core/app/app_data.h"

#define ANSWER_MS 300 /* three ticks of the loop's timers */
#define HEALTH_MS 500 /* between two checks: /health tells the truth within 2 s */

/* query_timeout_ms leaves a handler the time to say, in its own words, that there is no answer: at
 * the request's deadline the server says so in a line of text. */
static uint64_t query_timeout_ms(const struct config *c)
{
    const uint64_t timeout_ms = c->request_timeout_ms;
    return timeout_ms > 2 * ANSWER_MS ? timeout_ms - ANSWER_MS : timeout_ms;
}

struct sql_options app_data_sql_options(const struct config *c)
{
    return (struct sql_options){
        .host = c->mysql_host,
        .port = (uint16_t)c->mysql_port,
        .user = c->mysql_user,
        .password = c->mysql_password,
        .database = c->mysql_database,
        .tls = (enum sql_tls)c->mysql_tls,
        .tls_ca = c->mysql_tls_ca,
        .max_connections = c->mysql_pool_size,
        .min_idle = 1, /* so that /health knows */
        .ping_ms = HEALTH_MS,
        .query_timeout_ms = query_timeout_ms(c),
    };
}

static struct redis_options redis_options_of(const struct config *c)
{
    return (struct redis_options){
        .host = c->redis_host,
        .port = (uint16_t)c->redis_port,
        .password = c->redis_password,
        .client_name = "toq",
        .probe_key = "toq:probe",
        .stall_timeout_ms = 3 * HEALTH_MS,
        .db = c->redis_db,
    };
}

static int open_redis(struct app_data *data, struct loop *loop, const struct redis_options *options)
{
    int rc = redis_open(loop, options, &data->redis);
    if (rc < 0) {
        return rc;
    }
    data->open_count++;
    rc = redis_pubsub_open(loop, options, &data->pubsub);
    data->open_count += rc == 0;
    return rc;
}

static int register_metrics(struct app_data *data, struct metrics *metrics)
{
    int rc = sql_register_metrics(data->sql, metrics);
    rc = rc < 0 ? rc : redis_register_metrics(data->redis, metrics);
    return rc < 0 ? rc : redis_pubsub_register_metrics(data->pubsub, metrics);
}

static int open_client(struct app_data *data, struct loop *loop, const struct app_pools *pools)
{
    const struct http_client_options options = {
        .loop = loop, .lookups = &data->lookups, .pool = pools->offload, .user_agent = "toq"};
    const int rc = http_client_create(&options, &data->client);
    data->open_count += rc == 0;
    return rc;
}

int app_data_open(struct app_data *data, const struct app_data_options *options)
{
    struct loop *loop = options->loop;
    struct metrics *metrics = options->metrics;
    struct sql_options sql_options = app_data_sql_options(options->config);
    struct redis_options redis_options = redis_options_of(options->config);
    lookups_init(&data->lookups, loop, options->pools->lookups);
    sql_options.probes = options->probes;
    sql_options.statements = options->statements;
    redis_options.lookups = &data->lookups;
    data->metrics = metrics;
    data->first_export = metrics_count_exports(metrics);
    int rc = sql_open(loop, &sql_options, &data->sql);
    if (rc < 0) {
        return rc;
    }
    data->open_count++;
    rc = open_redis(data, loop, &redis_options);
    rc = rc < 0 ? rc : open_client(data, loop, options->pools);
    rc = rc < 0 ? rc : register_metrics(data, metrics);
    data->end_export = metrics_count_exports(metrics);
    return rc;
}

static void on_part_closed(void *arg)
{
    struct app_data *data = arg;
    if (--data->open_count == 0) {
        data->on_closed(data->on_closed_arg);
    }
}

void app_data_close(struct app_data *data, void (*on_closed)(void *arg), void *arg)
{
    data->on_closed = on_closed;
    data->on_closed_arg = arg;
    metrics_end_exports(data->metrics, data->first_export, data->end_export);
    http_client_close(data->client, on_part_closed, data);
    redis_pubsub_close(data->pubsub, on_part_closed, data);
    redis_close(data->redis, on_part_closed, data);
    sql_close(data->sql, on_part_closed, data);
}
