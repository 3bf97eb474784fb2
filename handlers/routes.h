/* SPDX-License-Identifier: MIT
 *
 * routes.h - the route tables: which path each listener serves with which handler.
 *
 * Thread: main, before the loop runs.
 */
#ifndef TOQ_HANDLERS_ROUTES_H
#define TOQ_HANDLERS_ROUTES_H

#include "core/http/router.h"
#include "handlers/diagnostics/health.h"
#include "handlers/diagnostics/metrics.h"
#include "handlers/diagnostics/pprof.h"
#include "handlers/listings/http/listings_http.h"

/* routes_public adds what the HTTP port serves. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_public(struct router *router, struct health *health);

/* routes_health adds what every port but gRPC's serves: the health. Returns: as routes_public. */
MUST_USE int routes_health(struct router *router, struct health *health);

/* routes_listings adds the listings to what the HTTP port serves. Returns: as routes_public. */
MUST_USE int routes_listings(struct router *router, struct listings *listings);

/* routes_metrics adds what the metrics port serves. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_metrics(struct router *router, struct metrics_scrape *scrape);

/* routes_pprof adds what the pprof port serves. Returns: 0; UV_ENOMEM. */
MUST_USE int routes_pprof(struct router *router, struct pprof *pprof);

#endif
