/* SPDX-License-Identifier: MIT
 *
 * grpc_module.c - the two services and what they need.
 */
#include "handlers/grpc/grpc_module.h"

#include "handlers/diagnostics/diagnostics.h"
#include "handlers/grpc/grpc_health.h"

struct grpc_own {
    const struct app_context *context;
    struct grpc_health health;
    struct grpc_reflection reflection;
};

struct grpc_reflection *grpc_module_reflection(const struct app_context *context)
{
    struct grpc_own *own = app_module_state(context, &grpc_module);
    return own == NULL ? NULL : &own->reflection;
}

static int open_module(void *state, const struct app_context *context)
{
    struct grpc_own *own = state;
    own->context = context;
    return 0;
}

static int add_services(void *state, struct grpc *grpc)
{
    struct grpc_own *own = state;
    const int rc = grpc_health_mount(&own->health, grpc, own->context->loops[APP_TRAFFIC_SIDE],
                                     diagnostics_health(own->context));
    return rc < 0 ? rc : grpc_reflection_mount(&own->reflection, grpc);
}

static void close_module(void *state)
{
    struct grpc_own *own = state;
    grpc_reflection_deinit(&own->reflection);
}

const struct app_module grpc_module = {
    .name = "grpc",
    .state_bytes = sizeof(struct grpc_own),
    .open = open_module,
    .add_services = add_services,
    .close = close_module,
};
