/* SPDX-License-Identifier: MIT
 *
 * app_modules.h - the modules of a server, opened in the order of their list and closed in the
 * opposite order.
 *
 * Thread: as app_module.h.
 */
#ifndef TOQ_CORE_APP_APP_MODULES_H
#define TOQ_CORE_APP_APP_MODULES_H

#include "config/config_set.h"
#include "core/app/app_module.h"

struct app_modules {
    const struct app_module *const *list; /* NULL at its end */
    void *states[APP_MODULES_MAX];
    const struct app_context *context; /* what they were opened with */
    size_t count;
    size_t open_count;
};

/* app_modules_create makes the states of all in a list.
 *
 * list:    borrowed; at most APP_MODULES_MAX.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int app_modules_create(struct app_modules *modules, const struct app_module *const *list);

/* app_modules_add_options adds the options of all to a set; their values go to the states. */
void app_modules_add_options(const struct app_modules *modules, struct config_set *set);

/* app_modules_open opens them.
 *
 * Returns: 0; what a module says: app_modules_close is due as well.
 */
MUST_USE int app_modules_open(struct app_modules *modules, const struct app_context *context);

/* app_modules_add_routes adds what they serve on a listener. Returns: 0; what a module says. */
MUST_USE int app_modules_add_routes(const struct app_modules *modules, struct router *router,
                                    enum app_server server);

/* app_modules_add_services adds what they serve by gRPC. Returns: 0; what a module says. */
MUST_USE int app_modules_add_services(const struct app_modules *modules, struct grpc *grpc);

/* app_modules_start starts them. Returns: 0; the exit code of the first that cannot. */
MUST_USE int app_modules_start(const struct app_modules *modules);

/* app_modules_ready tells them that the server is ready. */
void app_modules_ready(const struct app_modules *modules);

/* app_modules_dump tells them that SIGQUIT wants to know what the server does. */
void app_modules_dump(const struct app_modules *modules);

/* app_modules_data_close tells them that the clients of MySQL and Redis are about to close. */
void app_modules_data_close(const struct app_modules *modules);

/* app_modules_stop stops them, when the loops have stopped. */
void app_modules_stop(const struct app_modules *modules);

/* app_modules_close closes those that are open, and frees the states of all. */
void app_modules_close(struct app_modules *modules);

/* app_modules_schemas collects the schemas of all.
 *
 * parts:   APP_MODULES_MAX.
 * Returns: their number.
 */
size_t app_modules_schemas(const struct app_module *const *list, struct sql_migrate_part *parts);

/* app_modules_probes collects what tells whether the database takes what they write.
 *
 * probes: APP_MODULES_MAX + 1; NULL behind the last.
 */
void app_modules_probes(const struct app_modules *modules, const char **probes);

#endif
