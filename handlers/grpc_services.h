/* SPDX-License-Identifier: MIT
 *
 * grpc_services.h - the whole table of services that the gRPC port serves, and what they need.
 *
 * Thread: main, before the loop runs, and the loop's afterwards.
 */
#ifndef TOQ_HANDLERS_GRPC_SERVICES_H
#define TOQ_HANDLERS_GRPC_SERVICES_H

#include "handlers/grpc/grpc_health.h"
#include "handlers/grpc/grpc_reflection.h"
#include "handlers/listings/grpc/listings_grpc.h"

struct grpc_services {
    struct grpc *grpc; /* owned */
    struct grpc_health health;
    struct grpc_reflection reflection;
};

struct grpc_services_options {
    struct grpc_limits limits;
    struct loop *loop;
    struct metrics *metrics;
    struct health *health;
    struct listings *listings;
};

/* grpc_services_create makes a server of gRPC without services.
 *
 * options: borrowed.
 * Returns: 0; UV_ENOMEM, after which grpc_services_destroy is due as well.
 */
MUST_USE int grpc_services_create(struct grpc_services *services,
                                  const struct grpc_services_options *options);

/* grpc_services_mount mounts all services.
 *
 * options: borrowed; what it points at outlives the services.
 * Returns: as grpc_services_create.
 */
MUST_USE int grpc_services_mount(struct grpc_services *services,
                                 const struct grpc_services_options *options);

/* grpc_services_destroy frees all; takes what is all zero. No call is left, and the router is gone. */
void grpc_services_destroy(struct grpc_services *services);

#endif
