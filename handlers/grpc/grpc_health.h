/* SPDX-License-Identifier: MIT
 *
 * grpc_health.h - grpc.health.v1: answers whether the server is ready, once or to watchers.
 *
 * All services are ready when the server is (health.h): they share its database. During a drain
 * none is, and watchers are told before their streams end.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_GRPC_GRPC_HEALTH_H
#define TOQ_HANDLERS_GRPC_GRPC_HEALTH_H

#include "core/grpc/grpc.h"
#include "handlers/diagnostics/health.h"

struct grpc_health {
    struct grpc *grpc;
    struct loop *loop;
    struct health *health;
    struct list watchers;
    struct list due; /* those of them that are still to be looked at */
    struct loop_deferred look_on;
    struct wheel_timer timer; /* set while somebody watches */
};

/* grpc_health_mount mounts the service.
 *
 * Owns:    gh is the caller's and outlives grpc; health is borrowed as long.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int grpc_health_mount(struct grpc_health *gh, struct grpc *grpc, struct loop *loop,
                               struct health *health);

#endif
