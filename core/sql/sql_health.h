/* SPDX-License-Identifier: MIT
 *
 * sql_health.h - the pool's own statements: checks of the server, and KILLs of abandoned
 * statements.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_HEALTH_H
#define TOQ_CORE_SQL_SQL_HEALTH_H

#include "core/sql/sql_pool.h"

/* sql_health_open allocates the checks, and sets the pool's callbacks for them.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int sql_health_open(struct sql *sql);

/* sql_health_stop cancels the checks. */
void sql_health_stop(struct sql *sql);

/* sql_health_close frees them. */
void sql_health_close(struct sql *sql);

#endif
