/* SPDX-License-Identifier: MIT
 *
 * diagnostics.h - the module of diagnostics: health on every port but gRPC's, metrics and profiles
 * on ports of their own, and the log line about a handler that holds the work loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_DIAGNOSTICS_H
#define TOQ_HANDLERS_DIAGNOSTICS_DIAGNOSTICS_H

#include "core/app/app_module.h"
#include "handlers/diagnostics/health.h"

extern const struct app_module diagnostics_module;

/* diagnostics_health is the health of the server, for those that speak of it in other words.
 *
 * Returns: NULL when the server has no such module.
 */
struct health *diagnostics_health(const struct app_context *context);

#endif
