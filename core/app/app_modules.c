/* SPDX-License-Identifier: MIT
 *
 * app_modules.c - calls each module at each step of the server's life.
 */
#include "core/app/app_modules.h"

#include <stdlib.h>
#include <string.h>

int app_modules_create(struct app_modules *modules, const struct app_module *const *list)
{
    *modules = (struct app_modules){.list = list};
    for (; list[modules->count] != NULL; modules->count++) {
        const size_t bytes = list[modules->count]->state_bytes;
        REQUIRE(modules->count < APP_MODULES_MAX);
        void *state = calloc(1, bytes == 0 ? 1 : bytes);
        if (state == NULL) {
            return UV_ENOMEM;
        }
        modules->states[modules->count] = state;
    }
    return 0;
}

void app_modules_add_options(const struct app_modules *modules, struct config_set *set)
{
    for (size_t i = 0; i < modules->count; i++) {
        const struct app_module *module = modules->list[i];
        config_set_add(set, module->options, module->option_count, modules->states[i]);
    }
}

int app_modules_open(struct app_modules *modules, const struct app_context *context)
{
    int rc = 0;
    modules->context = context;
    while (rc == 0 && modules->open_count < modules->count) {
        const size_t i = modules->open_count++;
        rc = modules->list[i]->open == NULL ? 0
                                            : modules->list[i]->open(modules->states[i], context);
    }
    return rc;
}

/* arg_of is what a module's handlers get. */
static void *arg_of(const struct app_modules *modules, size_t i)
{
    return modules->list[i]->state_bytes > 0 ? modules->states[i]
                                             : (void *)(uintptr_t)modules->context;
}

int app_modules_add_routes(const struct app_modules *modules, struct router *router,
                           enum app_server server)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < modules->count; i++) {
        const struct app_module *module = modules->list[i];
        if (server == APP_SERVER_HTTP) {
            rc = router_add_rows(router, module->routes, module->route_count, arg_of(modules, i));
        }
        if (rc == 0 && module->add_routes != NULL) {
            rc = module->add_routes(modules->states[i], router, server);
        }
    }
    return rc;
}

static int add_services(const struct app_module *module, void *arg, struct grpc *grpc)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < module->service_count; i++) {
        struct grpc_service service = module->services[i];
        service.arg = arg;
        rc = grpc_add_service(grpc, &service);
    }
    return rc;
}

int app_modules_add_services(const struct app_modules *modules, struct grpc *grpc)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < modules->count; i++) {
        const struct app_module *module = modules->list[i];
        rc = add_services(module, arg_of(modules, i), grpc);
        if (rc == 0 && module->add_services != NULL) {
            rc = module->add_services(modules->states[i], grpc);
        }
    }
    return rc;
}

int app_modules_start(const struct app_modules *modules)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < modules->count; i++) {
        const struct app_module *module = modules->list[i];
        code = module->start == NULL ? 0 : module->start(modules->states[i]);
    }
    return code;
}

void app_modules_ready(const struct app_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->list[i]->on_ready != NULL) {
            modules->list[i]->on_ready(modules->states[i]);
        }
    }
}

void app_modules_dump(const struct app_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->list[i]->on_dump != NULL) {
            modules->list[i]->on_dump(modules->states[i]);
        }
    }
}

void app_modules_data_close(const struct app_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->list[i]->on_data_close != NULL) {
            modules->list[i]->on_data_close(modules->states[i]);
        }
    }
}

void app_modules_stop(const struct app_modules *modules)
{
    for (size_t i = modules->count; i > 0; i--) {
        if (modules->list[i - 1]->stop != NULL) {
            modules->list[i - 1]->stop(modules->states[i - 1]);
        }
    }
}

void app_modules_close(struct app_modules *modules)
{
    for (; modules->count > 0; modules->count--) {
        const size_t last = modules->count - 1;
        if (last < modules->open_count && modules->list[last]->close != NULL) {
            modules->list[last]->close(modules->states[last]);
        }
        free(modules->states[last]);
    }
}

void *app_module_state(const struct app_context *context, const struct app_module *module)
{
    const struct app_modules *modules = context->modules;
    for (size_t i = 0; i < modules->count; i++) {
        if (modules->list[i] == module) {
            return modules->states[i];
        }
    }
    return NULL;
}

size_t app_modules_schemas(const struct app_module *const *list, struct sql_migrate_part *parts)
{
    size_t count = 0;
    for (size_t i = 0; list[i] != NULL; i++) {
        if (list[i]->schema == NULL) {
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            REQUIRE(strcmp(parts[j].module, list[i]->name) != 0);
        }
        REQUIRE(i < APP_MODULES_MAX);
        parts[count++] = (struct sql_migrate_part){list[i]->name, list[i]->schema, 0};
    }
    return count;
}

void app_modules_probes(const struct app_modules *modules, const char **probes)
{
    size_t count = 0;
    for (size_t i = 0; i < modules->count; i++) {
        const struct sql_schema *schema = modules->list[i]->schema;
        if (schema != NULL && schema->probe != NULL) {
            probes[count++] = schema->probe;
        }
    }
    probes[count] = NULL;
}
