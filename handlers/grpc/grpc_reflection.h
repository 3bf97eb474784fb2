/* SPDX-License-Identifier: MIT
 *
 * grpc_reflection.h - grpc.reflection.v1 and v1alpha: the services and their descriptors, for
 * clients such as grpcurl.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_GRPC_GRPC_REFLECTION_H
#define TOQ_HANDLERS_GRPC_GRPC_REFLECTION_H

#include "core/grpc/grpc.h"
#include "handlers/grpc/descriptors.h"

struct grpc_reflection {
    struct grpc *grpc;
    struct descriptors descriptors;
    ProtobufCServiceDescriptor
        v1alpha; /* v1's under the older name: they are the same on the wire */
};

/* grpc_reflection_mount mounts both services, with the descriptions of what the server is built
 * with.
 *
 * Owns:    reflection is the caller's, and outlives grpc; grpc_reflection_deinit frees what it
 *          holds, after a failure too.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int grpc_reflection_mount(struct grpc_reflection *reflection, struct grpc *grpc);

/* grpc_reflection_add adds descriptions. Returns: as descriptors_add. */
MUST_USE int grpc_reflection_add(struct grpc_reflection *reflection, const unsigned char *set,
                                 size_t len);

/* grpc_reflection_deinit frees the descriptions. */
void grpc_reflection_deinit(struct grpc_reflection *reflection);

#endif
