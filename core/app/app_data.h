/* SPDX-License-Identifier: MIT
 *
 * app_data.h - the clients of MySQL and Redis that modules use.
 *
 * Thread: main before the loop runs, afterwards the loop.
 */
#ifndef TOQ_CORE_APP_APP_DATA_H
#define TOQ_CORE_APP_APP_DATA_H

#include "config/config.h"
#include "core/app/app_pools.h"
#include "core/client/http_client.h"
#include "core/redis/redis.h"
#include "core/redis/redis_pubsub.h"
#include "core/sql/sql.h"

struct app_data {
    struct lookups lookups;
    struct sql *sql;
    struct redis *redis;
    struct redis_pubsub *pubsub;
    struct http_client *client;
    struct metrics *metrics;
    size_t first_export; /* the clients' own, up to ... */
    size_t end_export;
    size_t open_count;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* What they work with; what it points at is borrowed until on_closed of app_data_close. */
struct app_data_options {
    const struct config *config;
    struct loop *loop;
    const struct app_pools *pools; /* a look-up that is cancelled may end later */
    struct metrics *metrics;
    const char *const *probes;     /* struct sql_options' */
    struct statements *statements; /* as probes */
};

/* app_data_sql_options says which MySQL; its texts are the configuration's. */
struct sql_options app_data_sql_options(const struct config *config);

/* app_data_open begins to connect, and registers what the clients count. Servers that are down are
 * no error.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int app_data_open(struct app_data *data, const struct app_data_options *options);

/* app_data_close ends what is under way and closes the connections; on_closed runs once, later.
 * Metrics keep the values that they have. */
void app_data_close(struct app_data *data, void (*on_closed)(void *arg), void *arg);

#endif
