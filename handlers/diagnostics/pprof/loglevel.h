/* SPDX-License-Identifier: MIT
 *
 * loglevel.h - the log's level, read and set while the server runs.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_LOGLEVEL_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_LOGLEVEL_H

#include "handlers/diagnostics/pprof/pprof.h"

/* loglevel_handle_get answers with the log's level. */
void loglevel_handle_get(struct http_request *req, void *pprof);

/* loglevel_handle_put sets the log's level to that of the body, or of ?level=, until the next
 * SIGHUP. */
void loglevel_handle_put(struct http_request *req, void *pprof);

#endif
