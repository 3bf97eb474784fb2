/* SPDX-License-Identifier: MIT
 *
 * grpc_module.h - the module of gRPC's own services: health, and reflection of all services.
 */
#ifndef TOQ_HANDLERS_GRPC_GRPC_MODULE_H
#define TOQ_HANDLERS_GRPC_GRPC_MODULE_H

#include "core/app/app_module.h"
#include "handlers/grpc/grpc_reflection.h"

extern const struct app_module grpc_module;

/* grpc_module_reflection is where a service's own descriptions are added, by
 * grpc_reflection_add. */
struct grpc_reflection *grpc_module_reflection(const struct app_context *context);

#endif
