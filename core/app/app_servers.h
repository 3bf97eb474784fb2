/* SPDX-License-Identifier: MIT
 *
 * app_servers.h - the listeners with their routes: public, gRPC, metrics, pprof.
 *
 * Thread: main before the loops run, afterwards each side's loop.
 */
#ifndef TOQ_CORE_APP_APP_SERVERS_H
#define TOQ_CORE_APP_APP_SERVERS_H

#include "config/config.h"
#include "core/app/app_modules.h"
#include "core/http2/http2_cut.h"
#include "core/loop/budget.h"
#include "core/loop/listener_metrics.h"
#include "core/serve/http_server.h"

/* What the listeners share, and who answers on them. */
struct app_served {
    const struct config *config;
    struct conn_set *conns;         /* of each side */
    struct metrics *const *metrics; /* of each side */
    struct budget *budget;
    struct http_records *records; /* of traffic; NULL: none are kept */
    struct trouble *trouble;      /* of traffic */
    const struct app_modules *modules;
    const struct http_spans *spans; /* of traffic; NULL: none are exported */
};

/* What the listeners of a side have in common. */
struct app_server_side {
    struct http_metrics http_metrics;
    struct http2_cuts http2_cuts;
    struct conn_set *conns; /* theirs */
    size_t draining_count;  /* listeners that were told to close and have not */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

struct app_servers {
    struct app_server_side sides[APP_SIDE_COUNT];
    struct grpc *grpc; /* owned */
    struct http_server list[APP_SERVER_COUNT];
    bool is_serving[APP_SERVER_COUNT];
};

/* app_servers_open binds what the configuration turns on.
 *
 * served:  borrowed during the call; what it points at, until app_servers_deinit.
 * Returns: 0; an exit code of sysexits.h, with a line on stderr that names the variable.
 */
MUST_USE int app_servers_open(struct app_servers *servers, const struct app_served *served);

/* app_servers_log writes where each of them listens. */
void app_servers_log(const struct app_servers *servers);

/* app_servers_drain has the servers of a side stop listening; on_closed runs for each listener that
 * has closed, and when the last of their connections has.
 *
 * Thread: the side's loop.
 */
void app_servers_drain(struct app_servers *servers, enum app_side side,
                       void (*on_closed)(void *arg), void *arg);

/* app_servers_have_drained tells whether a drained side has no listener and no connection left. */
bool app_servers_have_drained(const struct app_servers *servers, enum app_side side);

/* app_servers_deinit frees their memory; all are drained and have no connections. */
void app_servers_deinit(struct app_servers *servers);

#endif
