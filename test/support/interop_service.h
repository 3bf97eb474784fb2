/* SPDX-License-Identifier: MIT
 *
 * interop_service.h - grpc.testing.TestService, which gRPC's interoperability tests call.
 *
 * Thread: main, before the loop runs.
 * Source: interop-test-descriptions.md of gRPC.
 */
#ifndef TOQ_TEST_SUPPORT_INTEROP_SERVICE_H
#define TOQ_TEST_SUPPORT_INTEROP_SERVICE_H

#include "core/grpc/grpc.h"

/* interop_service_mount mounts it. Returns: 0; UV_ENOMEM. */
MUST_USE int interop_service_mount(struct grpc *grpc);

#endif
