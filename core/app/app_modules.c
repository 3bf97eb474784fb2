/* SPDX-License-Identifier: MIT
 *
 * app_modules.c - each step of a server's life, for each module.
 */
#include "core/app/app_modules.h"

#include <stdlib.h>

static int open_one(struct app_modules *modules, const struct app_module *module,
                    const struct app_context *context)
{
    REQUIRE(modules->count < APP_MODULES_MAX);
    void *state = calloc(1, module->state_bytes == 0 ? 1 : module->state_bytes);
    if (state == NULL) {
        return UV_ENOMEM;
    }
    modules->states[modules->count++] = state;
    return module->open == NULL ? 0 : module->open(state, context);
}

int app_modules_open(struct app_modules *modules, const struct app_module *const *list,
                     const struct app_context *context)
{
    int rc = 0;
    modules->list = list;
    for (size_t i = 0; rc == 0 && list[i] != NULL; i++) {
        rc = open_one(modules, list[i], context);
    }
    return rc;
}

int app_modules_add_routes(const struct app_modules *modules, struct router *router,
                           enum app_server server)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < modules->count; i++) {
        const struct app_module *module = modules->list[i];
        rc =
            module->add_routes == NULL ? 0 : module->add_routes(modules->states[i], router, server);
    }
    return rc;
}

int app_modules_add_services(const struct app_modules *modules, struct grpc *grpc)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < modules->count; i++) {
        const struct app_module *module = modules->list[i];
        rc = module->add_services == NULL ? 0 : module->add_services(modules->states[i], grpc);
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
        if (modules->list[last]->close != NULL) {
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

const char *const *app_modules_schema(const struct app_module *const *list, size_t *ret_count)
{
    const char *const *steps = NULL;
    *ret_count = 0;
    for (size_t i = 0; list[i] != NULL; i++) {
        if (list[i]->schema != NULL) {
            REQUIRE(steps == NULL); /* numbers of steps are the database's, not yet a module's */
            steps = list[i]->schema(ret_count);
        }
    }
    return steps;
}
