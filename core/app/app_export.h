/* SPDX-License-Identifier: MIT
 *
 * app_export.h - exports spans of the work loop's requests, when the configuration names a
 * receiver.
 *
 * Thread: main, but for the exporter's own.
 */
#ifndef TOQ_CORE_APP_APP_EXPORT_H
#define TOQ_CORE_APP_APP_EXPORT_H

#include "config/config.h"
#include "core/app/app_pools.h"
#include "core/export/exporter.h"
#include "core/http/http_span.h"

struct app_export {
    bool is_on;
    struct http_spans spans; /* what the servers of traffic are given */
    struct exporter_options options;
    struct exporter *exporter;     /* NULL: nothing is exported */
    struct statements *statements; /* that the client of MySQL is to tell; NULL: none */
};

/* What it works with. */
struct app_exporting {
    const struct config *config;
    const char *version;
    struct loop *loop; /* that of diagnostics */
    const struct app_pools *pools;
    struct metrics *metrics; /* of that loop */
};

/* app_export_open begins to export when there is an endpoint.
 *
 * Returns: 0; UV_EINVAL: a value that its own checks let through; UV_ENOMEM.
 */
MUST_USE int app_export_open(struct app_export *export, const struct app_exporting *what);

/* app_export_spans is what servers of traffic keep their requests by; NULL when nothing is
 * exported. */
const struct http_spans *app_export_spans(const struct app_export *export);

/* app_export_deinit frees what is left when the loops have ended. */
void app_export_deinit(struct app_export *export);

#endif
