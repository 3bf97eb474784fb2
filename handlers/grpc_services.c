/* SPDX-License-Identifier: MIT
 *
 * grpc_services.c - the table.
 */
#include "handlers/grpc_services.h"

int grpc_services_mount(struct grpc_services *services, const struct grpc_services_options *options)
{
    struct grpc *grpc = services->grpc;
    int rc = grpc_health_mount(&services->health, grpc, options->loop, options->health);
    rc = rc < 0 ? rc : listings_grpc_mount(grpc, options->listings);
    return rc < 0 ? rc : grpc_reflection_mount(&services->reflection, grpc);
}

int grpc_services_create(struct grpc_services *services,
                         const struct grpc_services_options *options)
{
    *services = (struct grpc_services){0};
    return grpc_create(&options->limits, options->metrics, &services->grpc);
}

void grpc_services_destroy(struct grpc_services *services)
{
    grpc_destroy(services->grpc);
    grpc_reflection_deinit(&services->reflection);
}
